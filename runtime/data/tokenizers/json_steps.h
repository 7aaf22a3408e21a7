// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// What tokenizer.json does with text before it is encoded. Not installed.
#ifndef SWITCHYARD_RUNTIME_DATA_TOKENIZERS_JSON_STEPS_H_
#define SWITCHYARD_RUNTIME_DATA_TOKENIZERS_JSON_STEPS_H_

#include <vector>

#include "switchyard/runtime/data/tokenizers/json_part.h"
#include "switchyard/runtime/data/tokenizers/pre_tokenizer.h"

namespace switchyard::internal {

// Whether `normalizer` is form C; it may be nothing at all.
absl::StatusOr<bool> ReadNormalizer(const JsonPart& normalizer);

// Of `pre_tokenizer`: ByteLevel, or a Sequence of Split and, last, ByteLevel.
absl::StatusOr<std::vector<PreTokenizer::Step>> ReadPreTokenizer(
    const JsonPart& pre_tokenizer);

// An error if `post_processor` may do more than add special tokens (which is
// not done here), or `decoder` is not ByteLevel.
absl::Status CheckPostProcessor(const JsonPart& post_processor);
absl::Status CheckDecoder(const JsonPart& decoder);

}  // namespace switchyard::internal

#endif  // SWITCHYARD_RUNTIME_DATA_TOKENIZERS_JSON_STEPS_H_
