// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Pinned host memory through which copies between a device and ordinary memory
// pass, so that they need not wait. What was taken is free again when the
// stream has been waited for. It grows by doubling and never shrinks: a step
// that needs no more than an earlier one takes nothing.
#ifndef SWITCHYARD_BASE_CUDA_HOST_STAGING_H_
#define SWITCHYARD_BASE_CUDA_HOST_STAGING_H_

#include <cstddef>
#include <vector>

namespace switchyard {

class CudaDevice;

class HostStaging {
 public:
  explicit HostStaging(CudaDevice& device) : device_(device) {}
  ~HostStaging();
  HostStaging(const HostStaging&) = delete;
  HostStaging& operator=(const HostStaging&) = delete;

  // Valid until Reset.
  char* Take(size_t bytes);
  // Bytes since Reset, and what was left over of blocks that were too small.
  size_t taken() const { return full_ + used_; }
  // No copy that uses what was taken is under way any more.
  void Reset();

 private:
  struct Block {
    char* data = nullptr;
    size_t bytes = 0;
  };
  void Add(size_t bytes);

  CudaDevice& device_;
  std::vector<Block> blocks_;  // only the last has room
  size_t full_ = 0;            // bytes of the others
  size_t used_ = 0;            // of the last one
};

}  // namespace switchyard

#endif  // SWITCHYARD_BASE_CUDA_HOST_STAGING_H_
