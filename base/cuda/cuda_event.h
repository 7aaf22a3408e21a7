// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// A point in a stream that others can wait for. Internal to Switchyard.
#ifndef SWITCHYARD_BASE_CUDA_CUDA_EVENT_H_
#define SWITCHYARD_BASE_CUDA_CUDA_EVENT_H_

#include <cuda_runtime.h>

#include "switchyard/base/cuda/cuda_check.h"

namespace switchyard {

class CudaEvent {
 public:
  CudaEvent() {
    SWITCHYARD_CUDA_CHECK(
        cudaEventCreateWithFlags(&event_, cudaEventDisableTiming));
  }
  ~CudaEvent() { SWITCHYARD_CUDA_CHECK(cudaEventDestroy(event_)); }
  CudaEvent(const CudaEvent&) = delete;
  CudaEvent& operator=(const CudaEvent&) = delete;

  // The point behind all work that `stream` was given so far.
  void Record(cudaStream_t stream) {
    SWITCHYARD_CUDA_CHECK(cudaEventRecord(event_, stream));
  }
  // Later work of `stream` begins behind the point.
  void HoldBack(cudaStream_t stream) const {
    SWITCHYARD_CUDA_CHECK(cudaStreamWaitEvent(stream, event_, 0));
  }
  // Whether the work before the point is complete.
  bool Reached() const {
    const cudaError_t error = cudaEventQuery(event_);
    if (error == cudaErrorNotReady) return false;
    internal::CheckCuda(error, "cudaEventQuery, of earlier work", __FILE__,
                        __LINE__);
    return true;
  }

 private:
  cudaEvent_t event_ = nullptr;
};

}  // namespace switchyard

#endif  // SWITCHYARD_BASE_CUDA_CUDA_EVENT_H_
