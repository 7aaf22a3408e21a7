// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "runtime/errors.h"

#include <utility>

#include "emulation/runtime_api.h"
#include "engine/failure.h"

namespace switchyard::emulation {
namespace {

thread_local cudaError_t t_last = cudaSuccess;
thread_local std::string t_text;
thread_local cudaError_t t_text_of = cudaSuccess;

struct Description {
  cudaError_t error;
  const char* name;
  const char* text;
};
constexpr Description kDescriptions[] = {
    {cudaSuccess, "cudaSuccess", "no error"},
    {cudaErrorInvalidValue, "cudaErrorInvalidValue", "invalid argument"},
    {cudaErrorMemoryAllocation, "cudaErrorMemoryAllocation", "out of memory"},
    {cudaErrorInitializationError, "cudaErrorInitializationError",
     "initialization error"},
    {cudaErrorInvalidConfiguration, "cudaErrorInvalidConfiguration",
     "invalid configuration argument"},
    {cudaErrorInvalidPitchValue, "cudaErrorInvalidPitchValue",
     "invalid pitch argument"},
    {cudaErrorInvalidHostPointer, "cudaErrorInvalidHostPointer",
     "invalid host pointer"},
    {cudaErrorInvalidDevicePointer, "cudaErrorInvalidDevicePointer",
     "invalid device pointer"},
    {cudaErrorInvalidMemcpyDirection, "cudaErrorInvalidMemcpyDirection",
     "invalid copy direction for memcpy"},
    {cudaErrorInsufficientDriver, "cudaErrorInsufficientDriver",
     "CUDA driver version is insufficient for CUDA runtime version"},
    {cudaErrorInvalidDeviceFunction, "cudaErrorInvalidDeviceFunction",
     "invalid device function"},
    {cudaErrorNoDevice, "cudaErrorNoDevice", "no CUDA-capable device"},
    {cudaErrorInvalidDevice, "cudaErrorInvalidDevice",
     "invalid device ordinal"},
    {cudaErrorInvalidResourceHandle, "cudaErrorInvalidResourceHandle",
     "invalid resource handle"},
    {cudaErrorNotReady, "cudaErrorNotReady", "device not ready"},
    {cudaErrorIllegalAddress, "cudaErrorIllegalAddress",
     "an illegal memory access was encountered"},
    {cudaErrorLaunchOutOfResources, "cudaErrorLaunchOutOfResources",
     "too many resources requested for launch"},
    {cudaErrorMisalignedAddress, "cudaErrorMisalignedAddress",
     "misaligned address"},
    {cudaErrorLaunchFailure, "cudaErrorLaunchFailure",
     "unspecified launch failure"},
    {cudaErrorNotPermitted, "cudaErrorNotPermitted", "operation not permitted"},
    {cudaErrorNotSupported, "cudaErrorNotSupported", "operation not supported"},
};

const Description& Describe(cudaError_t error) {
  static constexpr Description kUnknown = {cudaErrorUnknown, "cudaErrorUnknown",
                                           "unknown error"};
  for (const Description& description : kDescriptions) {
    if (description.error == error) return description;
  }
  return kUnknown;
}

}  // namespace

cudaError_t Error(cudaError_t error, const std::string& text) {
  t_last = error;
  t_text = text;
  t_text_of = error;
  return error;
}

cudaError_t DeviceState() {
  if (!DeviceFailed()) return cudaSuccess;
  return Error(cudaErrorLaunchFailure, LastFailure());
}

}  // namespace switchyard::emulation

using switchyard::emulation::DeviceState;
using switchyard::emulation::t_last;
using switchyard::emulation::t_text;

cudaError_t cudaGetLastError() {
  SWITCHYARD_EMULATION_RETURN_IF_ERROR(DeviceState());
  return std::exchange(t_last, cudaSuccess);
}

cudaError_t cudaPeekAtLastError() {
  SWITCHYARD_EMULATION_RETURN_IF_ERROR(DeviceState());
  return t_last;
}

const char* cudaGetErrorName(cudaError_t error) {
  return switchyard::emulation::Describe(error).name;
}

const char* cudaGetErrorString(cudaError_t error) {
  thread_local std::string whole;
  whole = switchyard::emulation::Describe(error).text;
  if (error != cudaSuccess && error == switchyard::emulation::t_text_of) {
    whole += " (" + t_text + ")";
  }
  return whole.c_str();
}
