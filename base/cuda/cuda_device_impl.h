// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// A GPU as a device. Internal to Switchyard: users make one by cuda_device.h.
#ifndef SWITCHYARD_BASE_CUDA_CUDA_DEVICE_IMPL_H_
#define SWITCHYARD_BASE_CUDA_CUDA_DEVICE_IMPL_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "switchyard/base/cuda/cuda_device.h"

namespace switchyard {

class CudaDevice : public Device {
 public:
  // GPU number `index`, which is there.
  explicit CudaDevice(int index);

  DeviceKind kind() const override { return DeviceKind::kCuda; }
  const char* name() const override { return name_.c_str(); }
  int threads() const override { return 1; }
  void* Allocate(size_t bytes) override;
  void Free(void* data, size_t bytes) override;
  std::unique_ptr<Stream> NewStream() override;

  int index() const { return index_; }
  // Streaming multiprocessors.
  int multiprocessors() const { return multiprocessors_; }

  // Kernels and products of matrices that its streams were given so far.
  int64_t launches() const { return launches_; }
  void CountLaunch() { ++launches_; }
  // How often the host waited for them.
  int64_t waits() const { return waits_; }
  void CountWait() { ++waits_; }

  // Memory of the host that copies go through.
  void* AllocatePinned(size_t bytes);
  void FreePinned(void* data);

  // It has no `bytes` more: ends the process with a sentence.
  [[noreturn]] void EndOutOfMemory(size_t bytes) const;

  // CUDA calls act on a thread's current GPU.
  void MakeCurrent() const;

  bool watched() const { return !watchers_.empty(); }
  void LookAround();
  // Before a call that may wait inside the driver for all that the device does:
  // until nothing of it waits for another rank any more.
  void Rest();
  void Add(CudaWatcher* watcher) { watchers_.push_back(watcher); }
  void Remove(CudaWatcher* watcher);

 private:
  const int index_;
  const std::string name_;
  int multiprocessors_ = 0;
  std::atomic<int64_t> launches_ = 0;
  std::atomic<int64_t> waits_ = 0;
  std::vector<CudaWatcher*> watchers_;
};

}  // namespace switchyard

#endif  // SWITCHYARD_BASE_CUDA_CUDA_DEVICE_IMPL_H_
