// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Balance losses on any layout: the same bits, and what a scope means.
#include <cmath>
#include <string>

#include "gtest/gtest.h"
#include "switchyard/tests/support/layout_run.h"

namespace switchyard::testing {
namespace {

RunRecord MustRun(const Layout& layout, const TrainOptions& options) {
  const absl::StatusOr<RunRecord> record = RunOn(layout, options);
  EXPECT_TRUE(record.ok()) << layout.ToString() << ": " << record.status();
  return record.ok() ? *record : RunRecord();
}

TrainOptions OptionsOf(BalanceLossKind kind, BalanceScope scope,
                       int64_t window = 0) {
  TrainOptions options = SmallRun();
  options.steps = 3;
  options.warmup_steps = 0;
  options.model.balance_loss_coef = 0.1;
  options.balance.loss = kind;
  options.balance.scope = scope;
  options.balance.window = window;
  return options;
}

constexpr BalanceLossKind kSwitch = BalanceLossKind::kSwitch;

// Windows of 1, 2 and 4 of the 4 micro-batches: on three ranks they straddle
// rounds.
TEST(BalanceScopeTest, GivesTheSameBitsOnAnyLayout) {
  for (const TrainOptions& options :
       {OptionsOf(kSwitch, BalanceScope::kSequence),
        OptionsOf(kSwitch, BalanceScope::kWindow, 1),
        OptionsOf(kSwitch, BalanceScope::kWindow, 2),
        OptionsOf(kSwitch, BalanceScope::kGlobal),
        OptionsOf(BalanceLossKind::kGshard, BalanceScope::kMicroBatch),
        OptionsOf(BalanceLossKind::kHfMixtral, BalanceScope::kMicroBatch),
        OptionsOf(BalanceLossKind::kHfMixtral, BalanceScope::kGlobal)}) {
    const RunRecord expected = MustRun({1, 1, 1}, options);
    for (const Layout& layout :
         {Layout{2, 2, 2}, {3, 1, 1}, {4, 2, 1}, {5, 1, 1}}) {
      EXPECT_EQ(Difference(expected, MustRun(layout, options)), "")
          << NameOf(options.balance.loss) << " "
          << NameOf(options.balance.scope) << " " << options.balance.window
          << ", " << layout.ToString();
    }
    TrainOptions again = options;
    again.recompute = Recompute::kBlock;
    EXPECT_EQ(Difference(expected, MustRun({2, 2, 1}, again)), "");
    EXPECT_EQ(Difference(expected, MustRun({2, 2, 1, true}, options)), "")
        << "guarded";
  }
}

TEST(BalanceScopeTest, BiasesAndDeviceLossesHaveTheSameBitsOnAnyLayout) {
  TrainOptions options = OptionsOf(kSwitch, BalanceScope::kGlobal);
  options.steps = 6;
  options.model.router.selection_bias = true;
  options.balance.bias_update_rate = 0.01;
  options.model.router.device_groups = 4;
  options.model.router.device_groups_per_token = 2;
  options.balance.device_coefficient = 0.05;
  options.balance.communication_coefficient = 0.02;
  const RunRecord expected = MustRun({1, 1, 1}, options);
  for (const Layout& layout : {Layout{2, 2, 2}, {3, 1, 1}, {4, 4, 1}}) {
    EXPECT_EQ(Difference(expected, MustRun(layout, options)), "")
        << layout.ToString();
  }
  TrainOptions again = options;
  again.recompute = Recompute::kBlock;
  EXPECT_EQ(Difference(expected, MustRun({2, 2, 1}, again)), "")
      << "recomputation counts nothing twice";
  EXPECT_EQ(Difference(expected, MustRun({2, 2, 1, true}, options)), "")
      << "guarded";
  TrainOptions still = options;
  still.balance.bias_update_rate = 0.0;
  EXPECT_NE(Difference(expected, MustRun({1, 1, 1}, still)), "");
}

// Invariant A8: with global counts, any cut into micro-batches and ranks is the
// loss and the gradient of the global batch as one; with local ones it is not.
TEST(BalanceScopeTest, GlobalCountsAreThoseOfOneProcessAndLocalOnesAreNot) {
  TrainOptions whole = OptionsOf(kSwitch, BalanceScope::kMicroBatch);
  whole.model.balance_loss_coef = 1.0;
  whole.clip_norm = 0.0;
  whole.steps = 1;
  whole.micro_batch = whole.global_batch;
  const RunRecord one = MustRun({1, 1, 1}, whole);
  TrainOptions cut = whole;
  cut.micro_batch = 2;
  const RunRecord local = MustRun({4, 1, 1}, cut);
  cut.balance.scope = BalanceScope::kGlobal;
  const RunRecord global = MustRun({4, 1, 1}, cut);
  const double balance = one.balance_losses[0];
  // P is a sum of fp32 probabilities in double; the norm is of fp32 gradients.
  EXPECT_NEAR(global.balance_losses[0], balance, 1e-6 * balance);
  EXPECT_NEAR(global.norms[0], one.norms[0], 1e-5 * one.norms[0]);
  EXPECT_GT(std::abs(local.balance_losses[0] - balance), 1e-4 * balance);
  EXPECT_GT(std::abs(local.norms[0] - one.norms[0]), 1e-4 * one.norms[0]);
}

TEST(BalanceScopeTest, AWindowOfOneIsTheMicroBatch) {
  EXPECT_EQ(
      Difference(
          MustRun({1, 1, 1}, OptionsOf(kSwitch, BalanceScope::kMicroBatch)),
          MustRun({2, 1, 1}, OptionsOf(kSwitch, BalanceScope::kWindow, 1))),
      "");
  EXPECT_EQ(
      Difference(
          MustRun({1, 1, 1}, OptionsOf(kSwitch, BalanceScope::kGlobal)),
          MustRun({2, 1, 1}, OptionsOf(kSwitch, BalanceScope::kWindow, 4))),
      "");
}

TEST(BalanceScopeTest, RoundsThatNoWindowStraddles) {
  EXPECT_EQ(RoundsTogether(0, 12, 3), 1);
  EXPECT_EQ(RoundsTogether(1, 12, 3), 1);
  EXPECT_EQ(RoundsTogether(3, 12, 3), 1);
  EXPECT_EQ(RoundsTogether(2, 12, 3), 2);
  EXPECT_EQ(RoundsTogether(6, 12, 3), 2);
  EXPECT_EQ(RoundsTogether(4, 12, 3), 4);
  EXPECT_EQ(RoundsTogether(4, 4, 3), 2) << "all rounds there are";
  EXPECT_EQ(RoundsTogether(12, 12, 1), 12);
}

}  // namespace
}  // namespace switchyard::testing
