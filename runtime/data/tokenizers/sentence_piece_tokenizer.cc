// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/data/tokenizers/sentence_piece_tokenizer.h"

#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "switchyard/base/file.h"
#include "switchyard/base/nearest_name.h"
#include "switchyard/base/status.h"
#include "switchyard/runtime/data/tokenizers/sentence_piece_model.h"
#include "switchyard/runtime/data/tokenizers/utf8.h"

namespace switchyard {
namespace {

using internal::SentencePieceModel;

constexpr size_t kMostFileBytes = size_t{64} << 20;
constexpr char kSpace[] = "\xE2\x96\x81";  // U+2581 stands for a space

class SentencePieceTokenizer : public Tokenizer {
 public:
  explicit SentencePieceTokenizer(std::string name) : name_(std::move(name)) {}

  absl::Status Load(absl::string_view content);

  const std::string& name() const override { return name_; }
  int64_t vocabulary() const override {
    return static_cast<int64_t>(text_bytes_.size());
  }
  absl::Status Encode(absl::string_view text,
                      std::vector<int32_t>* tokens) override;
  bool MayCut(absl::string_view, size_t) const override { return true; }
  absl::StatusOr<std::string> Decode(
      absl::Span<const int32_t> tokens) const override;
  int64_t TextBytes(int32_t token) const override {
    return text_bytes_[static_cast<size_t>(token)];
  }
  std::optional<int32_t> Special(absl::string_view text) const override;
  std::optional<int32_t> end_of_text() const override;

 private:
  int64_t BytesOf(int token) const;

  const std::string name_;
  SentencePieceModel model_;
  std::vector<int64_t> text_bytes_;
  std::vector<int> encoded_;
};

absl::Status SentencePieceTokenizer::Load(absl::string_view content) {
  const std::string message =
      model_.Load(std::string_view(content.data(), content.size()));
  if (!message.empty() || model_.size() < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("expected a SentencePiece model, found ", name_,
                     ", which the library "
                     "does not take (",
                     Printable(message), "); give a .model file"));
  }
  for (int i = 0; i < model_.size(); ++i) text_bytes_.push_back(BytesOf(i));
  return absl::OkStatus();
}

// An unknown piece stands for a character, or several; it counts as one byte.
int64_t SentencePieceTokenizer::BytesOf(int token) const {
  switch (model_.KindOf(token)) {
    case SentencePieceModel::Kind::kSpecial:
      return 0;
    case SentencePieceModel::Kind::kByte:
    case SentencePieceModel::Kind::kUnknown:
      return 1;
    case SentencePieceModel::Kind::kPiece:
      break;
  }
  return static_cast<int64_t>(
      absl::StrReplaceAll(model_.Piece(token), {{kSpace, " "}}).size());
}

absl::Status SentencePieceTokenizer::Encode(absl::string_view text,
                                            std::vector<int32_t>* tokens) {
  const size_t good = Utf8Prefix(text);
  std::string message;
  if (good == text.size()) {
    encoded_.clear();
    message =
        model_.Encode(std::string_view(text.data(), text.size()), &encoded_);
  } else {
    message = absl::StrCat("no UTF-8 at byte ", good);
  }
  if (!message.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("expected text that SentencePiece encodes, found one that "
                     "it does not (",
                     Printable(message), "); convert the text to UTF-8"));
  }
  tokens->insert(tokens->end(), encoded_.begin(), encoded_.end());
  return absl::OkStatus();
}

absl::StatusOr<std::string> SentencePieceTokenizer::Decode(
    absl::Span<const int32_t> tokens) const {
  for (const int32_t token : tokens) {
    if (token >= 0 && token < vocabulary()) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        "expected tokens of ", name_, ", found ", token,
        ", which it does not have; decode with the tokenizer that made it"));
  }
  std::string text;
  const std::string message =
      model_.Decode(std::vector<int>(tokens.begin(), tokens.end()), &text);
  if (!message.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("expected tokens that SentencePiece decodes, found ",
                     Printable(message), "; correct them"));
  }
  return text;
}

std::optional<int32_t> SentencePieceTokenizer::Special(
    absl::string_view text) const {
  for (int i = 0; i < model_.size(); ++i) {
    if (model_.KindOf(i) == SentencePieceModel::Kind::kSpecial &&
        model_.Piece(i) == text) {
      return i;
    }
  }
  return std::nullopt;
}

std::optional<int32_t> SentencePieceTokenizer::end_of_text() const {
  const int end = model_.end_of_text();
  if (end < 0) return std::nullopt;
  return end;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Tokenizer>> ReadSentencePieceModel(
    const std::string& path) {
  SWITCHYARD_ASSIGN_OR_RETURN(const std::string content,
                              ReadFile(path, kMostFileBytes));
  auto tokenizer = std::make_unique<SentencePieceTokenizer>(path);
  SWITCHYARD_RETURN_IF_ERROR(tokenizer->Load(content));
  return tokenizer;
}

}  // namespace switchyard
