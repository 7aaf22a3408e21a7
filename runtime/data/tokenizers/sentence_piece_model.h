// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// SentencePiece's processor without its header, which declares an
// absl::string_view of its own. Nothing of Abseil is here. Not installed.
#ifndef SWITCHYARD_RUNTIME_DATA_TOKENIZERS_SENTENCE_PIECE_MODEL_H_
#define SWITCHYARD_RUNTIME_DATA_TOKENIZERS_SENTENCE_PIECE_MODEL_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace switchyard::internal {

class SentencePieceModel {
 public:
  enum class Kind { kPiece, kByte, kSpecial, kUnknown };

  SentencePieceModel();
  ~SentencePieceModel();

  // Messages of the library; empty: all is well.
  std::string Load(std::string_view content);
  std::string Encode(std::string_view text, std::vector<int>* tokens) const;
  std::string Decode(const std::vector<int>& tokens, std::string* text) const;

  int size() const;
  Kind KindOf(int token) const;
  std::string Piece(int token) const;
  int end_of_text() const;  // -1: none

 private:
  struct Processor;
  std::unique_ptr<Processor> processor_;
};

}  // namespace switchyard::internal

#endif  // SWITCHYARD_RUNTIME_DATA_TOKENIZERS_SENTENCE_PIECE_MODEL_H_
