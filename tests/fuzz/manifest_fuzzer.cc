// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "switchyard/runtime/checkpoint/block_checksum.h"
#include "switchyard/runtime/checkpoint/manifest.h"

namespace {

// With the checksum that the text needs, or no input would get far.
std::string Signed(std::string json) {
  const size_t at = json.find("\"checksum\": \"");
  if (at == std::string::npos || json.size() < at + 29) return json;
  json.replace(at + 13, 16, 16, '0');
  return json.replace(at + 13, 16,
                      switchyard::ChecksumText(switchyard::ChecksumOf(json)));
}

}  // namespace

// What is accepted is complete, and written and read again it is the same.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const std::string json =
      Signed(std::string(reinterpret_cast<const char*>(bytes), size));
  const auto manifest = switchyard::ParseManifest(json, "fuzz");
  if (!manifest.ok()) return 0;
  for (const auto& [name, tensor] : manifest->tensors) {
    int64_t next = 0;
    for (const switchyard::SavedSlice& slice : tensor.slices) {
      if (slice.first != next || slice.file < 0 ||
          slice.file >= static_cast<int>(manifest->files.size())) {
        std::abort();
      }
      next += slice.count;
    }
    if (next != tensor.shape.element_count()) std::abort();
  }
  const std::string written = ToJson(*manifest);
  const auto again = switchyard::ParseManifest(written, "fuzz");
  if (!again.ok() || ToJson(*again) != written) std::abort();
  return 0;
}
