// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Another micro-batch size is other products, so results agree to rounding:
// until two router scores lie closer than the rounding, and a token goes
// elsewhere.
#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "switchyard/base/cpu/cpu_device.h"
#include "switchyard/base/status.h"
#include "switchyard/comm/self/self_communicator.h"
#include "switchyard/runtime/train/trainer.h"
#include "switchyard/tests/support/layout_run.h"
#include "switchyard/tests/support/one_rank_model.h"
#include "switchyard/tests/support/synthetic_data.h"

namespace switchyard::testing {
namespace {

// One router's decision about one token.
struct Decision {
  std::vector<int32_t> experts;  // ascending
  float gap = 0.0f;  // between the last chosen score and the best other
};

// Stands in the place of the balance loss, which sees all routers, and keeps
// what they decided: decisions[layer] in the order of the step's tokens.
class DecisionRecorder : public BalanceLoss {
 public:
  explicit DecisionRecorder(std::vector<std::vector<Decision>>* decisions)
      : decisions_(decisions) {}

  void Compute(const Execution& run,
               absl::Span<MoeLayer::Decision* const> layers,
               const TokenBatch& batch, double weight,
               const TensorView& losses) const override {
    SwitchBalanceLoss(0.0).Compute(run, layers, batch, weight, losses);
    decisions_->resize(layers.size());
    for (size_t layer = 0; layer < layers.size(); ++layer) {
      Keep(layers[layer]->router, (*decisions_)[layer]);
    }
  }

 private:
  static void Keep(const RouterOutput& router, std::vector<Decision>& to) {
    const int64_t experts = router.probabilities.dim(1);
    const int64_t k = router.experts.dim(1);
    for (int64_t t = 0; t < router.probabilities.dim(0); ++t) {
      const int32_t* chosen = router.experts.data<int32_t>() + t * k;
      std::vector<float> scores(
          router.probabilities.data<float>() + t * experts,
          router.probabilities.data<float>() + (t + 1) * experts);
      std::sort(scores.rbegin(), scores.rend());
      Decision decision;
      decision.experts.assign(chosen, chosen + k);
      std::sort(decision.experts.begin(), decision.experts.end());
      decision.gap = scores[k - 1] - scores[k];
      to.push_back(decision);
    }
  }

  std::vector<std::vector<Decision>>* decisions_;
};

struct RunLog {
  std::vector<double> losses;
  // [step][layer][token]
  std::vector<std::vector<std::vector<Decision>>> decisions;
};

TrainOptions Options(int64_t micro_batch) {
  TrainOptions options = SmallRun();
  options.model.balance_loss_coef = 0.0;
  options.micro_batch = micro_batch;
  options.expert_parallel = 1;
  return options;
}

absl::StatusOr<RunLog> RunWith(int64_t micro_batch) {
  const TrainOptions options = Options(micro_batch);
  SyntheticData data(options.model.vocabulary, options.seq_len,
                     options.global_batch);
  std::vector<std::vector<Decision>> decisions;
  CpuDevice device;
  const std::unique_ptr<comm::Communicator> world = comm::NewSelfCommunicator();
  TrainerParts parts;
  parts.data = &data;
  parts.balance_loss = std::make_unique<DecisionRecorder>(&decisions);
  SWITCHYARD_ASSIGN_OR_RETURN(
      const std::unique_ptr<Trainer> trainer,
      Trainer::Create(options, *world, device, std::move(parts)));
  RunLog run;
  for (int64_t step = 0; step < options.steps; ++step) {
    decisions.clear();
    SWITCHYARD_ASSIGN_OR_RETURN(const StepMetrics metrics, trainer->Step());
    run.losses.push_back(*metrics.loss);
    run.decisions.push_back(decisions);
  }
  return run;
}

// The first decision that differs, and how close its scores were.
struct Flip {
  size_t step = 0;
  size_t layer = 0;
  size_t token = 0;
  float gap = 0.0f;
  bool found = false;
};

Flip FirstFlip(const RunLog& a, const RunLog& b) {
  for (size_t step = 0; step < a.decisions.size(); ++step) {
    for (size_t layer = 0; layer < a.decisions[step].size(); ++layer) {
      for (size_t t = 0; t < a.decisions[step][layer].size(); ++t) {
        const Decision& mine = a.decisions[step][layer][t];
        const Decision& other = b.decisions[step][layer][t];
        if (mine.experts != other.experts) {
          return {step, layer, t, std::min(mine.gap, other.gap), true};
        }
      }
    }
  }
  return {};
}

class MicroBatchTest : public ::testing::TestWithParam<int64_t> {};

TEST_P(MicroBatchTest, FirstStepAgreesToRounding) {
  const auto step = [](int64_t micro_batch) {
    const TrainOptions options = Options(micro_batch);
    SyntheticData data(options.model.vocabulary, options.seq_len,
                       options.global_batch);
    std::vector<Batch> batches(options.global_batch / micro_batch);
    for (size_t i = 0; i < batches.size(); ++i) {
      EXPECT_TRUE(data.Fill(0, static_cast<int64_t>(i) * micro_batch,
                            micro_batch, &batches[i])
                      .ok());
    }
    auto model = std::make_unique<OneRankModel>(options);
    EXPECT_TRUE(model->Train(batches).ok());
    return model;
  };
  const std::unique_ptr<OneRankModel> expected = step(2);
  const std::unique_ptr<OneRankModel> actual = step(GetParam());
  const double labels =
      static_cast<double>(expected->statistics().total_labels());
  EXPECT_NEAR(expected->statistics().loss_sum() / labels,
              actual->statistics().loss_sum() / labels, 1e-6);
  double difference = 0.0, norm = 0.0;
  for (size_t i = 0; i < expected->store().parameters().size(); ++i) {
    const std::vector<double> a =
        expected->Gradient(*expected->store().parameters()[i]);
    const std::vector<double> b =
        actual->Gradient(*actual->store().parameters()[i]);
    for (size_t j = 0; j < a.size(); ++j) {
      difference += (a[j] - b[j]) * (a[j] - b[j]);
      norm += a[j] * a[j];
    }
  }
  EXPECT_GT(norm, 0.0);
  EXPECT_LT(std::sqrt(difference), 1e-5 * std::sqrt(norm));
}

TEST_P(MicroBatchTest, TwentyStepsAgreeUntilANearTieFlips) {
  const absl::StatusOr<RunLog> expected = RunWith(2);
  const absl::StatusOr<RunLog> actual = RunWith(GetParam());
  ASSERT_TRUE(expected.ok() && actual.ok());
  const Flip flip = FirstFlip(*expected, *actual);
  if (flip.found) {
    std::printf("step %zu, layer %zu, token %zu: scores %g apart flipped\n",
                flip.step, flip.layer, flip.token,
                static_cast<double>(flip.gap));
    EXPECT_LT(flip.gap, 1e-5f) << "more than rounding";
  }
  const size_t steps = expected->losses.size();
  const size_t same = flip.found ? flip.step : steps;
  for (size_t step = 0; step < same; ++step) {
    EXPECT_NEAR(expected->losses[step], actual->losses[step], 1e-4) << step;
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, MicroBatchTest, ::testing::Values(1, 4, 8),
                         [](const auto& info) {
                           return absl::StrCat("Sequences", info.param);
                         });

}  // namespace
}  // namespace switchyard::testing
