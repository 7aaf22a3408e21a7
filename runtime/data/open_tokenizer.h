// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Which tokenizer a name or a file asks for.
#ifndef SWITCHYARD_RUNTIME_DATA_OPEN_TOKENIZER_H_
#define SWITCHYARD_RUNTIME_DATA_OPEN_TOKENIZER_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "switchyard/runtime/data/tokenizer.h"

namespace switchyard {

inline constexpr char kByteTokenizer[] = "bytes";

// kByteTokenizer, a tokenizer.json, a SentencePiece .model, or a folder that
// holds one of them as tokenizer.json or tokenizer.model, in this order.
absl::StatusOr<std::unique_ptr<Tokenizer>> OpenTokenizer(
    const std::string& path);

// An error if `tokenizer` has tokens that a model of `vocabulary` lacks.
absl::Status CheckVocabulary(const Tokenizer& tokenizer, int64_t vocabulary);

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_DATA_OPEN_TOKENIZER_H_
