// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The token files of llm.c (dev/data/data_common.py there): 256 numbers of 32
// bits (20240520, version 1, count of tokens, zeros), then the tokens, 16 bits
// each, all little-endian.
#ifndef SWITCHYARD_RUNTIME_DATA_LLMC_FILE_H_
#define SWITCHYARD_RUNTIME_DATA_LLMC_FILE_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "switchyard/runtime/data/flat_token_file.h"

namespace switchyard {

struct LlmcFile {
  static constexpr int32_t kMagic = 20240520;
  static constexpr int32_t kVersion = 1;
  static constexpr int64_t kHeaderBytes = 256 * 4;
  // The header's count is a signed number of 32 bits.
  static constexpr int64_t kMostTokens = INT32_MAX;

  static bool HasMagic(absl::string_view begin);
  // The header of a file of `count` tokens, 0 to kMostTokens.
  static std::string Header(int64_t count);
  // An error if the header is no such one, or the file has more or fewer bytes
  // than it says.
  static absl::StatusOr<std::unique_ptr<FlatTokenFile>> Open(
      const std::string& path, int64_t vocabulary);
};

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_DATA_LLMC_FILE_H_
