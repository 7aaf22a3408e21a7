// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#ifndef SWITCHYARD_BASE_CPU_CHECK_CPU_H_
#define SWITCHYARD_BASE_CPU_CHECK_CPU_H_

#include "switchyard/base/check.h"
#include "switchyard/base/stream.h"

namespace switchyard {

// For code that addresses a device's memory from the host.
inline void CheckCpu(const Stream& stream) {
  SWITCHYARD_CHECK(stream.device().kind() == DeviceKind::kCpu)
      << "this program was built without CUDA";
}

}  // namespace switchyard

#endif  // SWITCHYARD_BASE_CPU_CHECK_CPU_H_
