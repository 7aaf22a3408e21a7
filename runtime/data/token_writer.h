// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Files of tokens that other trainers read too (docs/data.md): written beside
// their place under another name, and put there whole by Finish. Without it
// nothing is left.
//
//   SWITCHYARD_ASSIGN_OR_RETURN(auto writer, TokenWriter::Create(
//       "corpus.bin", DataFormat::kU16, tokenizer.vocabulary()));
//   SWITCHYARD_RETURN_IF_ERROR(writer->Append(tokens));
//   SWITCHYARD_RETURN_IF_ERROR(writer->EndDocument());
//   SWITCHYARD_RETURN_IF_ERROR(writer->Finish());
#ifndef SWITCHYARD_RUNTIME_DATA_TOKEN_WRITER_H_
#define SWITCHYARD_RUNTIME_DATA_TOKEN_WRITER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "switchyard/runtime/data/data_format.h"
#include "switchyard/runtime/data/flat_token_file.h"

namespace switchyard {

class TokenWriter {
 public:
  // `format` is kU16, kU32, kLlmc or kMegatron. An error if it cannot hold
  // tokens up to `vocabulary`, or something is in the place of a file.
  // Megatron's tokens are 2 bytes for vocabularies below 65,500 and 4 above, as
  // there.
  static absl::StatusOr<std::unique_ptr<TokenWriter>> Create(
      const std::string& path, DataFormat format, int64_t vocabulary);
  ~TokenWriter();
  TokenWriter(const TokenWriter&) = delete;
  TokenWriter& operator=(const TokenWriter&) = delete;

  // Tokens in [0, vocabulary).
  absl::Status Append(absl::Span<const int32_t> tokens);
  // Where the format has documents, what was appended since the last is one. An
  // error if it is too long for the format.
  absl::Status EndDocument();
  absl::Status Finish();

  int64_t tokens() const { return tokens_; }
  // What Finish puts in place; the last makes the others be found.
  std::vector<std::string> paths() const;

 private:
  TokenWriter(std::string path, DataFormat format, TokenType type)
      : path_(std::move(path)), format_(format), type_(type) {}

  std::string TemporaryPath(const std::string& path) const;
  absl::Status Start();
  absl::Status WriteIndex() const;

  const std::string path_;
  const DataFormat format_;
  const TokenType type_;
  int file_ = -1;
  int64_t tokens_ = 0;
  std::vector<int64_t> document_ends_;  // in tokens
  std::string buffer_;
};

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_DATA_TOKEN_WRITER_H_
