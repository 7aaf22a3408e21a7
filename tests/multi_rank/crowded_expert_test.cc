// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// One expert gets every token of a whole run: its rank does all the work of
// the experts, and the others take part with nothing.
#include <memory>
#include <string>

#include "gtest/gtest.h"
#include "switchyard/tests/support/layout_run.h"

namespace switchyard::testing {
namespace {

// Sees nothing of the tokens: all experts score alike, and the lowest win.
class BlindRouter : public Router {
 public:
  explicit BlindRouter(std::unique_ptr<Router> router)
      : router_(std::move(router)) {}
  RouterOutput Forward(const Execution& run, const ConstTensorView& input,
                       const TokenBatch& batch) const override {
    return router_->Forward(run, Nothing(run, input), batch);
  }
  void Backward(const Execution& run, const ConstTensorView& input,
                const RouterOutput& output, const RouterGradients& gradients,
                const TensorView& dinput) const override {
    router_->Backward(run, Nothing(run, input), output, gradients, dinput);
    run.stream.Zero(dinput);
  }

 private:
  static ConstTensorView Nothing(const Execution& run,
                                 const ConstTensorView& input) {
    const TensorView nothing = run.New(input.dtype(), input.shape());
    run.stream.Zero(nothing);
    return nothing;
  }

  std::unique_ptr<Router> router_;
};

class BlindRouters : public RouterFactory {
 public:
  void Declare(ParameterStore& store, const ModelConfig& config,
               const std::string& prefix) const override {
    TopKRouters().Declare(store, config, prefix);
  }
  std::unique_ptr<Router> Make(const ParameterStore& store,
                               const ModelConfig& config,
                               const std::string& prefix) const override {
    return std::make_unique<BlindRouter>(
        TopKRouters().Make(store, config, prefix));
  }
};

// [experts per token]
class CrowdedExpertTest : public ::testing::TestWithParam<int> {
 protected:
  CrowdedExpertTest() { options_.model.experts_per_token = GetParam(); }

  RunRecord Run(const Layout& layout) const {
    const absl::StatusOr<RunRecord> record =
        RunOn(layout, options_, nullptr, &routers_);
    EXPECT_TRUE(record.ok()) << layout.ToString() << ": " << record.status();
    return record.ok() ? *record : RunRecord();
  }
  void ExpectTheSameOnAllLayouts(const RunRecord& expected) const {
    for (const Layout& layout :
         {Layout{2, 2, 1}, {2, 1, 2}, {4, 4, 1}, {4, 2, 1}}) {
      EXPECT_EQ(Difference(expected, Run(layout)), "") << layout.ToString();
    }
  }

  const BlindRouters routers_;
  TrainOptions options_ = SmallRun();
};

TEST_P(CrowdedExpertTest, Dropless) {
  const RunRecord record = Run({1, 1, 1});
  ASSERT_EQ(record.assigned.size(), static_cast<size_t>(options_.steps));
  const int64_t tokens = options_.global_batch * options_.seq_len;
  const int64_t experts = options_.model.experts;
  for (const std::vector<int64_t>& step : record.assigned) {
    for (size_t i = 0; i < step.size(); ++i) {
      const bool chosen = static_cast<int64_t>(i) % experts < GetParam();
      EXPECT_EQ(step[i], chosen ? tokens : 0) << "expert " << i;
    }
  }
  EXPECT_LT(record.losses.back(), record.losses.front()) << "it learns";
  ExpectTheSameOnAllLayouts(record);
}

TEST_P(CrowdedExpertTest, CapacityDropsAllButItsShare) {
  options_.overflow.capacity_factor = *CapacityFactor::Parse("1");
  const RunRecord record = Run({1, 1, 1});
  const int64_t tokens = options_.global_batch * options_.seq_len;
  const int64_t layers = options_.model.layers;
  // Each chosen expert keeps k · T / E of T tokens.
  const int64_t dropped =
      layers * GetParam() *
      (tokens - tokens * GetParam() / options_.model.experts);
  for (const int64_t step : record.dropped) EXPECT_EQ(step, dropped);
  ExpectTheSameOnAllLayouts(record);
}

INSTANTIATE_TEST_SUITE_P(TopK, CrowdedExpertTest, ::testing::Values(1, 2));

}  // namespace
}  // namespace switchyard::testing
