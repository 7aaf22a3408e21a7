// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/base/device.h"

#include <cstdlib>

#include "switchyard/base/out_of_memory.h"

namespace switchyard {

void* Device::AllocateHost(size_t bytes) {
  constexpr size_t kAlignment = 64;
  const size_t rounded = (bytes / kAlignment + 1) * kAlignment;
  void* data = std::aligned_alloc(kAlignment, rounded);
  if (data == nullptr) EndOutOfMemory(rounded);
  return data;
}

void Device::FreeHost(void* data, size_t /*bytes*/) { std::free(data); }

}  // namespace switchyard
