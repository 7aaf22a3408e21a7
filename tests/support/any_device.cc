// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/tests/support/any_device.h"

#include <cstdlib>
#include <string>

#include "switchyard/base/cpu/cpu_device.h"
#include "switchyard/base/cuda/cuda_device.h"
#include "switchyard/base/cuda/cuda_device_impl.h"
#include "switchyard/base/guarded/guarded_device.h"

namespace switchyard::testing {
namespace {

std::string DeviceOfTests() {
  const char* value = std::getenv("SWITCHYARD_TEST_DEVICE");
  const std::string name = value == nullptr ? "cpu" : value;
  SWITCHYARD_CHECK(name == "cpu" || name == "cuda")
      << "expected SWITCHYARD_TEST_DEVICE to be cpu or cuda, found " << name;
  return name;
}

// One for the whole program: it counts what ran.
CudaDevice& Gpu() {
  static const std::unique_ptr<Device> device = [] {
    auto made = NewCudaDevice(0);
    SWITCHYARD_CHECK(made.ok()) << made.status().message();
    return *std::move(made);
  }();
  return static_cast<CudaDevice&>(*device);
}

bool may_stay_idle = false;  // the test that runs

class RanOnGpu : public ::testing::EmptyTestEventListener {
  void OnTestStart(const ::testing::TestInfo&) override {
    before_ = Gpu().launches();
    may_stay_idle = false;
  }
  void OnTestEnd(const ::testing::TestInfo& info) override {
    if (!info.result()->Passed() || may_stay_idle) return;
    EXPECT_GT(Gpu().launches(), before_)
        << info.test_suite_name() << "." << info.name()
        << " ran nothing on the GPU; let it use AnyDevice, or say "
           "SWITCHYARD_CPU_ONLY()";
  }
  int64_t before_ = 0;
};

const bool listening = [] {
  if (TestsCuda()) {
    ::testing::UnitTest::GetInstance()->listeners().Append(new RanOnGpu);
  }
  return true;
}();

}  // namespace

bool TestsCuda() {
  static const bool cuda = DeviceOfTests() == "cuda";
  return cuda;
}

AnyDevice::AnyDevice(int threads, Cpu cpu) {
  static_cast<void>(listening);  // so that the linker keeps it
  if (TestsCuda()) {
    device_ = &Gpu();
    return;
  }
  if (cpu == kGuarded) {
    cpu_ = std::make_unique<GuardedDevice>(threads);
  } else {
    cpu_ = std::make_unique<CpuDevice>(threads);
  }
  device_ = cpu_.get();
}

void AnyDevice::MayStayIdle() { may_stay_idle = true; }

}  // namespace switchyard::testing
