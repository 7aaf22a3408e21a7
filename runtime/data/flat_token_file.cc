// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/data/flat_token_file.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <vector>

#include "absl/strings/str_cat.h"
#include "switchyard/base/check.h"
#include "switchyard/base/status.h"

namespace switchyard {
namespace {

static_assert(std::endian::native == std::endian::little);

constexpr int64_t kBufferBytes = 16 << 10;
constexpr int64_t kMostCheckedBytes = int64_t{256} << 20;

// Converts `count` numbers of type T; the first that is no token, or count.
template <typename T>
int64_t Convert(const char* from, int64_t count, int64_t vocabulary,
                int32_t* to) {
  for (int64_t i = 0; i < count; ++i) {
    T number;
    std::memcpy(&number, from + i * static_cast<int64_t>(sizeof(T)), sizeof(T));
    const int64_t token = static_cast<int64_t>(number);
    if (token < 0 || token >= vocabulary) return i;
    to[i] = static_cast<int32_t>(token);
  }
  return count;
}

int64_t Convert(TokenType type, const char* from, int64_t count,
                int64_t vocabulary, int32_t* to) {
  switch (type) {
    case TokenType::kUint8:
      return Convert<uint8_t>(from, count, vocabulary, to);
    case TokenType::kInt8:
      return Convert<int8_t>(from, count, vocabulary, to);
    case TokenType::kInt16:
      return Convert<int16_t>(from, count, vocabulary, to);
    case TokenType::kInt32:
      return Convert<int32_t>(from, count, vocabulary, to);
    case TokenType::kInt64:
      return Convert<int64_t>(from, count, vocabulary, to);
    case TokenType::kUint16:
      return Convert<uint16_t>(from, count, vocabulary, to);
    case TokenType::kUint32:
      return Convert<uint32_t>(from, count, vocabulary, to);
  }
  return 0;
}

}  // namespace

int64_t SizeOf(TokenType type) {
  switch (type) {
    case TokenType::kUint8:
    case TokenType::kInt8:
      return 1;
    case TokenType::kInt16:
    case TokenType::kUint16:
      return 2;
    case TokenType::kInt32:
    case TokenType::kUint32:
      return 4;
    case TokenType::kInt64:
      return 8;
  }
  return 0;
}

absl::StatusOr<std::unique_ptr<FlatTokenFile>> FlatTokenFile::Open(
    const std::string& path, TokenType type, int64_t vocabulary) {
  SWITCHYARD_ASSIGN_OR_RETURN(RandomAccessFile file,
                              RandomAccessFile::Open(path));
  const int64_t bytes = SizeOf(type);
  if (file.size() % bytes != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("expected tokens of ", bytes, " bytes each in ", path,
                     ", found ", file.size(),
                     " bytes, no multiple of it; give another --data_format or "
                     "the whole file"));
  }
  const Layout layout = {type, 0, file.size() / bytes};
  return std::make_unique<FlatTokenFile>(std::move(file), layout, vocabulary);
}

absl::Status FlatTokenFile::Read(int64_t begin, int64_t count,
                                 int32_t* tokens) const {
  SWITCHYARD_CHECK(begin >= 0 && count >= 0 && begin <= size() - count)
      << path() << " " << begin << " " << count << " " << size();
  alignas(8) char buffer[kBufferBytes];
  const int64_t bytes = SizeOf(layout_.type);
  for (int64_t done = 0; done < count;) {
    const int64_t part = std::min(count - done, kBufferBytes / bytes);
    SWITCHYARD_RETURN_IF_ERROR(file_.Read(
        layout_.begin + (begin + done) * bytes, part * bytes, buffer));
    const int64_t good =
        Convert(layout_.type, buffer, part, vocabulary_, tokens + done);
    if (good < part) return OutsideVocabulary(begin + done + good);
    done += part;
  }
  return absl::OkStatus();
}

absl::Status FlatTokenFile::OutsideVocabulary(int64_t position) const {
  const int64_t bytes = SizeOf(layout_.type);
  char number[8] = {};
  SWITCHYARD_RETURN_IF_ERROR(
      file_.Read(layout_.begin + position * bytes, bytes, number));
  // Negative ones keep their sign.
  const bool is_signed =
      layout_.type == TokenType::kInt8 || layout_.type == TokenType::kInt16 ||
      layout_.type == TokenType::kInt32 || layout_.type == TokenType::kInt64;
  if (is_signed && (number[bytes - 1] & 0x80) != 0) {
    std::memset(number + bytes, 0xFF, static_cast<size_t>(8 - bytes));
  }
  int64_t token;
  std::memcpy(&token, number, sizeof(token));
  return absl::InvalidArgumentError(absl::StrCat(
      "expected tokens of at least 0 and below the model's vocabulary of ",
      vocabulary_, ", found ", token, " as token ", position, " of ", path(),
      "; use the model's tokenizer, a larger vocab_size or the right "
      "--data_format"));
}

absl::Status FlatTokenFile::CheckTokens() const {
  if (size() > kMostCheckedBytes / SizeOf(layout_.type)) {
    return absl::OkStatus();
  }
  std::vector<int32_t> tokens(size_t{1} << 16);
  for (int64_t begin = 0; begin < size();) {
    const int64_t count =
        std::min(size() - begin, static_cast<int64_t>(tokens.size()));
    SWITCHYARD_RETURN_IF_ERROR(Read(begin, count, tokens.data()));
    begin += count;
  }
  return absl::OkStatus();
}

}  // namespace switchyard
