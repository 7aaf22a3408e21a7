// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/base/cpu/cpu_device.h"

#include <cstdlib>
#include <functional>

#include "switchyard/base/check.h"
#include "switchyard/base/out_of_memory.h"
#include "switchyard/base/stream.h"

namespace switchyard {
namespace {

class CpuStream : public Stream {
 public:
  explicit CpuStream(Device& device) : Stream(device, /*runs_at_once=*/true) {}
  void Wait() override {}

 protected:
  void EnqueueLate(std::function<void()> work) override { work(); }
};

}  // namespace

CpuDevice::CpuDevice(int threads) : threads_(threads) {
  SWITCHYARD_CHECK(threads >= 1) << threads;
}

void* CpuDevice::Allocate(size_t bytes) {
  constexpr size_t kAlignment = 64;
  const size_t rounded = (bytes / kAlignment + 1) * kAlignment;
  void* data = std::aligned_alloc(kAlignment, rounded);
  if (data == nullptr) EndOutOfMemory(rounded);
  return data;
}

void CpuDevice::Free(void* data, size_t /*bytes*/) { std::free(data); }

std::unique_ptr<Stream> CpuDevice::NewStream() {
  return std::make_unique<CpuStream>(*this);
}

}  // namespace switchyard
