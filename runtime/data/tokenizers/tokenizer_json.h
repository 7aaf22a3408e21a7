// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Tokenizers from Hugging Face's tokenizer.json, of one kind: byte-level
// byte-pair encoding. What the file asks for and is not known here is refused
// by name, for tokens that are nearly right are worse than none (docs/data.md
// has the list).
#ifndef SWITCHYARD_RUNTIME_DATA_TOKENIZERS_TOKENIZER_JSON_H_
#define SWITCHYARD_RUNTIME_DATA_TOKENIZERS_TOKENIZER_JSON_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "switchyard/runtime/data/tokenizer.h"

namespace switchyard {

// What ends a document is the eos_token of tokenizer_config.json beside `path`,
// if there is one.
absl::StatusOr<std::unique_ptr<Tokenizer>> ReadTokenizerJson(
    const std::string& path);

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_DATA_TOKENIZERS_TOKENIZER_JSON_H_
