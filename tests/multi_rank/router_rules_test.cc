// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The rules by which tokens choose experts keep the first promise: no bit of a
// run depends on the layout.
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "switchyard/tests/support/layout_run.h"

namespace switchyard::testing {
namespace {

struct Rule {
  const char* name;
  RouterConfig router;
  ExplorationOptions exploration = {};
};

RouterConfig OfType(RouterType type) {
  RouterConfig router;
  router.type = type;
  return router;
}

RouterConfig DeepSeekV3() {
  RouterConfig router;
  router.scoring = kernels::RouterScoring::kSigmoid;
  router.scaling = 2.5;
  router.topk_method = TopKMethod::kNoAuxTc;
  router.groups = 4;
  router.groups_per_token = 2;
  router.selection_bias = true;
  return router;
}

RouterConfig DeepSeekV2() {
  RouterConfig router;
  router.renormalize = false;
  router.scaling = 4.0;
  router.device_groups = 4;
  router.device_groups_per_token = 1;
  return router;
}

RouterConfig SoftmaxAfterTopK() {
  RouterConfig router;
  router.softmax_after_topk = true;
  return router;
}

RouterConfig NoisyTopK() {
  RouterConfig router;
  router.noisy_top_k = true;
  return router;
}

std::vector<Rule> Rules() {
  return {{"DeepSeekV3", DeepSeekV3()},
          {"DeepSeekV2", DeepSeekV2()},
          {"SoftmaxAfterTopK", SoftmaxAfterTopK()},
          {"NoisyTopK", NoisyTopK()},
          {"Jitter", {}, {.router_jitter = 0.1}},
          {"Sampling", {}, {.router_sampling = true}},
          {"Hash", OfType(RouterType::kHash)},
          {"ExpertChoice", OfType(RouterType::kExpertChoice)}};
}

TrainOptions Options(const Rule& rule, DType dtype) {
  TrainOptions options = SmallRun();
  options.steps = 4;
  options.dtype = dtype;
  options.model.router = rule.router;
  options.exploration = rule.exploration;
  if (rule.router.type != RouterType::kTokenChoice) {
    options.model.balance_loss_coef = 0.0;
  }
  if (rule.router.type == RouterType::kHash) {
    options.model.router_z_loss_coef = 0.0;
  }
  return options;
}

RunRecord MustRun(const Layout& layout, const TrainOptions& options) {
  const absl::StatusOr<RunRecord> record = RunOn(layout, options);
  EXPECT_TRUE(record.ok()) << layout.ToString() << ": " << record.status();
  return record.ok() ? *record : RunRecord();
}

TEST(RouterRules, GiveTheSameBitsOnEveryLayout) {
  for (const DType dtype : {DType::kFloat32, DType::kBFloat16}) {
    for (const Rule& rule : Rules()) {
      const TrainOptions options = Options(rule, dtype);
      const RunRecord expected = MustRun({1, 1, 1}, options);
      ASSERT_EQ(expected.losses.size(), static_cast<size_t>(options.steps));
      EXPECT_NE(expected.checksums.back(), expected.checksums.front());
      for (const Layout& layout : {Layout{1, 1, 2},
                                   {2, 2, 1},
                                   {3, 1, 1},
                                   {4, 2, 1},
                                   {4, 4, 1, /*guarded=*/true}}) {
        EXPECT_EQ(Difference(expected, MustRun(layout, options)), "")
            << rule.name << ", " << layout.ToString();
      }
    }
  }
}

TEST(RouterRules, RecomputationChangesNoBit) {
  for (const Rule& rule : Rules()) {
    TrainOptions options = Options(rule, DType::kFloat32);
    const RunRecord expected = MustRun({1, 1, 1}, options);
    options.recompute = Recompute::kBlock;
    EXPECT_EQ(Difference(expected, MustRun({2, 2, 1}, options)), "")
        << rule.name;
  }
}

TEST(RouterRules, EachIsAnotherRun) {
  const RunRecord plain = MustRun({1, 1, 1}, Options(Rule(), DType::kFloat32));
  for (const Rule& rule : Rules()) {
    const RunRecord other = MustRun({1, 1, 1}, Options(rule, DType::kFloat32));
    EXPECT_NE(Difference(plain, other), "") << rule.name;
  }
}

// Selection biases that are not zero: without them other experts are chosen.
TEST(RouterRules, BiasesChoose) {
  TrainOptions options = Options(Rules().front(), DType::kFloat32);
  ASSERT_TRUE(options.model.router.selection_bias);
  const RunRecord biased = MustRun({1, 1, 1}, options);
  options.model.router.selection_bias = false;
  const RunRecord unbiased = MustRun({1, 1, 1}, options);
  EXPECT_NE(biased.assigned.front(), unbiased.assigned.front());
}

}  // namespace
}  // namespace switchyard::testing
