// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// A file of --data, whatever its format.
#ifndef SWITCHYARD_RUNTIME_DATA_OPEN_TOKEN_FILE_H_
#define SWITCHYARD_RUNTIME_DATA_OPEN_TOKEN_FILE_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "switchyard/runtime/data/data_format.h"
#include "switchyard/runtime/data/token_file.h"
#include "switchyard/runtime/data/tokenizer.h"

namespace switchyard {

struct TokenFileOptions {
  DataFormat format = DataFormat::kAuto;
  int64_t vocabulary = 0;  // tokens are below it
  // Encodes text, and tells how much of it a stream of tokens stands for. Null:
  // text is bytes.
  Tokenizer* tokenizer = nullptr;
  // Whether a stream's bytes of text are counted, which reads it.
  bool count_text = false;
};

// An error names the file. Streams of tokens of up to 256 MB are checked as a
// whole, and all of them whenever they are read.
absl::StatusOr<std::unique_ptr<TokenFile>> OpenTokenFile(
    const std::string& path, const TokenFileOptions& options);

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_DATA_OPEN_TOKEN_FILE_H_
