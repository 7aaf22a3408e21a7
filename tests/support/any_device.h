// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The device that operator tests run on: the CPU, or, with
// SWITCHYARD_TEST_DEVICE=cuda, the first GPU. Then a test that ran nothing on
// the GPU fails, unless it says that it is of the CPU alone, or has nothing to
// run.
//
//   AnyDevice device(2);  // in place of CpuDevice device(2)
#ifndef SWITCHYARD_TESTS_SUPPORT_ANY_DEVICE_H_
#define SWITCHYARD_TESTS_SUPPORT_ANY_DEVICE_H_

#include <memory>

#include "gtest/gtest.h"
#include "switchyard/base/device.h"
#include "switchyard/base/stream.h"

namespace switchyard::testing {

// Whether tests are to run on a GPU.
bool TestsCuda();

class AnyDevice : public Device {
 public:
  // The CPU plain, or guarded (guarded_device.h).
  enum Cpu { kPlain, kGuarded };

  // `threads` are the CPU's.
  explicit AnyDevice(int threads = 1, Cpu cpu = kPlain);

  // For a test whose operators may have nothing to do.
  void MayStayIdle();

  DeviceKind kind() const override { return device_->kind(); }
  const char* name() const override { return device_->name(); }
  int threads() const override { return device_->threads(); }
  void* Allocate(size_t bytes) override { return device_->Allocate(bytes); }
  void Free(void* data, size_t bytes) override { device_->Free(data, bytes); }
  std::unique_ptr<Stream> NewStream() override { return device_->NewStream(); }

 private:
  std::unique_ptr<Device> cpu_;  // if it is that
  Device* device_;
};

}  // namespace switchyard::testing

// First in a test of what only the CPU's operators do.
#define SWITCHYARD_CPU_ONLY()                 \
  if (::switchyard::testing::TestsCuda()) {   \
    GTEST_SKIP() << "of the CPU's operators"; \
  }                                           \
  static_assert(true, "a semicolon follows")

// First in a test of what only a GPU's operators do.
#define SWITCHYARD_CUDA_ONLY()               \
  if (!::switchyard::testing::TestsCuda()) { \
    GTEST_SKIP() << "of a GPU's operators";  \
  }                                          \
  static_assert(true, "a semicolon follows")

#endif  // SWITCHYARD_TESTS_SUPPORT_ANY_DEVICE_H_
