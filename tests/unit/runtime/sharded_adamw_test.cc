// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The optimizer's rules, against AdamW in double precision, on one rank and
// with its state cut over several.
#include "switchyard/runtime/optim/sharded_adamw.h"

#include <cmath>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "switchyard/base/cpu/cpu_device.h"
#include "switchyard/base/philox.h"
#include "switchyard/base/status.h"
#include "switchyard/comm/thread/thread_communicator.h"

namespace switchyard {
namespace {

constexpr uint64_t kSeed = 3;
constexpr char kMatrix[] = "matrix";  // of two norm chunks
constexpr char kNorm[] = "norm.weight";
constexpr char kBias[] = "projection.bias";
constexpr char kRouter[] = "router";
constexpr char kExpert[] = "expert";

using Values = std::map<std::string, std::vector<double>>;

// Gradient elements are multiples of 2^-20 below 1, so that those of up to four
// ranks add without rounding in any order.
constexpr double kGradientUnit = 0x1p-20;

// Element `i` of the whole gradient of a parameter.
double GradientAt(const std::string& parameter, int64_t step, int64_t i) {
  const uint64_t key = MixKey(static_cast<uint64_t>(step), parameter);
  const uint32_t word = Philox4x32(key, {static_cast<uint32_t>(i), 0, 0, 0})[0];
  return kGradientUnit * (static_cast<int32_t>(word >> 12) - (1 << 19));
}

struct Training {
  AdamWOptions options;
  double learning_rate = 0.01;
  int64_t steps = 1;
  double gradient_scale = 1.0;  // a power of two, or 0
};

struct Outcome {
  Values initial;
  Values weights;
  std::vector<double> norms;  // of each step
};

// This test's parameters and their optimizer on one rank.
class Optimized {
 public:
  Optimized(comm::Communicator& world, const Training& run)
      : run_(run),
        world_(world),
        grid_(*Grid::Create(world, 1, 1)),
        stream_(device_.NewStream()),
        store_(grid_, DType::kFloat32) {
    using Kind = ParameterStore::Kind;
    store_.Declare(kMatrix, {300, 250}, Kind::kMatrix, 0.1f);
    store_.Declare(kNorm, {77}, Kind::kNorm, 0.0f);
    store_.Declare(kBias, {33}, Kind::kBias, 0.0f);
    store_.Declare(kRouter, {3, 20}, Kind::kRouter, 0.1f);
    store_.Declare(kExpert, {30, 20}, Kind::kMatrix, 0.1f, /*expert=*/0);
    store_.Allocate(device_);
    store_.Initialize(*stream_, kSeed);
    store_.ZeroGradients(*stream_);
    optimizer_ = std::make_unique<ShardedAdamW>(*stream_, grid_, store_,
                                                run.options, kSeed);
  }

  absl::Status Step(int64_t step, Outcome& outcome) {
    for (const auto& parameter : store_.parameters()) {
      std::vector<int64_t> units(parameter->element_count());
      for (int64_t i = 0; i < parameter->element_count(); ++i) {
        // Rank 0 has what the others leave of the gradient.
        const double all = GradientAt(parameter->name, step, i);
        double mine = 0.125 * kGradientUnit * (i % 1000);
        if (world_.rank() == 0) mine = all - (world_.size() - 1) * mine;
        units[i] = static_cast<int64_t>(
            std::ldexp(run_.gradient_scale * mine, run_.options.fraction_bits));
      }
      stream_->CopyToDevice(parameter->gradient.sum, units.data());
    }
    SWITCHYARD_ASSIGN_OR_RETURN(const GradientReport report,
                                optimizer_->ReduceGradients());
    EXPECT_EQ(report.refused, 0);
    outcome.norms.push_back(report.norm);
    return optimizer_->Update(run_.learning_rate, report.norm);
  }

  Values Weights() {
    Values values;
    for (const auto& parameter : store_.parameters()) {
      std::vector<float> host(parameter->element_count());
      stream_->CopyToHost(host.data(), parameter->weight);
      stream_->Wait();
      values[parameter->name].assign(host.begin(), host.end());
    }
    return values;
  }

 private:
  const Training run_;
  comm::Communicator& world_;
  CpuDevice device_;
  Grid grid_;
  std::unique_ptr<Stream> stream_;
  ParameterStore store_;
  std::unique_ptr<ShardedAdamW> optimizer_;
};

// What all ranks have in the end.
Outcome Optimize(int ranks, const Training& run) {
  std::vector<Outcome> outcomes(ranks);
  const absl::Status status =
      comm::RunRanks(ranks, {}, [&](comm::Communicator& world) -> absl::Status {
        Outcome& outcome = outcomes[world.rank()];
        Optimized optimized(world, run);
        outcome.initial = optimized.Weights();
        for (int64_t step = 0; step < run.steps; ++step) {
          SWITCHYARD_RETURN_IF_ERROR(optimized.Step(step, outcome));
        }
        outcome.weights = optimized.Weights();
        return absl::OkStatus();
      });
  EXPECT_TRUE(status.ok()) << status;
  for (const Outcome& outcome : outcomes) {
    EXPECT_EQ(outcome.weights, outcomes[0].weights) << "the same on all ranks";
    EXPECT_EQ(outcome.norms, outcomes[0].norms);
  }
  return outcomes[0];
}

// AdamW in double.
Outcome Oracle(const Training& run, const Values& initial) {
  Outcome outcome;
  outcome.weights = initial;
  const AdamWOptions& o = run.options;
  Values m, v;
  for (int64_t step = 0; step < run.steps; ++step) {
    double squares = 0.0;
    for (const auto& [name, values] : initial) {
      for (size_t i = 0; i < values.size(); ++i) {
        const double g = run.gradient_scale * GradientAt(name, step, i);
        squares += g * g;
      }
    }
    const double norm = std::sqrt(squares);
    outcome.norms.push_back(norm);
    const double clip =
        o.clip_norm > 0.0 && norm > o.clip_norm ? o.clip_norm / norm : 1.0;
    const double t = static_cast<double>(step + 1);
    for (auto& [name, weights] : outcome.weights) {
      const bool vector = name == kNorm || name == kBias;
      const bool decays = !vector || o.decay_norms;
      m[name].resize(weights.size());
      v[name].resize(weights.size());
      for (size_t i = 0; i < weights.size(); ++i) {
        const double g = clip * run.gradient_scale * GradientAt(name, step, i);
        double& m_i = m[name][i];
        double& v_i = v[name][i];
        m_i = o.beta1 * m_i + (1 - o.beta1) * g;
        v_i = o.beta2 * v_i + (1 - o.beta2) * g * g;
        const double direction =
            m_i / (1 - std::pow(o.beta1, t)) /
            (std::sqrt(v_i / (1 - std::pow(o.beta2, t))) + o.eps);
        weights[i] -=
            run.learning_rate *
            (direction + (decays ? o.weight_decay : 0.0) * weights[i]);
      }
    }
  }
  return outcome;
}

void ExpectNear(const Outcome& actual, const Outcome& expected,
                double learning_rate) {
  ASSERT_EQ(actual.norms.size(), expected.norms.size());
  for (size_t i = 0; i < actual.norms.size(); ++i) {
    // 75,770 squares, added in double.
    EXPECT_NEAR(actual.norms[i], expected.norms[i], 1e-10 * expected.norms[i]);
  }
  for (const auto& [name, values] : expected.weights) {
    const std::vector<double>& found = actual.weights.at(name);
    ASSERT_EQ(found.size(), values.size());
    for (size_t i = 0; i < values.size(); ++i) {
      // A step's direction is at most about 2 and has fp32's relative error
      // some ten times over, more where the moments cancel; a weight is rounded
      // twice a step.
      ASSERT_NEAR(found[i], values[i],
                  learning_rate * 1e-5 + 1e-6 * std::abs(values[i]))
          << name << " " << i;
    }
  }
}

class ShardedAdamWTest : public ::testing::TestWithParam<int> {};

TEST_P(ShardedAdamWTest, WithoutAGradientMatricesShrinkAndNormsDoNot) {
  Training run;
  run.gradient_scale = 0.0;
  run.learning_rate = 0.5;
  run.options.weight_decay = 0.1;
  const Outcome outcome = Optimize(GetParam(), run);
  EXPECT_EQ(outcome.norms[0], 0.0);
  for (const auto& [name, before] : outcome.initial) {
    for (size_t i = 0; i < before.size(); ++i) {
      const double after = outcome.weights.at(name)[i];
      if (name == kNorm) {
        ASSERT_EQ(after, 1.0);
      } else {
        // 0.05 is rounded to fp32, then the result: 2^-24 each.
        ASSERT_NEAR(after, 0.95 * before[i], 0x1p-23 * std::abs(before[i]))
            << name << " " << i;
      }
    }
  }
  run.options.decay_norms = true;
  const Outcome decayed = Optimize(GetParam(), run);
  for (double after : decayed.weights.at(kNorm)) {
    ASSERT_NEAR(after, 0.95, 0x1p-23);
  }
}

TEST_P(ShardedAdamWTest, AgreesWithDoubles) {
  Training run;
  run.steps = 3;
  const Outcome outcome = Optimize(GetParam(), run);
  ExpectNear(outcome, Oracle(run, outcome.initial), run.learning_rate);
}

TEST_P(ShardedAdamWTest, ClippingScalesTheGradient) {
  Training run;
  run.steps = 3;
  run.options.clip_norm = 0.5;
  // Without it eps would hide the scale: AdamW does not see a factor.
  run.options.eps = 1e-3;
  const Outcome outcome = Optimize(GetParam(), run);
  EXPECT_GT(outcome.norms[0], 50.0) << "before clipping";
  ExpectNear(outcome, Oracle(run, outcome.initial), run.learning_rate);

  Training unclipped = run;
  unclipped.options.clip_norm = 0.0;
  EXPECT_NE(Optimize(GetParam(), unclipped).weights, outcome.weights);
}

TEST_P(ShardedAdamWTest, ASmallGradientIsNotClipped) {
  Training run;
  run.gradient_scale = 0x1p-20;
  const Outcome unclipped = Optimize(GetParam(), run);
  EXPECT_LT(unclipped.norms[0], 0.5);
  run.options.clip_norm = 0.5;
  EXPECT_EQ(Optimize(GetParam(), run).weights, unclipped.weights);
}

TEST_P(ShardedAdamWTest, HasTheBitsOfOneRank) {
  Training run;
  run.steps = 2;
  run.options.clip_norm = 1.0;
  const Outcome one = Optimize(1, run);
  const Outcome several = Optimize(GetParam(), run);
  EXPECT_EQ(several.norms, one.norms);
  EXPECT_EQ(several.weights, one.weights);
}

INSTANTIATE_TEST_SUITE_P(Ranks, ShardedAdamWTest, ::testing::Values(1, 2, 3));

}  // namespace
}  // namespace switchyard
