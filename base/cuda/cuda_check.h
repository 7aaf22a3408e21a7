// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Errors of CUDA calls. Inside base/, kernels/ and comm/ a call that fails ends
// the process, naming the call and CUDA's text: it is a bug, or the GPU broke.
#ifndef SWITCHYARD_BASE_CUDA_CUDA_CHECK_H_
#define SWITCHYARD_BASE_CUDA_CUDA_CHECK_H_

#include <cuda_runtime.h>

namespace switchyard::internal {

[[noreturn]] void EndCudaError(cudaError_t error, const char* call,
                               const char* file, int line);

inline void CheckCuda(cudaError_t error, const char* call, const char* file,
                      int line) {
  if (error != cudaSuccess) EndCudaError(error, call, file, line);
}

}  // namespace switchyard::internal

#define SWITCHYARD_CUDA_CHECK(call) \
  ::switchyard::internal::CheckCuda((call), #call, __FILE__, __LINE__)

#endif  // SWITCHYARD_BASE_CUDA_CUDA_CHECK_H_
