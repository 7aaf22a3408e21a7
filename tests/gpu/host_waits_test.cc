// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// How often the host waits for a GPU in a step: the queue of a GPU that is
// waited for runs dry.
#include <cstdint>
#include <memory>
#include <utility>

#include "gtest/gtest.h"
#include "switchyard/base/cuda/cuda_device.h"
#include "switchyard/base/cuda/cuda_device_impl.h"
#include "switchyard/comm/self/self_communicator.h"
#include "switchyard/runtime/train/trainer.h"
#include "switchyard/tests/support/layout_run.h"
#include "switchyard/tests/support/synthetic_data.h"

namespace switchyard::testing {
namespace {

// In the second of two steps with so many layers.
int64_t WaitsOfAStep(int64_t layers, const char* capacity_factor) {
  TrainOptions options = SmallRun();
  options.device = DeviceKind::kCuda;
  options.determinism = Determinism::kRun;
  options.model.layers = layers;
  options.overflow.capacity_factor = *CapacityFactor::Parse(capacity_factor);
  auto device = NewCudaDevice(0);
  EXPECT_TRUE(device.ok()) << device.status();
  if (!device.ok()) return -1;
  const auto& gpu = static_cast<const CudaDevice&>(**device);
  const auto world = comm::NewSelfCommunicator();
  SyntheticData data(options.model.vocabulary, options.seq_len,
                     options.global_batch);
  TrainerParts parts;
  parts.data = &data;
  const auto trainer =
      Trainer::Create(options, *world, **device, std::move(parts));
  EXPECT_TRUE(trainer.ok()) << trainer.status();
  if (!trainer.ok()) return -1;
  EXPECT_TRUE((*trainer)->Step().ok());
  const int64_t before = gpu.waits();
  EXPECT_TRUE((*trainer)->Step().ok());
  return gpu.waits() - before;
}

TEST(HostWaitsTest, NoneForALayerWithACapacity) {
  EXPECT_EQ(WaitsOfAStep(1, "1.25"), WaitsOfAStep(3, "1.25"));
}

TEST(HostWaitsTest, OneForALayerAndMicroBatchWithoutACapacity) {
  const int64_t micro_batches = 4;  // of SmallRun
  EXPECT_EQ(WaitsOfAStep(1, "0") + 2 * micro_batches, WaitsOfAStep(3, "0"));
}

}  // namespace
}  // namespace switchyard::testing
