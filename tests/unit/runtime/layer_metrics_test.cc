// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/train/layer_metrics.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <functional>
#include <memory>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "switchyard/base/cpu/cpu_device.h"
#include "switchyard/base/status.h"
#include "switchyard/comm/self/self_communicator.h"
#include "switchyard/comm/thread/thread_communicator.h"
#include "switchyard/runtime/train/trainer.h"
#include "switchyard/tests/support/layout_run.h"
#include "switchyard/tests/support/synthetic_data.h"

namespace switchyard::testing {
namespace {

TrainOptions Options() {
  TrainOptions options = SmallRun();
  options.steps = 2;
  options.warmup_steps = 0;
  options.overflow.capacity_factor = *CapacityFactor::Parse("1.0");
  return options;
}

// Trains `options.steps` steps and shows each.
absl::Status ForEachStep(
    comm::Communicator& world, const TrainOptions& options,
    const std::function<void(Batch&)>& edit,
    const std::function<void(const StepMetrics&, Trainer&)>& see) {
  CpuDevice device;
  SyntheticData data(options.model.vocabulary, options.seq_len,
                     options.global_batch);
  data.edit = edit;
  TrainerParts parts;
  parts.data = &data;
  SWITCHYARD_ASSIGN_OR_RETURN(
      const std::unique_ptr<Trainer> trainer,
      Trainer::Create(options, world, device, std::move(parts)));
  for (int64_t step = 0; step < options.steps; ++step) {
    SWITCHYARD_ASSIGN_OR_RETURN(const StepMetrics metrics, trainer->Step());
    see(metrics, *trainer);
  }
  return absl::OkStatus();
}

absl::Status Alone(
    const TrainOptions& options, const std::function<void(Batch&)>& edit,
    const std::function<void(const StepMetrics&, Trainer&)>& see) {
  const auto world = comm::NewSelfCommunicator();
  return ForEachStep(*world, options, edit, see);
}

// Pooled over L = 2 layers and k = 3 choices, balanced at k: a layer's share of
// the objective is coefficient · L / k of its mean.
TEST(LayerMetricsTest, APooledLossIsScaledByLayersAndChoices) {
  TrainOptions options = Options();
  options.model.experts_per_token = 3;
  options.balance.loss = BalanceLossKind::kHfMixtral;
  const auto see = [&](const StepMetrics& step, Trainer&) {
    double sum = 0.0;
    for (const LayerMetrics& layer : step.layers) {
      EXPECT_DOUBLE_EQ(
          layer.balance_loss_scaled,
          options.model.balance_loss_coef * 2.0 / 3.0 * layer.balance_loss);
      sum += layer.balance_loss;
    }
    // Near k in the first steps, when nobody is preferred.
    EXPECT_NEAR(sum, 3.0, 0.3);
  };
  EXPECT_TRUE(Alone(options, nullptr, see).ok());
}

TEST(LayerMetricsTest, AgreeWithTheStepAndItsLoads) {
  const TrainOptions options = Options();
  const ModelConfig& model = options.model;
  const auto see = [&](const StepMetrics& step, Trainer& trainer) {
    ASSERT_EQ(step.layers.size(), 2u);
    double balance = 0, z = 0, worst = 0, dropped = 0;
    int64_t dead = 0;
    for (size_t i = 0; i < 2; ++i) {
      const LayerMetrics& layer = step.layers[i];
      EXPECT_EQ(layer.layer, static_cast<int64_t>(i));
      const auto loads = trainer.assigned().subspan(i * 8, 8);
      EXPECT_EQ(layer.load, loads);
      const int64_t sum =
          std::accumulate(loads.begin(), loads.end(), int64_t{0});
      EXPECT_EQ(sum, step.tokens * 2);
      EXPECT_NEAR(layer.max_vio, layer.max_load - 1.0, 1e-12);
      EXPECT_GT(layer.entropy, 0.0);
      EXPECT_LE(layer.entropy, std::log(8.0) + 1e-6);
      EXPECT_EQ(layer.balance_loss_scaled,
                model.balance_loss_coef * layer.balance_loss);
      EXPECT_EQ(layer.z_loss_scaled, model.router_z_loss_coef * layer.z_loss);
      EXPECT_FALSE(layer.bias_min.has_value());
      EXPECT_EQ(layer.off_rank_share, 0.0);
      EXPECT_GT(layer.repeat_first, 0.0);
      EXPECT_LT(layer.repeat_first, layer.repeat_first_or_second);
      EXPECT_LE(layer.repeat_first_or_second, 1.0);
      balance += layer.balance_loss;
      z += layer.z_loss;
      worst = std::max(worst, layer.max_load);
      dead += layer.dead_experts;
      dropped += layer.dropped_share * static_cast<double>(sum);
    }
    EXPECT_NEAR(balance, step.balance_loss, 1e-12);
    EXPECT_NEAR(z, step.z_loss, 1e-12);
    EXPECT_EQ(worst, step.max_load);
    EXPECT_EQ(dead, step.dead_experts);
    EXPECT_GT(step.dropped, 0);
    EXPECT_NEAR(dropped, static_cast<double>(step.dropped), 1e-9);
  };
  const absl::Status status = Alone(options, nullptr, see);
  EXPECT_TRUE(status.ok()) << status;
}

int64_t Sum(absl::Span<const int64_t> counts) {
  return std::accumulate(counts.begin(), counts.end(), int64_t{0});
}

// Half the even share is less than what some tokens need.
TEST(LayerMetricsTest, DropsHaveReasonsByLayerAndExpert) {
  for (const int64_t experts : {0, 3}) {
    TrainOptions options = Options();
    options.overflow.capacity_factor = *CapacityFactor::Parse("0.5");
    options.overflow.no_token_left_behind = experts;
    const auto see = [&](const StepMetrics& step, Trainer& trainer) {
      const StepStatistics& statistics = trainer.statistics();
      int64_t dropped = 0, rerouted = 0, lost = 0;
      ASSERT_EQ(step.layers.size(), 2u);
      for (size_t i = 0; i < 2; ++i) {
        const LayerMetrics& layer = step.layers[i];
        EXPECT_EQ(layer.over_capacity,
                  statistics.over_capacity().subspan(i * 8, 8));
        EXPECT_EQ(layer.rerouted, statistics.rerouted().subspan(i * 8, 8));
        EXPECT_EQ(layer.lost_tokens,
                  statistics.lost_tokens().subspan(i * 8, 8));
        const int64_t left = Sum(layer.over_capacity) - Sum(layer.rerouted);
        EXPECT_EQ(
            static_cast<double>(left) / static_cast<double>(Sum(layer.load)),
            layer.dropped_share);
        dropped += left;
        rerouted += Sum(layer.rerouted);
        lost += Sum(layer.lost_tokens);
      }
      EXPECT_EQ(dropped, step.dropped);
      EXPECT_GT(dropped, 0);
      EXPECT_GT(lost, 0);
      EXPECT_EQ(rerouted > 0, experts > 0);
    };
    const absl::Status status = Alone(options, nullptr, see);
    EXPECT_TRUE(status.ok()) << status;
  }
}

TEST(LayerMetricsTest, DroplessTrainingHasNoReasonsOfDrops) {
  TrainOptions options = Options();
  options.overflow.capacity_factor = CapacityFactor();
  options.overflow.eval_capacity_factor = *CapacityFactor::Parse("1.0");
  const absl::Status status =
      Alone(options, nullptr, [](const StepMetrics& step, Trainer&) {
        EXPECT_FALSE(step.layers[0].load.empty());
        EXPECT_TRUE(step.layers[0].over_capacity.empty());
        EXPECT_TRUE(step.layers[0].rerouted.empty());
        EXPECT_TRUE(step.layers[0].lost_tokens.empty());
      });
  EXPECT_TRUE(status.ok()) << status;
}

TEST(LayerMetricsTest, ComeEveryNSteps) {
  for (const int64_t every : {0, 1, 2, 3}) {
    TrainOptions options = Options();
    options.steps = 4;
    options.layer_metrics_every = every;
    std::vector<int64_t> steps;
    const absl::Status status =
        Alone(options, nullptr, [&](const StepMetrics& step, Trainer&) {
          if (!step.layers.empty()) steps.push_back(step.step);
        });
    EXPECT_TRUE(status.ok()) << status;
    const std::vector<int64_t> expected[] = {{}, {1, 2, 3, 4}, {2, 4}, {3}};
    EXPECT_EQ(steps, expected[every]);
  }
}

TEST(LayerMetricsTest, AStepWithoutAValidTokenHasNoShares) {
  const auto edit = [](Batch& batch) {
    std::fill(batch.valid.begin(), batch.valid.end(), 0);
    std::fill(batch.labels.begin(), batch.labels.end(), kNoLabel);
  };
  const auto see = [](const StepMetrics& step, Trainer&) {
    const LayerMetrics& layer = step.layers[1];
    EXPECT_EQ(layer.dead_experts, 8);
    EXPECT_EQ(layer.balance_loss, 0.0);
    for (const double none :
         {layer.max_load, layer.max_vio, layer.entropy, layer.dropped_share,
          layer.off_rank_share, layer.repeat_first,
          layer.repeat_first_or_second}) {
      EXPECT_TRUE(std::isnan(none));
    }
  };
  const absl::Status status = Alone(Options(), edit, see);
  EXPECT_TRUE(status.ok()) << status;
}

TEST(LayerMetricsTest, OneChoiceHasNoSecond) {
  TrainOptions options = Options();
  options.model.experts_per_token = 1;
  const absl::Status status =
      Alone(options, nullptr, [](const StepMetrics& step, Trainer&) {
        EXPECT_GT(step.layers[0].repeat_first, 0.0);
        EXPECT_TRUE(std::isnan(step.layers[0].repeat_first_or_second));
      });
  EXPECT_TRUE(status.ok()) << status;
}

// A router of somebody else's, with a bias in every other layer.
class BiasedRouter : public TopKRouter {
 public:
  BiasedRouter(const ParameterStore& store, const ModelConfig& config,
               const std::string& prefix, TensorView bias)
      : TopKRouter(store, config, prefix), bias_(bias) {}
  TensorView selection_bias() const override { return bias_; }

 private:
  TensorView bias_;
};

class BiasedRouters : public RouterFactory {
 public:
  explicit BiasedRouters(const TensorView& bias) : bias_(bias) {}
  void Declare(ParameterStore& store, const ModelConfig& config,
               const std::string& prefix) const override {
    TopKRouters().Declare(store, config, prefix);
  }
  std::unique_ptr<Router> Make(const ParameterStore& store,
                               const ModelConfig& config,
                               const std::string& prefix) const override {
    if (prefix.find("layers.1.") == std::string::npos) {
      return TopKRouters().Make(store, config, prefix);
    }
    return std::make_unique<BiasedRouter>(store, config, prefix, bias_);
  }

 private:
  TensorView bias_;
};

TEST(LayerMetricsTest, TheBiasIsThatOfTheLayerThatHasOne) {
  const TrainOptions options = Options();
  CpuDevice device;
  Storage storage(device, DType::kFloat32, {8});
  const TensorView bias = storage.View(DType::kFloat32, {8});
  const float values[] = {0, 0.5f, -0.25f, 0, 0, 0, 0.125f, 0};
  device.NewStream()->CopyToDevice(bias, values);
  const BiasedRouters routers(bias);
  const auto world = comm::NewSelfCommunicator();
  SyntheticData data(options.model.vocabulary, options.seq_len,
                     options.global_batch);
  TrainerParts parts;
  parts.data = &data;
  parts.routers = &routers;
  const auto trainer =
      Trainer::Create(options, *world, device, std::move(parts));
  ASSERT_TRUE(trainer.ok()) << trainer.status();
  const auto step = (*trainer)->Step();
  ASSERT_TRUE(step.ok()) << step.status();
  EXPECT_FALSE(step->layers[0].bias_min.has_value());
  EXPECT_FALSE(step->layers[0].bias_max.has_value());
  EXPECT_EQ(step->layers[1].bias_min, -0.25);
  EXPECT_EQ(step->layers[1].bias_max, 0.5);
}

double SentRows(const StepMetrics& step) {
  double sent = 0;
  for (const LayerMetrics& layer : step.layers) {
    const int64_t assigned =
        std::accumulate(layer.load.begin(), layer.load.end(), int64_t{0});
    sent += layer.off_rank_share * (1.0 - layer.dropped_share) *
            static_cast<double>(assigned);
  }
  return sent;
}

// Invariant A7: a row leaves and returns, forward and backward: four times
// hidden_size fp32 numbers. Besides, a rank sends the numbers of rows for the
// other rank's four experts, in each layer of each of its two micro-batches.
TEST(LayerMetricsTest, OffRankShareIsWhatTheRanksSend) {
  for (const int width : {1, 2}) {
    TrainOptions options = Options();
    options.steps = 1;
    options.expert_parallel = width;
    std::atomic<int64_t> bytes{0};
    std::atomic<double> rows{0};
    const absl::Status status =
        comm::RunRanks(2, {}, [&](comm::Communicator& world) {
          return ForEachStep(
              world, options, nullptr,
              [&](const StepMetrics& step, Trainer& trainer) {
                bytes +=
                    trainer.grid().expert_parallel().all_to_all_sent_bytes();
                rows = SentRows(step);
              });
        });
    ASSERT_TRUE(status.ok()) << status;
    if (width == 1) {
      EXPECT_EQ(rows, 0.0);
      EXPECT_EQ(bytes, 0);
      continue;
    }
    EXPECT_GT(rows, 100.0);
    const double counts = 2 * 2 * 2 * 4 * sizeof(int32_t);
    EXPECT_NEAR(static_cast<double>(bytes), rows * 4 * 32 * 4 + counts, 1e-3);
  }
}

}  // namespace
}  // namespace switchyard::testing
