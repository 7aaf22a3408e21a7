// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// GPUs as devices. A device belongs to one rank; several ranks may share a GPU.
#ifndef SWITCHYARD_BASE_CUDA_CUDA_DEVICE_H_
#define SWITCHYARD_BASE_CUDA_CUDA_DEVICE_H_

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "switchyard/base/device.h"

namespace switchyard {

// How many GPUs this process sees. Unimplemented where the program was built
// without CUDA, Unavailable without a driver or a GPU.
absl::StatusOr<int> CudaDeviceCount();

// GPU number `index`, as CUDA counts them. Allocations are CUDA's; operators
// take what they need in between from its stream-ordered pool. Work that was
// given to a stream is complete when the stream's Wait returns; a call of CUDA
// that fails is a bug or a broken GPU, and ends the process with the call's
// name.
absl::StatusOr<std::unique_ptr<Device>> NewCudaDevice(int index);

struct CudaMemory {
  int64_t free = 0;   // bytes that nobody has taken
  int64_t total = 0;  // bytes of the GPU
};
// Of a device of NewCudaDevice.
CudaMemory MemoryOf(Device& device);

// The same number for the same GPU (or part of one that is lent as a GPU) in
// all processes of a host, whatever its index there.
uint64_t IdentityOf(Device& device);

// Looks after something that work on a device may wait for in vain, such as a
// collective. Asked now and then by the thread that waits for the device.
class CudaWatcher {
 public:
  virtual ~CudaWatcher() = default;
  virtual void Look() = 0;
  // Whether something waits for another rank.
  virtual bool Busy() const = 0;
};

// Of a device of NewCudaDevice. Not owned; remove it before it ends.
void AddWatcher(Device& device, CudaWatcher* watcher);
void RemoveWatcher(Device& device, CudaWatcher* watcher);

}  // namespace switchyard

#endif  // SWITCHYARD_BASE_CUDA_CUDA_DEVICE_H_
