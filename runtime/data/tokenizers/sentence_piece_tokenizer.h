// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// SentencePiece models (Kudo and Richardson, "SentencePiece", EMNLP 2018), as
// of Llama 2 and Mixtral 8x7B: a .model file, encoded by the library itself.
//
// SentencePiece encodes sentences: it may normalize, and puts a space before
// each. A text of more than a megabyte is encoded in parts that end with a
// line, each a sentence of its own (text_encoder.h).
#ifndef SWITCHYARD_RUNTIME_DATA_TOKENIZERS_SENTENCE_PIECE_TOKENIZER_H_
#define SWITCHYARD_RUNTIME_DATA_TOKENIZERS_SENTENCE_PIECE_TOKENIZER_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "switchyard/runtime/data/tokenizer.h"

namespace switchyard {

absl::StatusOr<std::unique_ptr<Tokenizer>> ReadSentencePieceModel(
    const std::string& path);

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_DATA_TOKENIZERS_SENTENCE_PIECE_TOKENIZER_H_
