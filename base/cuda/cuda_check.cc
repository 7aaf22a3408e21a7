// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/base/cuda/cuda_check.h"

#include "switchyard/base/check.h"

namespace switchyard::internal {

void EndCudaError(cudaError_t error, const char* call, const char* file,
                  int line) {
  FatalMessage(file, line, call).stream()
      << cudaGetErrorName(error) << ": " << cudaGetErrorString(error);
  __builtin_unreachable();  // the message ends the process
}

}  // namespace switchyard::internal
