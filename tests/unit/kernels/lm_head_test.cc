// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/lm_head.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "gtest/gtest.h"
#include "switchyard/base/cpu/cpu_device.h"
#include "switchyard/base/guarded/guarded_device.h"
#include "switchyard/tests/support/any_device.h"
#include "switchyard/tests/support/compare.h"
#include "switchyard/tests/support/random_values.h"
#include "switchyard/tests/support/rounding.h"
#include "switchyard/tests/support/test_tensor.h"

namespace switchyard::kernels {
namespace {

using switchyard::testing::AllEqual;
using switchyard::testing::AllNear;
using switchyard::testing::AnyDevice;
using switchyard::testing::Layout;
using switchyard::testing::RandomIntegers;
using switchyard::testing::RandomValues;
using switchyard::testing::SameBits;
using switchyard::testing::TestTensor;
using switchyard::testing::UnitRoundoff;

struct Problem {
  int64_t tokens, width, vocabulary;
  DType dtype = DType::kFloat32;
  std::vector<double> x, weight, labels;
  double scale = 0.125;
};

Problem MakeProblem(int64_t tokens, int64_t width, int64_t vocabulary,
                    DType dtype) {
  Problem problem{tokens, width, vocabulary, dtype, {}, {}, {}};
  problem.x = RandomValues(1, tokens * width, -1, 1, dtype);
  problem.weight = RandomValues(2, vocabulary * width, -1, 1, dtype);
  problem.labels = RandomIntegers(3, tokens, 0, vocabulary - 1);
  for (int64_t i = 0; i < tokens; i += 3) problem.labels[i] = kIgnoredLabel;
  return problem;
}

// A plain loop in double, with bounds on what fp32 arithmetic may change.
struct Oracle {
  double loss = 0, loss_tolerance = 0;
  std::vector<double> dx, dx_tolerance;
  std::vector<double> dweight, dweight_tolerance;
};

Oracle Solve(const Problem& p) {
  Oracle result;
  result.dx.resize(p.x.size());
  result.dx_tolerance.resize(p.x.size());
  result.dweight.resize(p.weight.size());
  result.dweight_tolerance.resize(p.weight.size());
  constexpr double kUnit = 0x1p-24;
  for (int64_t t = 0; t < p.tokens; ++t) {
    if (p.labels[t] == kIgnoredLabel) continue;
    const int64_t label = static_cast<int64_t>(p.labels[t]);
    std::vector<double> logits(p.vocabulary);
    double logit_error = 0;  // of any logit: see product_oracle.h
    for (int64_t v = 0; v < p.vocabulary; ++v) {
      double magnitude = 0;
      for (int64_t i = 0; i < p.width; ++i) {
        const double term = p.x[t * p.width + i] * p.weight[v * p.width + i];
        logits[v] += term;
        magnitude += std::abs(term);
      }
      logit_error =
          std::max(logit_error, 1.01 * (p.width + 1) * kUnit * magnitude);
    }
    const double max = *std::max_element(logits.begin(), logits.end());
    double sum = 0;
    for (double logit : logits) sum += std::exp(logit - max);
    result.loss += std::log(sum) + max - logits[label];
    // Logits move the loss by their errors twice, the exponentials (2 ulp, and
    // the rounding of logit - max, at most 2^5 here) and at most 1024 additions
    // by their relative errors.
    const double relative = 2 * logit_error + (4 + 32 + 1024) * kUnit;
    result.loss_tolerance += 2 * logit_error + relative;
    for (int64_t v = 0; v < p.vocabulary; ++v) {
      const double probability = std::exp(logits[v] - max) / sum;
      const double d = p.scale * (probability - (v == label ? 1.0 : 0.0));
      // The same relative error twice (exponential and sum) and roundings; in
      // bf16 it is rounded before the products, which sum over at most 1024
      // terms.
      const double error =
          p.scale * (2 * relative + 4 * kUnit) * probability +
          (p.dtype == DType::kBFloat16 ? UnitRoundoff(p.dtype) : kUnit) *
              std::abs(d) +
          1024 * kUnit * std::abs(d) + p.scale * kUnit;
      for (int64_t i = 0; i < p.width; ++i) {
        const double w = p.weight[v * p.width + i], x = p.x[t * p.width + i];
        result.dx[t * p.width + i] += d * w;
        result.dx_tolerance[t * p.width + i] += 1.1 * error * std::abs(w);
        result.dweight[v * p.width + i] += d * x;
        result.dweight_tolerance[v * p.width + i] += 1.1 * error * std::abs(x);
      }
    }
  }
  for (size_t i = 0; i < result.dx.size(); ++i) {
    result.dx_tolerance[i] +=
        1.1 * UnitRoundoff(p.dtype) * std::abs(result.dx[i]);
  }
  for (double& tolerance : result.dweight_tolerance) tolerance += 0x1p-44;
  return result;
}

struct Outcome {
  TestTensor loss, dx, sum, refused;
};

Outcome Compute(Device& device, const Problem& p, Layout layout = {}) {
  const auto stream = device.NewStream();
  Arena arena(device);
  const TestTensor x(device, p.dtype, {p.tokens, p.width}, p.x, layout);
  const TestTensor weight(device, p.dtype, {p.vocabulary, p.width}, p.weight,
                          layout);
  const TestTensor labels(device, DType::kInt32, {p.tokens}, p.labels);
  const Shape shape = {p.vocabulary, p.width};
  Outcome out{TestTensor(device, DType::kFloat64, {1}),
              TestTensor(device, p.dtype, {p.tokens, p.width}, layout),
              TestTensor(device, DType::kInt64, shape,
                         std::vector<double>(shape.element_count(), 0.0)),
              TestTensor(device, DType::kInt64, {1}, {0.0})};
  LmHeadLossArgs args;
  args.x = x;
  args.weight = weight;
  args.labels = labels;
  args.loss_sum = out.loss;
  args.loss_scale = static_cast<float>(p.scale);
  args.dx = out.dx;
  args.gradient = {out.sum, out.refused};
  LmHeadLoss(*stream, arena, args);
  stream->Wait();
  return out;
}

std::vector<double> GradientOf(const Outcome& out) {
  std::vector<double> values;
  for (uint64_t bits : out.sum.Bits()) {
    values.push_back(
        std::ldexp(static_cast<double>(static_cast<int64_t>(bits)), -44));
  }
  return values;
}

TEST(LmHeadTest, AgreesWithTheOracle) {
  AnyDevice device(2);
  for (const DType dtype : {DType::kFloat32, DType::kBFloat16}) {
    for (const auto& [tokens, width, vocabulary] :
         {std::tuple(1, 1, 1), std::tuple(7, 33, 31), std::tuple(40, 32, 257),
          std::tuple(300, 9, 33), std::tuple(5, 3, 2500)}) {
      const Problem problem = MakeProblem(tokens, width, vocabulary, dtype);
      const Oracle oracle = Solve(problem);
      const Outcome out = Compute(device, problem, Layout::Strided(3, 1));
      EXPECT_NEAR(out.loss.Read()[0], oracle.loss, oracle.loss_tolerance);
      EXPECT_TRUE(AllNear(out.dx.Read(), oracle.dx, oracle.dx_tolerance))
          << NameOf(dtype) << " " << vocabulary;
      EXPECT_TRUE(
          AllNear(GradientOf(out), oracle.dweight, oracle.dweight_tolerance))
          << NameOf(dtype) << " " << vocabulary;
      EXPECT_EQ(out.refused.Read()[0], 0);
    }
  }
}

TEST(LmHeadTest, TheOracleIsTheDerivativeOfItsLoss) {
  SWITCHYARD_CPU_ONLY();
  Problem problem = MakeProblem(5, 4, 7, DType::kFloat32);
  const Oracle oracle = Solve(problem);
  constexpr double kStep = 1e-5;
  const auto slope = [&](double& value) {
    const double before = value;
    value = before + kStep;
    const double above = Solve(problem).loss;
    value = before - kStep;
    const double below = Solve(problem).loss;
    value = before;
    return problem.scale * (above - below) / (2 * kStep);
  };
  // The error of a central difference is of the order of step² (1e-10) and of
  // 2^-53 / step (1e-11) times the loss.
  for (size_t i = 0; i < problem.x.size(); ++i) {
    EXPECT_NEAR(slope(problem.x[i]), oracle.dx[i], 1e-8) << i;
  }
  for (size_t i = 0; i < problem.weight.size(); ++i) {
    EXPECT_NEAR(slope(problem.weight[i]), oracle.dweight[i], 1e-8) << i;
  }
}

TEST(LmHeadTest, BitsDependOnNeitherThreadsNorLayout) {
  SWITCHYARD_CPU_ONLY();
  CpuDevice one(1), three(3);
  GuardedDevice guarded(2);
  for (const DType dtype : {DType::kFloat32, DType::kBFloat16}) {
    const Problem problem = MakeProblem(530, 40, 70, dtype);
    const Outcome first = Compute(one, problem);
    const auto same = [&](Outcome other) {
      EXPECT_TRUE(SameBits(first.loss, other.loss));
      EXPECT_TRUE(SameBits(first.dx, other.dx));
      EXPECT_TRUE(SameBits(first.sum, other.sum));
    };
    same(Compute(three, problem, Layout::Strided(5, 3)));
    same(Compute(guarded, problem));
  }
}

TEST(LmHeadTest, WithoutValidLabelsLossAndGradientsAreZero) {
  AnyDevice device;
  for (const int64_t tokens : {0, 4}) {
    Problem problem = MakeProblem(tokens, 8, 9, DType::kFloat32);
    problem.labels.assign(tokens, kIgnoredLabel);
    const Outcome out = Compute(device, problem);
    EXPECT_EQ(out.loss.Read()[0], 0.0);
    EXPECT_TRUE(AllEqual(out.dx.Read(), std::vector<double>(tokens * 8, 0.0)));
    EXPECT_TRUE(AllEqual(out.sum.Read(), std::vector<double>(9 * 8, 0.0)));
  }
}

// Logits far apart and far below zero, beside a vocabulary that fills no
// vector: exact answers.
TEST(LmHeadTest, ExtremeLogits) {
  AnyDevice device;
  Problem problem{2, 1, 3, DType::kFloat32, {-300, -300}, {1, 2, 3}, {0, 2}, 1};
  const Outcome far = Compute(device, problem);
  EXPECT_EQ(far.loss.Read()[0], 600.0);
  EXPECT_TRUE(AllEqual(far.dx.Read(), {0, 1 - 3}));
  problem.x = {std::nan(""), 1};
  const Outcome out = Compute(device, problem);
  EXPECT_TRUE(std::isnan(out.loss.Read()[0]));
  EXPECT_TRUE(std::isnan(out.dx.Read()[0]));
  EXPECT_FALSE(std::isnan(out.dx.Read()[1]));
  EXPECT_EQ(out.refused.Read()[0], 3);
}

TEST(LmHeadTest, EvaluationNeedsNoGradients) {
  AnyDevice device;
  const Problem problem = MakeProblem(300, 16, 33, DType::kFloat32);
  const auto stream = device.NewStream();
  Arena arena(device);
  const TestTensor x(device, DType::kFloat32, {300, 16}, problem.x);
  const TestTensor weight(device, DType::kFloat32, {33, 16}, problem.weight);
  const TestTensor labels(device, DType::kInt32, {300}, problem.labels);
  TestTensor loss(device, DType::kFloat64, {1});
  LmHeadLossArgs args;
  args.x = x;
  args.weight = weight;
  args.labels = labels;
  args.loss_sum = loss;
  LmHeadLoss(*stream, arena, args);
  stream->Wait();
  EXPECT_TRUE(SameBits(loss, Compute(device, problem).loss));
}

TEST(LmHeadTest, LabelsOutsideTheVocabularyAreBugs) {
  SWITCHYARD_CPU_ONLY();
  CpuDevice device;
  for (const double label : {-1.0, 9.0}) {
    Problem problem = MakeProblem(2, 8, 9, DType::kFloat32);
    problem.labels = {3, label};
    EXPECT_DEATH(Compute(device, problem), "label -?[0-9]+ of 9");
  }
}

}  // namespace
}  // namespace switchyard::kernels
