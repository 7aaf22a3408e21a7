// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Errors of the runtime. Each is remembered by its thread, for
// cudaGetLastError(), together with a text that says more than its code.
#ifndef SWITCHYARD_TESTS_EMULATION_RUNTIME_ERRORS_H_
#define SWITCHYARD_TESTS_EMULATION_RUNTIME_ERRORS_H_

#include <string>

#include "emulation/driver_types.h"

namespace switchyard::emulation {

cudaError_t Error(cudaError_t error, const std::string& text);

// What a call that works on the device returns first: the sticky error of a
// device that failed.
cudaError_t DeviceState();

}  // namespace switchyard::emulation

#define SWITCHYARD_EMULATION_RETURN_IF_ERROR(expression)   \
  do {                                                     \
    if (const cudaError_t switchyard_error = (expression); \
        switchyard_error != cudaSuccess) {                 \
      return switchyard_error;                             \
    }                                                      \
  } while (false)

#endif  // SWITCHYARD_TESTS_EMULATION_RUNTIME_ERRORS_H_
