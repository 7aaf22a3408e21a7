// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The indexed datasets of Megatron-LM (megatron/core/datasets/
// indexed_dataset.py): PATH.bin has the tokens of all sequences, PATH.idx where
// they are. The index, little-endian:
//   9 bytes  "MMIDIDX\0\0"
//   u64      version 1
//   u8       type of the tokens
//   u64      sequences S
//   u64      document indices D
//   i32[S]   tokens of each sequence
//   i64[S]   byte in PATH.bin where each begins
//   i64[D]   sequence where each document begins; the last is S
// A mode of each sequence, i8[S], may follow. Its sequences in order, which is
// the order of the documents, are one stream here: each must begin where the
// one before ends, as Megatron writes them.
#ifndef SWITCHYARD_RUNTIME_DATA_MEGATRON_FILE_H_
#define SWITCHYARD_RUNTIME_DATA_MEGATRON_FILE_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "switchyard/runtime/data/flat_token_file.h"

namespace switchyard {

struct MegatronFile {
  static constexpr absl::string_view kMagic{"MMIDIDX\0\0", 9};
  static constexpr uint64_t kVersion = 1;
  static constexpr int64_t kHeaderBytes = 9 + 8 + 1 + 8 + 8;

  // `path` may be written with .bin, .idx or neither.
  static std::string TokensOf(absl::string_view path);
  static std::string IndexOf(absl::string_view path);

  // The header alone.
  static std::string Header(TokenType type, int64_t sequences,
                            int64_t document_indices);
  // An error if the index is damaged or does not fit PATH.bin. Reads the whole
  // index, a part at a time.
  static absl::StatusOr<std::unique_ptr<FlatTokenFile>> Open(
      const std::string& path, int64_t vocabulary);
};

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_DATA_MEGATRON_FILE_H_
