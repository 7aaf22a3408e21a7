// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// A file of text, encoded when it is opened and kept as tokens.
#ifndef SWITCHYARD_RUNTIME_DATA_MEMORY_TOKEN_FILE_H_
#define SWITCHYARD_RUNTIME_DATA_MEMORY_TOKEN_FILE_H_

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "switchyard/runtime/data/token_file.h"
#include "switchyard/runtime/data/tokenizer.h"

namespace switchyard {

class MemoryTokenFile : public TokenFile {
 public:
  // Encoding takes seconds for a hundred megabytes, on every rank, and 4 bytes
  // a token; larger texts are encoded once, by `switchyard tokenize`.
  static constexpr int64_t kMostTextBytes = int64_t{256} << 20;

  // An error if the text is larger or cannot be encoded.
  static absl::StatusOr<std::unique_ptr<MemoryTokenFile>> Open(
      const std::string& path, Tokenizer& tokenizer);

  const std::string& path() const override { return path_; }
  int64_t size() const override { return static_cast<int64_t>(tokens_.size()); }
  std::optional<double> bytes_per_token() const override {
    return bytes_per_token_;
  }
  absl::Status Read(int64_t begin, int64_t count,
                    int32_t* tokens) const override;

 private:
  explicit MemoryTokenFile(std::string path) : path_(std::move(path)) {}

  const std::string path_;
  std::vector<int32_t> tokens_;
  std::optional<double> bytes_per_token_;
};

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_DATA_MEMORY_TOKEN_FILE_H_
