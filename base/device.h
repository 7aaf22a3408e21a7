// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// A device owns memory and makes streams. Everything that holds or touches
// tensor memory is told its device or its stream; there is no current one.
//
// The rule that a device may enforce: between OpenMemory and CloseMemory, and
// only there, host code may follow addresses into device memory. Streams open
// it around the work they run, collectives until their ticket completes. The
// guarded CPU (guarded/guarded_device.h) makes every other access a fault.
#ifndef SWITCHYARD_BASE_DEVICE_H_
#define SWITCHYARD_BASE_DEVICE_H_

#include <cstddef>
#include <memory>

namespace switchyard {

class Stream;

// Which implementation of an operator runs.
enum class DeviceKind { kCpu, kCuda };

class Device {
 public:
  virtual ~Device() = default;
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  virtual DeviceKind kind() const = 0;
  // "cpu", "guarded-cpu", "cuda:0".
  virtual const char* name() const = 0;
  // Threads an operator may use; 1 or more. Results do not depend on it.
  virtual int threads() const = 0;

  // At least `bytes` bytes at a multiple of 64; contents undefined. Running
  // out of memory ends the process with a message. `bytes` may be 0.
  virtual void* Allocate(size_t bytes) = 0;
  virtual void Free(void* data, size_t bytes) = 0;

  virtual std::unique_ptr<Stream> NewStream() = 0;

  // Counted: memory is open while any opener has not closed.
  virtual void OpenMemory() {}
  virtual void CloseMemory() {}

 protected:
  Device() = default;
};

}  // namespace switchyard

#endif  // SWITCHYARD_BASE_DEVICE_H_
