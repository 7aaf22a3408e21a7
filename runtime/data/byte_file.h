// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Any file as tokens: the byte-level tokenizer with its vocabulary of 256.
#ifndef SWITCHYARD_RUNTIME_DATA_BYTE_FILE_H_
#define SWITCHYARD_RUNTIME_DATA_BYTE_FILE_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "switchyard/runtime/data/token_file.h"

namespace switchyard {

class ByteFile : public TokenFile {
 public:
  // An error if `path` is no regular file that can be read, or holds a byte of
  // `vocabulary` or above (the file is searched only if vocabulary < 256).
  static absl::StatusOr<std::unique_ptr<ByteFile>> Open(const std::string& path,
                                                        int64_t vocabulary);
  ~ByteFile() override;

  const std::string& path() const override { return path_; }
  int64_t size() const override { return size_; }
  int64_t text_bytes() const override { return size_; }
  absl::Status Read(int64_t begin, int64_t count,
                    int32_t* tokens) const override;

 private:
  ByteFile(std::string path, int file, int64_t size)
      : path_(std::move(path)), file_(file), size_(size) {}

  absl::Status CheckVocabulary(int64_t vocabulary) const;

  const std::string path_;
  const int file_;
  const int64_t size_;
};

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_DATA_BYTE_FILE_H_
