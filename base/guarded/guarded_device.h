// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// A CPU that behaves like a machine with a device of its own. Its memory faults
// on every access outside operators, copies and collectives; its streams run
// late: work is queued until something waits. New memory is filled with NaN.
// A program that runs on it holds the rules that a CUDA device needs.
#ifndef SWITCHYARD_BASE_GUARDED_GUARDED_DEVICE_H_
#define SWITCHYARD_BASE_GUARDED_GUARDED_DEVICE_H_

#include <map>
#include <memory>
#include <mutex>

#include "switchyard/base/device.h"

namespace switchyard {

class GuardedDevice : public Device {
 public:
  explicit GuardedDevice(int threads = 1);
  ~GuardedDevice() override;

  DeviceKind kind() const override { return DeviceKind::kCpu; }
  const char* name() const override { return "guarded-cpu"; }
  int threads() const override { return threads_; }
  void* Allocate(size_t bytes) override;
  void Free(void* data, size_t bytes) override;
  std::unique_ptr<Stream> NewStream() override;
  void OpenMemory() override;
  void CloseMemory() override;

 private:
  void ProtectAll(int protection);

  const int threads_;
  std::mutex mutex_;
  std::map<void*, size_t> regions_;  // address to mapped bytes
  int open_count_ = 0;
};

}  // namespace switchyard

#endif  // SWITCHYARD_BASE_GUARDED_GUARDED_DEVICE_H_
