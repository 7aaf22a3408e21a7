// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "cublas/handle.h"

#include <mutex>
#include <set>

#include "runtime/errors.h"
#include "runtime/memory.h"
#include "runtime/stream.h"

namespace switchyard::emulation {
namespace {

constexpr int kVersion = 120500;
constexpr size_t kWorkspaceAlignment = 256;

thread_local std::string t_text;
thread_local cublasStatus_t t_text_of = CUBLAS_STATUS_SUCCESS;

std::mutex g_mutex;

std::set<cublasHandle_t>& Handles() {
  static auto* const handles = new std::set<cublasHandle_t>;
  return *handles;
}

bool Exists(cublasHandle_t handle) {
  const std::lock_guard lock(g_mutex);
  return Handles().count(handle) > 0;
}

cublasStatus_t CheckExists(const char* call, cublasHandle_t handle) {
  if (Exists(handle)) return CUBLAS_STATUS_SUCCESS;
  return BlasError(CUBLAS_STATUS_NOT_INITIALIZED,
                   std::string(call) + ": no such handle");
}

}  // namespace

cublasStatus_t BlasError(cublasStatus_t status, const std::string& text) {
  t_text = text;
  t_text_of = status;
  return status;
}

cublasStatus_t CheckHandle(const char* call, cublasHandle_t handle) {
  SWITCHYARD_EMULATION_RETURN_IF_BLAS_ERROR(CheckExists(call, handle));
  if (CheckStream(call, handle->stream) != cudaSuccess) {
    return BlasError(CUBLAS_STATUS_EXECUTION_FAILED,
                     cudaGetErrorString(cudaGetLastError()));
  }
  return CUBLAS_STATUS_SUCCESS;
}

}  // namespace switchyard::emulation

using switchyard::emulation::BlasError;
using switchyard::emulation::CheckExists;

const char* cublasGetStatusName(cublasStatus_t status) {
  switch (status) {
    case CUBLAS_STATUS_SUCCESS:
      return "CUBLAS_STATUS_SUCCESS";
    case CUBLAS_STATUS_NOT_INITIALIZED:
      return "CUBLAS_STATUS_NOT_INITIALIZED";
    case CUBLAS_STATUS_ALLOC_FAILED:
      return "CUBLAS_STATUS_ALLOC_FAILED";
    case CUBLAS_STATUS_INVALID_VALUE:
      return "CUBLAS_STATUS_INVALID_VALUE";
    case CUBLAS_STATUS_ARCH_MISMATCH:
      return "CUBLAS_STATUS_ARCH_MISMATCH";
    case CUBLAS_STATUS_MAPPING_ERROR:
      return "CUBLAS_STATUS_MAPPING_ERROR";
    case CUBLAS_STATUS_EXECUTION_FAILED:
      return "CUBLAS_STATUS_EXECUTION_FAILED";
    case CUBLAS_STATUS_INTERNAL_ERROR:
      return "CUBLAS_STATUS_INTERNAL_ERROR";
    case CUBLAS_STATUS_NOT_SUPPORTED:
      return "CUBLAS_STATUS_NOT_SUPPORTED";
  }
  return "unknown status";
}

const char* cublasGetStatusString(cublasStatus_t status) {
  thread_local std::string whole;
  whole = cublasGetStatusName(status);
  if (status != CUBLAS_STATUS_SUCCESS &&
      status == switchyard::emulation::t_text_of) {
    whole += " (" + switchyard::emulation::t_text + ")";
  }
  return whole.c_str();
}

cublasStatus_t cublasCreate(cublasHandle_t* handle) {
  if (switchyard::emulation::DeviceState() != cudaSuccess) {
    return BlasError(CUBLAS_STATUS_NOT_INITIALIZED, "the device failed");
  }
  const std::lock_guard lock(switchyard::emulation::g_mutex);
  *handle = new cublasContext;
  (*handle)->device = switchyard::emulation::CurrentDevice();
  switchyard::emulation::Handles().insert(*handle);
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasDestroy(cublasHandle_t handle) {
  SWITCHYARD_EMULATION_RETURN_IF_BLAS_ERROR(
      CheckExists("cublasDestroy", handle));
  switchyard::emulation::SynchronizeDevice(handle->device);
  const std::lock_guard lock(switchyard::emulation::g_mutex);
  switchyard::emulation::Handles().erase(handle);
  delete handle;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasGetVersion(cublasHandle_t handle, int* version) {
  SWITCHYARD_EMULATION_RETURN_IF_BLAS_ERROR(
      CheckExists("cublasGetVersion", handle));
  *version = switchyard::emulation::kVersion;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetStream(cublasHandle_t handle, cudaStream_t stream) {
  SWITCHYARD_EMULATION_RETURN_IF_BLAS_ERROR(
      CheckExists("cublasSetStream", handle));
  handle->stream = stream;
  handle->workspace = nullptr;
  handle->workspace_bytes = 0;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetWorkspace(cublasHandle_t handle, void* workspace,
                                  size_t bytes) {
  SWITCHYARD_EMULATION_RETURN_IF_BLAS_ERROR(
      CheckExists("cublasSetWorkspace", handle));
  const std::string problem =
      switchyard::emulation::CheckDeviceRange(workspace, bytes, handle->device);
  if (!problem.empty()) {
    return BlasError(CUBLAS_STATUS_INVALID_VALUE,
                     "cublasSetWorkspace: the workspace " + problem);
  }
  if (reinterpret_cast<size_t>(workspace) %
          switchyard::emulation::kWorkspaceAlignment !=
      0) {
    return BlasError(CUBLAS_STATUS_INVALID_VALUE,
                     "cublasSetWorkspace: not aligned to 256 bytes");
  }
  handle->workspace = workspace;
  handle->workspace_bytes = bytes;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetMathMode(cublasHandle_t handle, cublasMath_t mode) {
  SWITCHYARD_EMULATION_RETURN_IF_BLAS_ERROR(
      CheckExists("cublasSetMathMode", handle));
  if (mode == CUBLAS_TF32_TENSOR_OP_MATH) {
    return BlasError(CUBLAS_STATUS_NOT_SUPPORTED,
                     "cublasSetMathMode: TF32 is not emulated");
  }
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetPointerMode(cublasHandle_t handle,
                                    cublasPointerMode_t mode) {
  SWITCHYARD_EMULATION_RETURN_IF_BLAS_ERROR(
      CheckExists("cublasSetPointerMode", handle));
  handle->pointer_mode = mode;
  return CUBLAS_STATUS_SUCCESS;
}
