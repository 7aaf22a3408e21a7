// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "switchyard/runtime/data/flat_token_file.h"
#include "switchyard/runtime/data/llmc_file.h"
#include "switchyard/runtime/data/megatron_file.h"
#include "switchyard/tests/fuzz/scratch_folder.h"

namespace {

constexpr int64_t kVocabulary = 500;

absl::StatusOr<std::unique_ptr<switchyard::FlatTokenFile>> Open(
    uint8_t choice, std::string_view content) {
  static const auto* folder = new switchyard::testing::ScratchFolder;
  if (choice % 2 == 0) {
    return switchyard::LlmcFile::Open(folder->Write("llmc.bin", content),
                                      kVocabulary);
  }
  // An index beside 16 bytes of tokens.
  folder->Write("m.idx", content);
  return switchyard::MegatronFile::Open(
      folder->Write("m.bin", {"\1\0\2\0\3\0\4\0\5\0\6\0\7\0\1\1", 16}),
      kVocabulary);
}

}  // namespace

// What is accepted can be read from its first token to its last, or says why
// not.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  if (size == 0) return 0;
  const auto file =
      Open(bytes[0], {reinterpret_cast<const char*>(bytes) + 1, size - 1});
  if (!file.ok()) return 0;
  std::vector<int32_t> tokens(static_cast<size_t>((*file)->size()));
  if (!(*file)->Read(0, (*file)->size(), tokens.data()).ok()) return 0;
  for (const int32_t token : tokens) {
    if (token < 0 || token >= kVocabulary) std::abort();
  }
  return 0;
}
