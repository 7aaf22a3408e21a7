// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Any file as tokens: the byte-level tokenizer with its vocabulary of 256.
#ifndef SWITCHYARD_RUNTIME_DATA_BYTE_FILE_H_
#define SWITCHYARD_RUNTIME_DATA_BYTE_FILE_H_

#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "switchyard/base/random_access_file.h"
#include "switchyard/runtime/data/token_file.h"

namespace switchyard {

class ByteFile : public TokenFile {
 public:
  // An error if `path` is no regular file that can be read, or holds a byte of
  // `vocabulary` or above (the file is searched only if vocabulary < 256).
  static absl::StatusOr<std::unique_ptr<ByteFile>> Open(const std::string& path,
                                                        int64_t vocabulary);

  const std::string& path() const override { return file_.path(); }
  int64_t size() const override { return file_.size(); }
  std::optional<double> bytes_per_token() const override { return 1.0; }
  absl::Status Read(int64_t begin, int64_t count,
                    int32_t* tokens) const override;

 private:
  explicit ByteFile(RandomAccessFile file) : file_(std::move(file)) {}

  absl::Status CheckVocabulary(int64_t vocabulary) const;

  const RandomAccessFile file_;
};

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_DATA_BYTE_FILE_H_
