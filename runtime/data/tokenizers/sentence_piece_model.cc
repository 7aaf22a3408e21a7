// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/data/tokenizers/sentence_piece_model.h"

#include <sentencepiece_processor.h>

namespace switchyard::internal {
namespace {

std::string MessageOf(const sentencepiece::util::Status& status) {
  if (status.ok()) return "";
  const std::string message = status.ToString();
  return message.empty() ? "unknown error" : message;
}

}  // namespace

struct SentencePieceModel::Processor {
  sentencepiece::SentencePieceProcessor library;
};

SentencePieceModel::SentencePieceModel()
    : processor_(std::make_unique<Processor>()) {}
SentencePieceModel::~SentencePieceModel() = default;

std::string SentencePieceModel::Load(std::string_view content) {
  return MessageOf(processor_->library.LoadFromSerializedProto(content));
}

std::string SentencePieceModel::Encode(std::string_view text,
                                       std::vector<int>* tokens) const {
  return MessageOf(processor_->library.Encode(text, tokens));
}

std::string SentencePieceModel::Decode(const std::vector<int>& tokens,
                                       std::string* text) const {
  return MessageOf(processor_->library.Decode(tokens, text));
}

int SentencePieceModel::size() const {
  return processor_->library.GetPieceSize();
}

SentencePieceModel::Kind SentencePieceModel::KindOf(int token) const {
  const sentencepiece::SentencePieceProcessor& library = processor_->library;
  if (library.IsControl(token)) return Kind::kSpecial;
  if (library.IsUnknown(token)) return Kind::kUnknown;
  return library.IsByte(token) ? Kind::kByte : Kind::kPiece;
}

std::string SentencePieceModel::Piece(int token) const {
  return processor_->library.IdToPiece(token);
}

int SentencePieceModel::end_of_text() const {
  return processor_->library.eos_id();
}

}  // namespace switchyard::internal
