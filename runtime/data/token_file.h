// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// A file of tokens, read at random. Formats are implementations
// (open_token_file.h finds the one that a file asks for).
#ifndef SWITCHYARD_RUNTIME_DATA_TOKEN_FILE_H_
#define SWITCHYARD_RUNTIME_DATA_TOKEN_FILE_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"

namespace switchyard {

class TokenFile {
 public:
  virtual ~TokenFile() = default;
  TokenFile(const TokenFile&) = delete;
  TokenFile& operator=(const TokenFile&) = delete;

  // For messages.
  virtual const std::string& path() const = 0;
  // Tokens in the file.
  virtual int64_t size() const = 0;
  // Bytes of text that a token stands for on average, if it is known.
  virtual std::optional<double> bytes_per_token() const = 0;

  // Tokens [begin, begin + count), which must lie inside the file. An error if
  // the file has changed since it was opened, cannot be read or holds a token
  // outside the vocabulary.
  virtual absl::Status Read(int64_t begin, int64_t count,
                            int32_t* tokens) const = 0;

 protected:
  TokenFile() = default;
};

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_DATA_TOKEN_FILE_H_
