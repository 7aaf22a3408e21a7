// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The alphabet of byte-level tokens (GPT-2, Radford et al. 2019): each byte is
// written as one printable character, so that a vocabulary of bytes is a list
// of strings. The 188 printable bytes of Latin-1 are themselves (! to ~, U+00A1
// to U+00AC, U+00AE to U+00FF); the other 68, in order, are U+0100 on.
#ifndef SWITCHYARD_RUNTIME_DATA_TOKENIZERS_BYTE_LEVEL_H_
#define SWITCHYARD_RUNTIME_DATA_TOKENIZERS_BYTE_LEVEL_H_

#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace switchyard {

// The bytes that a token stands for; nothing if it has a character that stands
// for none. `token` is UTF-8.
std::optional<std::string> BytesOfByteLevel(absl::string_view token);

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_DATA_TOKENIZERS_BYTE_LEVEL_H_
