// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Every rule of routing, overflow and balance trains on a GPU as on the CPU.
// Ranks are threads that share a GPU: rows go through host memory.
#include <cmath>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "switchyard/tests/support/layout_run.h"
#include "switchyard/tests/support/routing_rules.h"

namespace switchyard::testing {
namespace {

// A run of two steps in fp32: each sum has a few hundred terms, rounded at
// 6e-8 in other orders, and a step's errors grow less than tenfold in the next.
constexpr double kTolerance = 1e-4;

using Edit = std::function<void(TrainOptions&)>;

struct Case {
  std::string name;
  TrainOptions options;
};

void PrintTo(const Case& one, std::ostream* out) { *out << one.name; }

Case Edited(const char* name, const Edit& edit, const RoutingRule& rule = {}) {
  Case result = {name, RunOf(rule, DType::kFloat32)};
  edit(result.options);
  return result;
}

void Cap(TrainOptions& options) {
  options.overflow.capacity_factor = *CapacityFactor::Parse("1");
}

std::vector<Case> Cases() {
  std::vector<Case> cases;
  for (const RoutingRule& rule : RoutingRules()) {
    cases.push_back({rule.name, RunOf(rule, DType::kFloat32)});
  }
  cases.push_back(Edited("Capacity", Cap));
  cases.push_back(Edited("CapacityOfASequence", [](TrainOptions& o) {
    Cap(o);
    o.overflow.capacity_scope = CapacityScope::kSequence;
  }));
  cases.push_back(Edited("ByProbability", [](TrainOptions& o) {
    Cap(o);
    o.overflow.drop_policy = DropPolicy::kProbability;
    o.overflow.renormalize_survivors = true;
  }));
  cases.push_back(Edited("NoTokenLeftBehind", [](TrainOptions& o) {
    Cap(o);
    o.overflow.no_token_left_behind = 4;
  }));
  cases.push_back(Edited("BalanceOfSequences", [](TrainOptions& o) {
    o.balance.scope = BalanceScope::kSequence;
  }));
  cases.push_back(Edited("BalanceOfTheBatch", [](TrainOptions& o) {
    o.balance.scope = BalanceScope::kGlobal;
  }));
  cases.push_back(Edited("BalanceOfFirstChoicesInWindows", [](TrainOptions& o) {
    o.balance.loss = BalanceLossKind::kGshard;
    o.balance.scope = BalanceScope::kWindow;
    o.balance.window = 2;
  }));
  // The capacity of evaluations changes no step.
  cases.push_back(
      Edited("BalanceOfLayersTogetherEvalCapacity", [](TrainOptions& o) {
        o.balance.loss = BalanceLossKind::kHfMixtral;
        o.overflow.eval_capacity_factor = *CapacityFactor::Parse("0.5");
      }));
  // DeepSeek-V2 chooses among device groups. The coefficients are such that
  // each loss shows in the gradient's norm.
  cases.push_back(Edited(
      "BalanceOfDevices",
      [](TrainOptions& o) {
        o.balance.device_coefficient = 0.5;
        o.balance.communication_coefficient = 0.2;
      },
      RoutingRules()[1]));
  cases.push_back(Edited(
      "BiasUpdate", [](TrainOptions& o) { o.balance.bias_update_rate = 0.01; },
      RoutingRules().front()));
  cases.push_back(Edited("ExpertDropout", [](TrainOptions& o) {
    o.expert_dropout = 0.2;
    o.overlap_chunks = 2;
  }));
  cases.push_back(Edited("Recomputation", [](TrainOptions& o) {
    Cap(o);
    o.recompute = Recompute::kBlock;
  }));
  return cases;
}

RunRecord MustRun(const Layout& layout, const TrainOptions& options) {
  const absl::StatusOr<RunRecord> record = RunOn(layout, options);
  EXPECT_TRUE(record.ok()) << layout.ToString() << ": " << record.status();
  return record.ok() ? *record : RunRecord();
}

void ExpectNear(const char* what, const std::vector<double>& expected,
                const std::vector<double>& actual) {
  ASSERT_EQ(expected.size(), actual.size()) << what;
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_NEAR(expected[i], actual[i], kTolerance * std::abs(expected[i]))
        << what << " of step " << i;
  }
}

class GpuRulesTest : public ::testing::TestWithParam<Case> {};

TEST_P(GpuRulesTest, TrainsAsOnTheCpu) {
  TrainOptions options = GetParam().options;
  options.steps = 2;
  options.warmup_steps = 1;
  const RunRecord expected = MustRun({1, 1, 1}, options);
  ASSERT_EQ(expected.losses.size(), 2u);
  options.determinism = Determinism::kRun;
  const RunRecord actual =
      MustRun({.ranks = 2, .width = 2, .gpu = true}, options);
  ExpectNear("loss", expected.losses, actual.losses);
  ExpectNear("gradient norm", expected.norms, actual.norms);
  ExpectNear("balance loss", expected.balance_losses, actual.balance_losses);
  ExpectNear("z-loss", expected.z_losses, actual.z_losses);
  EXPECT_NEAR(expected.eval_loss, actual.eval_loss,
              kTolerance * expected.eval_loss);
  EXPECT_EQ(expected.assigned.front(), actual.assigned.front());
  EXPECT_EQ(expected.dropped.front(), actual.dropped.front());
  EXPECT_EQ(expected.rerouted.front(), actual.rerouted.front());
  EXPECT_EQ(expected.lost_tokens.front(), actual.lost_tokens.front());
}

INSTANTIATE_TEST_SUITE_P(Rules, GpuRulesTest, ::testing::ValuesIn(Cases()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace switchyard::testing
