// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The host as a device. Streams run work at once, on the calling thread and
// `threads` - 1 others.
#ifndef SWITCHYARD_BASE_CPU_CPU_DEVICE_H_
#define SWITCHYARD_BASE_CPU_CPU_DEVICE_H_

#include <memory>

#include "switchyard/base/device.h"

namespace switchyard {

class CpuDevice : public Device {
 public:
  explicit CpuDevice(int threads = 1);

  DeviceKind kind() const override { return DeviceKind::kCpu; }
  const char* name() const override { return "cpu"; }
  int threads() const override { return threads_; }
  void* Allocate(size_t bytes) override;
  void Free(void* data, size_t bytes) override;
  std::unique_ptr<Stream> NewStream() override;

 private:
  const int threads_;
};

}  // namespace switchyard

#endif  // SWITCHYARD_BASE_CPU_CPU_DEVICE_H_
