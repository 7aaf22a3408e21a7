// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/balance_loss.h"

#include <vector>

#include "gtest/gtest.h"
#include "switchyard/base/cpu/cpu_device.h"
#include "switchyard/base/guarded/guarded_device.h"
#include "switchyard/tests/support/compare.h"
#include "switchyard/tests/support/random_values.h"
#include "switchyard/tests/support/test_tensor.h"

namespace switchyard::kernels {
namespace {

using switchyard::testing::AllEqual;
using switchyard::testing::AllNear;
using switchyard::testing::Layout;
using switchyard::testing::RandomIntegers;
using switchyard::testing::RandomValues;
using switchyard::testing::TestTensor;

using Values = std::vector<double>;

struct Inputs {
  int64_t tokens, experts, k;
  Values probabilities, logsumexp, chosen, valid;
  double weight = 1.0;
};

struct Result {
  Values losses, gradient;
};

Result Compute(Device& device, const Inputs& in, Layout layout = {}) {
  const auto stream = device.NewStream();
  TestTensor probabilities(device, DType::kFloat32, {in.tokens, in.experts},
                           in.probabilities, layout);
  TestTensor logsumexp(device, DType::kFloat32, {in.tokens}, in.logsumexp);
  TestTensor chosen(device, DType::kInt32, {in.tokens, in.k}, in.chosen,
                    layout);
  TestTensor valid(device, DType::kUInt8, {in.tokens}, in.valid);
  TestTensor losses(device, DType::kFloat64, {2});
  TestTensor gradient(device, DType::kFloat32, {in.experts});
  BalanceLoss(*stream, {probabilities, logsumexp, chosen, valid, in.weight,
                        losses, gradient});
  stream->Wait();
  return {losses.Read(), gradient.Read()};
}

Result Oracle(const Inputs& in) {
  Result result{{0, 0}, Values(in.experts, 0)};
  double tokens = 0;
  for (double valid : in.valid) tokens += valid;
  if (tokens == 0) return result;
  Values fraction(in.experts, 0), mean(in.experts, 0);
  for (int64_t t = 0; t < in.tokens; ++t) {
    if (in.valid[t] == 0) continue;
    result.losses[1] += in.logsumexp[t] * in.logsumexp[t] / tokens;
    for (int64_t j = 0; j < in.k; ++j) {
      fraction[static_cast<int64_t>(in.chosen[t * in.k + j])] +=
          1.0 / (tokens * static_cast<double>(in.k));
    }
    for (int64_t e = 0; e < in.experts; ++e) {
      mean[e] += in.probabilities[t * in.experts + e] / tokens;
    }
  }
  const double experts = static_cast<double>(in.experts);
  for (int64_t e = 0; e < in.experts; ++e) {
    result.losses[0] += experts * fraction[e] * mean[e];
    result.gradient[e] = in.weight * experts * fraction[e] / tokens;
  }
  return result;
}

Inputs RandomInputs(int64_t tokens, int64_t experts, int64_t k) {
  return {tokens,
          experts,
          k,
          RandomValues(1, tokens * experts, 0, 1),
          RandomValues(2, tokens, -3, 3),
          RandomIntegers(3, tokens * k, 0, experts - 1),
          RandomIntegers(4, tokens, 0, 1),
          0.01};
}

TEST(BalanceLossTest, AgreesWithDoubles) {
  CpuDevice device(2);
  for (const int64_t tokens : {0, 1, 31, 32, 33, 256, 257, 1001}) {
    for (const int64_t experts : {1, 8, 13}) {
      for (const Layout layout : {Layout(), Layout::Strided(3, 1)}) {
        const Inputs in = RandomInputs(tokens, experts, 2);
        const Result actual = Compute(device, in, layout);
        const Result expected = Oracle(in);
        // Sums of at most 1001 doubles in two orders.
        EXPECT_TRUE(AllNear(actual.losses, expected.losses, 0, 1e-12));
        EXPECT_TRUE(AllNear(actual.gradient, expected.gradient, 0, 0x1p-24));
      }
    }
  }
}

TEST(BalanceLossTest, IsOneAtPerfectBalance) {
  CpuDevice device;
  // 16 tokens, 8 experts, top-2: each expert is chosen 4 times.
  Inputs in{16, 8, 2, Values(16 * 8, 0.125), Values(16, 2), {}, Values(16, 1)};
  for (int i = 0; i < 32; ++i) in.chosen.push_back(i % 8);
  const Result result = Compute(device, in);
  EXPECT_TRUE(AllEqual(result.losses, {1, 4}));
  EXPECT_TRUE(AllEqual(result.gradient, Values(8, 8.0 * 0.125 / 16)));
}

TEST(BalanceLossTest, IsTheNumberOfExpertsWhenOneTakesAll) {
  CpuDevice device;
  Inputs in{5, 4, 1, {}, Values(5, 0), Values(5, 2), Values(5, 1)};
  for (int t = 0; t < 5; ++t) {
    for (int e = 0; e < 4; ++e) in.probabilities.push_back(e == 2);
  }
  EXPECT_TRUE(AllEqual(Compute(device, in).losses, {4, 0}));
}

TEST(BalanceLossTest, OnlyValidTokensCount) {
  CpuDevice device;
  Inputs in{3, 2, 1, {1, 0, 0.25, 0.75, 0, 1}, {1, 2, 3}, {0, 1, 1}, {0, 1, 0}};
  const Result result = Compute(device, in);
  EXPECT_TRUE(AllEqual(result.losses, {1.5, 4}));
  EXPECT_TRUE(AllEqual(result.gradient, {0, 2}));
  in.valid = {0, 0, 0};
  const Result none = Compute(device, in);
  EXPECT_TRUE(AllEqual(none.losses, {0, 0}));
  EXPECT_TRUE(AllEqual(none.gradient, {0, 0}));
}

TEST(BalanceLossTest, NoExpertIsNotCounted) {
  CpuDevice device;
  // Two assignments, one to each expert.
  Inputs in{2, 2, 2, Values(4, 0.5), {0, 0}, {0, -1, -1, 1}, {1, 1}, 1};
  const Result result = Compute(device, in);
  EXPECT_TRUE(AllEqual(result.losses, {1, 0}));
  EXPECT_TRUE(AllEqual(result.gradient, {0.5, 0.5}));
  in.chosen = Values(4, -1);
  const Result none = Compute(device, in);
  EXPECT_TRUE(AllEqual(none.losses, {0, 0}));
  EXPECT_TRUE(AllEqual(none.gradient, {0, 0}));
}

TEST(BalanceLossTest, GradientIsTheDerivativeByProbability) {
  // The loss is linear in each p: one step of any size gives the derivative.
  Inputs in = RandomInputs(9, 4, 2);
  const Result result = Oracle(in);
  for (int64_t t = 0; t < in.tokens; ++t) {
    for (int64_t e = 0; e < in.experts; ++e) {
      Inputs moved = in;
      moved.probabilities[t * in.experts + e] += 1;
      const double slope =
          in.weight * (Oracle(moved).losses[0] - result.losses[0]);
      EXPECT_NEAR(slope, in.valid[t] * result.gradient[e], 1e-14);
    }
  }
}

TEST(BalanceLossTest, GivesTheSameBitsOnAnyNumberOfThreads) {
  const Inputs in = RandomInputs(1001, 24, 3);
  GuardedDevice one(1);
  const Result result = Compute(one, in);
  for (const int threads : {2, 3}) {
    CpuDevice device(threads);
    const Result other = Compute(device, in);
    EXPECT_EQ(other.losses, result.losses);
    EXPECT_EQ(other.gradient, result.gradient);
  }
}

}  // namespace
}  // namespace switchyard::kernels
