// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "switchyard/runtime/checkpoint/safetensors.h"
#include "switchyard/tests/fuzz/memory_file.h"

// What is accepted can be read to its last byte, and every byte is somebody's.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  static switchyard::testing::MemoryFile memory;
  const auto file = switchyard::SafetensorsFile::Open(memory.With(bytes, size));
  if (!file.ok()) return 0;
  int64_t total = static_cast<int64_t>(file->ReadHeader()->size());
  for (const switchyard::StoredTensor& tensor : file->tensors()) {
    std::vector<char> elements(static_cast<size_t>(tensor.byte_count()));
    if (!file->Read(tensor, 0, tensor.element_count(), elements.data()).ok() ||
        file->Find(tensor.name) != &tensor) {
      std::abort();
    }
    total += tensor.byte_count();
  }
  if (total != static_cast<int64_t>(size)) std::abort();
  return 0;
}
