// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/data/tokenizers/bpe_tokenizer.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "switchyard/base/check.h"
#include "switchyard/base/status.h"
#include "switchyard/runtime/data/tokenizers/normal_form.h"
#include "switchyard/runtime/data/tokenizers/utf8.h"

namespace switchyard {
namespace {

constexpr size_t kCutContext = 512;

}  // namespace

BpeTokenizer::BpeTokenizer(Parts parts)
    : model_(std::move(parts.model)), parts_(std::move(parts)) {}

absl::Status BpeTokenizer::Split(absl::string_view text, PieceSink on_word,
                                 TokenSink on_added) const {
  const auto to_words = [&](absl::string_view piece) {
    return parts_.pre_tokenizer.Split(piece, on_word);
  };
  std::string buffer;
  const auto normalize = [&](absl::string_view piece) -> absl::Status {
    if (parts_.normal_form_c) {
      SWITCHYARD_ASSIGN_OR_RETURN(piece, NormalFormC(piece, &buffer));
    }
    return parts_.added_normalized.Split(piece, to_words, on_added);
  };
  return parts_.added.Split(text, normalize, on_added);
}

absl::Status BpeTokenizer::Encode(absl::string_view text,
                                  std::vector<int32_t>* tokens) {
  const size_t good = Utf8Prefix(text);
  if (good < text.size()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "expected text in UTF-8, found the byte ",
        int{static_cast<uint8_t>(text[good])}, " at byte ", good,
        " of it, where no character is; convert it, with iconv for example"));
  }
  return Split(
      text,
      [&](absl::string_view word) {
        model_.Encode(word, tokens);
        return absl::OkStatus();
      },
      [&](int32_t token) {
        tokens->push_back(token);
        return absl::OkStatus();
      });
}

absl::StatusOr<std::string> BpeTokenizer::ShownSplit(
    absl::string_view text) const {
  std::string shown;
  SWITCHYARD_RETURN_IF_ERROR(Split(
      text,
      [&](absl::string_view word) {
        absl::StrAppend(&shown, "w", word.size(), ":", word);
        return absl::OkStatus();
      },
      [&](int32_t token) {
        absl::StrAppend(&shown, "t", token, ":");
        return absl::OkStatus();
      }));
  return shown;
}

bool BpeTokenizer::MayCut(absl::string_view text, size_t at) const {
  SWITCHYARD_CHECK(at > 0 && at < text.size()) << at << " " << text.size();
  size_t begin = at - std::min(at, kCutContext);
  while (begin > 0 && !BeginsCharacter(text[begin])) --begin;
  size_t end = std::min(at + kCutContext, text.size());
  while (end < text.size() && !BeginsCharacter(text[end])) ++end;
  const auto left = ShownSplit(text.substr(begin, at - begin));
  const auto right = ShownSplit(text.substr(at, end - at));
  const auto whole = ShownSplit(text.substr(begin, end - begin));
  return left.ok() && right.ok() && whole.ok() &&
         absl::StrCat(*left, *right) == *whole;
}

absl::StatusOr<std::string> BpeTokenizer::Decode(
    absl::Span<const int32_t> tokens) const {
  std::string text;
  for (const int32_t token : tokens) {
    if (token < 0 || token >= vocabulary() ||
        parts_.entries[token].kind == TokenEntry::Kind::kNone) {
      return absl::InvalidArgumentError(absl::StrCat(
          "expected tokens of ", name(), ", found ", token,
          ", which it does not have; decode with the tokenizer that made it"));
    }
    text += parts_.entries[token].bytes;
  }
  return text;
}

int64_t BpeTokenizer::TextBytes(int32_t token) const {
  const TokenEntry& entry = parts_.entries[token];
  return entry.kind == TokenEntry::Kind::kSpecial
             ? 0
             : static_cast<int64_t>(entry.bytes.size());
}

std::optional<int32_t> BpeTokenizer::Special(absl::string_view text) const {
  for (size_t i = 0; i < parts_.entries.size(); ++i) {
    const TokenEntry& entry = parts_.entries[i];
    if (entry.kind == TokenEntry::Kind::kSpecial && entry.bytes == text) {
      return static_cast<int32_t>(i);
    }
  }
  return std::nullopt;
}

}  // namespace switchyard
