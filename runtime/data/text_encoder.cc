// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/data/text_encoder.h"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "switchyard/base/number_text.h"
#include "switchyard/base/status.h"
#include "switchyard/runtime/data/tokenizers/utf8.h"

namespace switchyard {
namespace {

constexpr size_t kPartBytes = size_t{1} << 20;
constexpr size_t kMostPartBytes = size_t{16} << 20;
// What MayCut looks at behind a place.
constexpr size_t kContext = 512;
// Places of a kind that are tried.
constexpr int kTries = 64;
constexpr int kTriesAnywhere = 2048;

bool IsSpace(char c) {
  return absl::ascii_isspace(static_cast<unsigned char>(c));
}

bool EndsLine(absl::string_view text, size_t at) {
  return text[at - 1] == '\n' && !IsSpace(text[at]);
}

bool EndsWord(absl::string_view text, size_t at) {
  return text[at] == ' ' && !IsSpace(text[at - 1]) && !IsSpace(text[at + 1]);
}

bool EndsCharacter(absl::string_view text, size_t at) {
  return BeginsCharacter(text[at]);
}

// The last place of a kind at which `text` may be cut.
template <typename IsPlace>
std::optional<size_t> LastPlace(const Tokenizer& tokenizer,
                                absl::string_view text, IsPlace is_place,
                                int tries) {
  for (size_t at = text.size() - kContext; at > 0 && tries > 0; --at) {
    if (!is_place(text, at)) continue;
    if (tokenizer.MayCut(text, at)) return at;
    --tries;
  }
  return std::nullopt;
}

std::optional<size_t> PlaceToCut(const Tokenizer& tokenizer,
                                 absl::string_view text) {
  auto place = LastPlace(tokenizer, text, EndsLine, kTries);
  if (!place) place = LastPlace(tokenizer, text, EndsWord, kTries);
  if (!place) place = LastPlace(tokenizer, text, EndsCharacter, kTriesAnywhere);
  return place;
}

class FileEncoder {
 public:
  FileEncoder(const RandomAccessFile& file, Tokenizer& tokenizer)
      : file_(file), tokenizer_(tokenizer) {}

  absl::Status Run(TokensSink sink) {
    while (begin_ < file_.size()) {
      SWITCHYARD_RETURN_IF_ERROR(Fill(kPartBytes));
      SWITCHYARD_ASSIGN_OR_RETURN(const size_t part, PartBytes());
      tokens_.clear();
      const absl::Status status =
          tokenizer_.Encode(absl::string_view(text_).substr(0, part), &tokens_);
      if (!status.ok()) return Explain(status);
      SWITCHYARD_RETURN_IF_ERROR(sink(tokens_));
      text_.erase(0, part);
      begin_ += static_cast<int64_t>(part);
    }
    return absl::OkStatus();
  }

 private:
  bool at_end() const {
    return begin_ + static_cast<int64_t>(text_.size()) == file_.size();
  }

  // Reads until `text_` has `bytes`, or what is left of the file, and checks
  // it.
  absl::Status Fill(size_t bytes) {
    const size_t before = text_.size();
    const int64_t from = begin_ + static_cast<int64_t>(before);
    const size_t wanted = std::min(std::max(bytes, before) - before,
                                   static_cast<size_t>(file_.size() - from));
    text_.resize(before + wanted);
    SWITCHYARD_RETURN_IF_ERROR(
        file_.Read(from, static_cast<int64_t>(wanted), text_.data() + before));
    if (tokenizer_.takes_any_bytes()) return absl::OkStatus();
    // A character at the end may go on in what is not read yet.
    checked_ = std::min(checked_, before);
    checked_ += Utf8Prefix(absl::string_view(text_).substr(checked_));
    if (checked_ == text_.size() ||
        (!at_end() && text_.size() - checked_ < 4)) {
      return absl::OkStatus();
    }
    return absl::InvalidArgumentError(absl::StrCat(
        "expected text in UTF-8, found the byte ",
        int{static_cast<uint8_t>(text_[checked_])}, " at byte ",
        begin_ + static_cast<int64_t>(checked_), " of ", file_.path(),
        ", where no character is; convert it, with iconv for example, or use "
        "--tokenizer bytes"));
  }

  // How much of `text_` is encoded next.
  absl::StatusOr<size_t> PartBytes() {
    for (size_t bytes = kPartBytes; !at_end(); bytes *= 2) {
      if (bytes > kMostPartBytes) return NoPlace();
      SWITCHYARD_RETURN_IF_ERROR(Fill(bytes));
      if (at_end()) break;
      const size_t whole =
          tokenizer_.takes_any_bytes() ? text_.size() : checked_;
      const auto place =
          PlaceToCut(tokenizer_, absl::string_view(text_).substr(0, whole));
      if (place.has_value()) {
        checked_ -= std::min(checked_, *place);
        return *place;
      }
    }
    checked_ = 0;
    return text_.size();
  }

  absl::Status NoPlace() const {
    return absl::InvalidArgumentError(absl::StrCat(
        "expected a place in every ", ByteText(kMostPartBytes), " of ",
        file_.path(), " where tokens end for certain, found none after byte ",
        begin_, "; put line breaks into it"));
  }

  absl::Status Explain(const absl::Status& status) const {
    return absl::Status(status.code(),
                        absl::StrCat(file_.path(), ", part from byte ", begin_,
                                     ": ", status.message()));
  }

  const RandomAccessFile& file_;
  Tokenizer& tokenizer_;
  int64_t begin_ = 0;  // of text_ in the file
  std::string text_;
  size_t checked_ = 0;  // bytes of text_ that are whole characters
  std::vector<int32_t> tokens_;
};

}  // namespace

absl::Status EncodeFile(const RandomAccessFile& file, Tokenizer& tokenizer,
                        TokensSink sink) {
  return FileEncoder(file, tokenizer).Run(sink);
}

}  // namespace switchyard
