// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// cuBLAS's handle, and what all its calls check.
#ifndef SWITCHYARD_TESTS_EMULATION_CUBLAS_HANDLE_H_
#define SWITCHYARD_TESTS_EMULATION_CUBLAS_HANDLE_H_

#include <string>

#include "cublas_v2.h"

struct cublasContext {
  int device;
  cudaStream_t stream = nullptr;
  void* workspace = nullptr;
  size_t workspace_bytes = 0;
  cublasPointerMode_t pointer_mode = CUBLAS_POINTER_MODE_HOST;
};

namespace switchyard::emulation {

// Remembers the text for cublasGetStatusString().
cublasStatus_t BlasError(cublasStatus_t status, const std::string& text);

// Whether the handle exists and its stream can be used.
cublasStatus_t CheckHandle(const char* call, cublasHandle_t handle);

}  // namespace switchyard::emulation

#define SWITCHYARD_EMULATION_RETURN_IF_BLAS_ERROR(expression)  \
  do {                                                         \
    if (const cublasStatus_t switchyard_status = (expression); \
        switchyard_status != CUBLAS_STATUS_SUCCESS) {          \
      return switchyard_status;                                \
    }                                                          \
  } while (false)

#endif  // SWITCHYARD_TESTS_EMULATION_CUBLAS_HANDLE_H_
