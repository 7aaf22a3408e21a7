// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The whole model on the guarded CPU: runtime code never follows an address,
// and never takes a result before it has waited for it.
#include <memory>
#include <utility>

#include "gtest/gtest.h"
#include "switchyard/base/guarded/guarded_device.h"
#include "switchyard/comm/self/self_communicator.h"
#include "switchyard/runtime/train/trainer.h"
#include "switchyard/tests/support/any_device.h"
#include "switchyard/tests/support/fault.h"
#include "switchyard/tests/support/layout_run.h"
#include "switchyard/tests/support/synthetic_data.h"

namespace switchyard::testing {
namespace {

TrainOptions GuardedRun() {
  TrainOptions options = SmallRun();
  options.steps = 3;
  options.overflow.capacity_factor = *CapacityFactor::Parse("1.25");
  return options;
}

class GuardedRunTest : public ::testing::TestWithParam<DType> {};

TEST_P(GuardedRunTest, TrainsWithTheBitsOfThePlainCpu) {
  TrainOptions options = GuardedRun();
  options.dtype = GetParam();
  for (Recompute recompute : {Recompute::kNone, Recompute::kBlock}) {
    options.recompute = recompute;
    const absl::StatusOr<RunRecord> expected = RunOn({1, 1, 1}, options);
    ASSERT_TRUE(expected.ok()) << expected.status();
    for (const Layout& layout : {Layout{1, 1, 1, true}, {2, 2, 1, true}}) {
      const absl::StatusOr<RunRecord> actual = RunOn(layout, options);
      ASSERT_TRUE(actual.ok()) << actual.status();
      EXPECT_EQ(Difference(*expected, *actual), "") << layout.ToString();
    }
  }
}

INSTANTIATE_TEST_SUITE_P(DTypes, GuardedRunTest,
                         ::testing::Values(DType::kFloat32, DType::kBFloat16),
                         [](const auto& info) { return NameOf(info.param); });

// What the guard is for: a module that reads a tensor on the host.
class PeekingLoss : public NextTokenLoss {
 public:
  using NextTokenLoss::NextTokenLoss;
  void EvaluateWithGradient(const Execution& run, const TokenBatch& batch,
                            const ConstTensorView& hidden, float scale,
                            const TensorView& loss_sum,
                            const TensorView& dhidden) const override {
    volatile float first = *hidden.data<float>();
    (void)first;
    NextTokenLoss::EvaluateWithGradient(run, batch, hidden, scale, loss_sum,
                                        dhidden);
  }
};

absl::Status OneStepWithPeekingLoss(Device& device) {
  const TrainOptions options = GuardedRun();
  const std::unique_ptr<comm::Communicator> world = comm::NewSelfCommunicator();
  SyntheticData data(options.model.vocabulary, options.seq_len,
                     options.global_batch);
  TrainerParts parts;
  parts.data = &data;
  const auto trainer =
      Trainer::Create(options, *world, device, std::move(parts));
  if (!trainer.ok()) return trainer.status();
  ModelRunner& runner = (*trainer)->runner();
  runner.SetLoss(std::make_unique<PeekingLoss>(runner.model().head()));
  return (*trainer)->Step().status();
}

TEST(GuardedRunDeathTest, ReadingATensorOnTheHostFaults) {
  SWITCHYARD_CPU_ONLY();
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  CpuDevice plain;
  EXPECT_TRUE(OneStepWithPeekingLoss(plain).ok()) << "only the guard differs";
  EXPECT_FAULT({
    GuardedDevice guarded;
    (void)OneStepWithPeekingLoss(guarded);
  });
}

}  // namespace
}  // namespace switchyard::testing
