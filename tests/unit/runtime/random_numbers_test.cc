// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// What is random in training is another draw in every step and micro-batch and
// for every seed, and the same one again for the same of each.
#include <cstdint>
#include <vector>

#include "gtest/gtest.h"
#include "switchyard/tests/support/layout_run.h"
#include "switchyard/tests/support/one_rank_model.h"
#include "switchyard/tests/support/synthetic_data.h"

namespace switchyard::testing {
namespace {

struct Case {
  const char* name;
  void (*edit)(TrainOptions&);
};

class RandomNumbersTest : public ::testing::TestWithParam<Case> {
 protected:
  RandomNumbersTest() {
    options_.global_batch = 2 * options_.micro_batch;
    SyntheticData data(options_.model.vocabulary, options_.seq_len,
                       options_.micro_batch);
    Batch batch;
    EXPECT_TRUE(data.Fill(0, 0, options_.micro_batch, &batch).ok());
    batches_ = {batch, batch};  // the same twice
  }

  // All gradients of one of the two.
  std::vector<int64_t> Gradients(OneRankModel& model, int64_t step,
                                 int64_t micro_batch) const {
    model.SetStep(step);
    const int64_t chosen[] = {micro_batch};
    EXPECT_TRUE(model.Train(batches_, chosen).ok());
    std::vector<int64_t> all;
    for (const auto& parameter : model.store().parameters()) {
      const std::vector<int64_t> units = model.GradientUnits(*parameter);
      all.insert(all.end(), units.begin(), units.end());
    }
    return all;
  }

  TrainOptions options_ = SmallRun();
  std::vector<Batch> batches_;
};

TEST_P(RandomNumbersTest, AreOfTheirStepAndMicroBatch) {
  // Nothing else tells them apart.
  OneRankModel plain(options_);
  const std::vector<int64_t> always = Gradients(plain, 1, 0);
  EXPECT_EQ(Gradients(plain, 1, 1), always);
  EXPECT_EQ(Gradients(plain, 2, 0), always);

  GetParam().edit(options_);
  OneRankModel model(options_);
  const std::vector<int64_t> first = Gradients(model, 1, 0);
  EXPECT_NE(first, always);
  EXPECT_NE(Gradients(model, 1, 1), first) << "another micro-batch";
  EXPECT_NE(Gradients(model, 2, 0), first) << "another step";
  EXPECT_EQ(Gradients(model, 1, 0), first) << "once more";
}

TEST_P(RandomNumbersTest, AreNotInAnEvaluation) {
  OneRankModel plain(options_);
  ASSERT_TRUE(plain.Evaluate(batches_).ok());
  GetParam().edit(options_);
  OneRankModel model(options_);
  ASSERT_TRUE(model.Evaluate(batches_).ok());
  EXPECT_GT(plain.statistics().loss_sum(), 0.0);
  EXPECT_EQ(model.statistics().loss_sum(), plain.statistics().loss_sum());
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, RandomNumbersTest,
    ::testing::Values(
        Case{"RouterJitter",
             [](TrainOptions& o) { o.exploration.router_jitter = 0.1; }},
        Case{"RouterSampling",
             [](TrainOptions& o) { o.exploration.router_sampling = true; }},
        Case{"NoisyTopK",
             [](TrainOptions& o) { o.model.router.noisy_top_k = true; }},
        Case{"ExpertDropout", [](TrainOptions& o) { o.expert_dropout = 0.2; }}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace switchyard::testing
