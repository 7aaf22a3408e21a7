// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// One rank of an mpirun with a GPU of its own, for tests of what is particular
// to NCCL.
#ifndef SWITCHYARD_TESTS_CONFORMANCE_NCCL_GPU_H_
#define SWITCHYARD_TESTS_CONFORMANCE_NCCL_GPU_H_

#include <memory>

#include "gtest/gtest.h"
#include "switchyard/base/cuda/cuda_device.h"
#include "switchyard/comm/mpi/mpi_environment.h"

namespace switchyard::comm {

class NcclTest : public ::testing::Test {
 protected:
  explicit NcclTest(double timeout_seconds)
      : timeout_seconds_(timeout_seconds) {}

  // Skips the test if there are fewer GPUs than ranks.
  void SetUp() override {
    Options options;
    options.timeout_seconds = timeout_seconds_;
    auto made = NewMpiWorld(options);
    ASSERT_TRUE(made.ok()) << made.status();
    world_ = *std::move(made);
    const absl::StatusOr<int> gpus = CudaDeviceCount();
    if (!gpus.ok() || *gpus < world_->size()) {
      GTEST_SKIP() << "needs a GPU for each rank";
    }
    auto gpu = NewCudaDevice(world_->rank());
    ASSERT_TRUE(gpu.ok()) << gpu.status();
    device_ = *std::move(gpu);
  }

  Communicator& world() { return *world_; }
  Device& device() { return *device_; }
  bool ready() const { return device_ != nullptr; }

 private:
  const double timeout_seconds_;
  // In this order: a world goes before its device.
  std::unique_ptr<Device> device_;
  std::unique_ptr<Communicator> world_;
};

}  // namespace switchyard::comm

#endif  // SWITCHYARD_TESTS_CONFORMANCE_NCCL_GPU_H_
