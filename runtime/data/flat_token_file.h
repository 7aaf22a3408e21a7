// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Tokens as an array of integers, little-endian, somewhere in a file: all of it
// (--data_format u16, u32), or what a header or an index leaves.
#ifndef SWITCHYARD_RUNTIME_DATA_FLAT_TOKEN_FILE_H_
#define SWITCHYARD_RUNTIME_DATA_FLAT_TOKEN_FILE_H_

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "switchyard/base/random_access_file.h"
#include "switchyard/runtime/data/token_file.h"

namespace switchyard {

// The value is what Megatron calls it.
enum class TokenType {
  kUint8 = 1,
  kInt8 = 2,
  kInt16 = 3,
  kInt32 = 4,
  kInt64 = 5,
  kUint16 = 8,
  kUint32 = 100,  // not Megatron's
};
int64_t SizeOf(TokenType type);

class FlatTokenFile : public TokenFile {
 public:
  struct Layout {
    TokenType type = TokenType::kUint16;
    int64_t begin = 0;  // byte of the first token
    int64_t count = 0;
  };

  // A file of nothing but tokens. An error if it cannot be read or holds no
  // whole number of them.
  static absl::StatusOr<std::unique_ptr<FlatTokenFile>> Open(
      const std::string& path, TokenType type, int64_t vocabulary);
  // The layout lies inside the file.
  FlatTokenFile(RandomAccessFile file, const Layout& layout, int64_t vocabulary)
      : file_(std::move(file)), layout_(layout), vocabulary_(vocabulary) {}

  const std::string& path() const override { return file_.path(); }
  int64_t size() const override { return layout_.count; }
  std::optional<double> bytes_per_token() const override {
    return bytes_per_token_;
  }
  void set_bytes_per_token(double value) { bytes_per_token_ = value; }

  // An error too if a token is not in [0, vocabulary).
  absl::Status Read(int64_t begin, int64_t count,
                    int32_t* tokens) const override;

  // Reads files of up to 256 MB as a whole, so that a wrong vocabulary is told
  // before a run and not in it.
  absl::Status CheckTokens() const;

 private:
  absl::Status OutsideVocabulary(int64_t position) const;

  const RandomAccessFile file_;
  const Layout layout_;
  const int64_t vocabulary_;
  std::optional<double> bytes_per_token_;
};

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_DATA_FLAT_TOKEN_FILE_H_
