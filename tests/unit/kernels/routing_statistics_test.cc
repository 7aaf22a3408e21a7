// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/routing_statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <vector>

#include "gtest/gtest.h"
#include "switchyard/base/cpu/cpu_device.h"
#include "switchyard/base/guarded/guarded_device.h"
#include "switchyard/tests/support/any_device.h"
#include "switchyard/tests/support/compare.h"
#include "switchyard/tests/support/random_values.h"
#include "switchyard/tests/support/test_tensor.h"

namespace switchyard::kernels {
namespace {

using switchyard::testing::AllEqual;
using switchyard::testing::AnyDevice;
using switchyard::testing::Layout;
using switchyard::testing::RandomIntegers;
using switchyard::testing::RandomValues;
using switchyard::testing::TestTensor;

using Values = std::vector<double>;

struct Inputs {
  int64_t tokens, experts, k, sequence_length;
  Values probabilities, chosen, valid;
};

struct Result {
  double entropy = 0;
  Values pairs{0, 0, 0};
};

Result Compute(Device& device, const Inputs& in, Layout layout = {}) {
  const auto stream = device.NewStream();
  TestTensor probabilities(device, DType::kFloat32, {in.tokens, in.experts},
                           in.probabilities, layout);
  TestTensor chosen(device, DType::kInt32, {in.tokens, in.k}, in.chosen,
                    layout);
  TestTensor valid(device, DType::kUInt8, {in.tokens}, in.valid);
  TestTensor entropy(device, DType::kFloat64, {1});
  TestTensor pairs(device, DType::kInt64, {3}, {100, 200, 300});
  RoutingStatistics(*stream, {probabilities, chosen, valid, in.sequence_length,
                              entropy, pairs});
  stream->Wait();
  const Values counts = pairs.Read();  // added to what was there
  return {entropy.Read()[0],
          {counts[0] - 100, counts[1] - 200, counts[2] - 300}};
}

Result Oracle(const Inputs& in) {
  Result result;
  for (int64_t t = 0; t < in.tokens; ++t) {
    if (in.valid[t] == 0) continue;
    double sum = 0, entropy = 0;
    for (int64_t e = 0; e < in.experts; ++e) {
      sum += in.probabilities[t * in.experts + e];
    }
    for (int64_t e = 0; e < in.experts; ++e) {
      const double q = in.probabilities[t * in.experts + e] / sum;
      if (q > 0) entropy -= q * std::log(q);
    }
    result.entropy += entropy;
    if (t % in.sequence_length == 0 || in.valid[t - 1] == 0) continue;
    const double* now = in.chosen.data() + t * in.k;
    const double* then = now - in.k;
    if (now[0] < 0 || then[0] < 0) continue;
    const int64_t looked_at = std::min<int64_t>(in.k, 2);
    std::set<double> both;
    int64_t there = 0;
    for (int64_t j = 0; j < looked_at; ++j) {
      for (const double expert : {now[j], then[j]}) {
        if (expert < 0) continue;
        both.insert(expert);
        ++there;
      }
    }
    result.pairs[0] += 1;
    result.pairs[1] += now[0] == then[0];
    result.pairs[2] += static_cast<int64_t>(both.size()) < there;
  }
  return result;
}

// Distinct choices, uniformly at random.
Values RandomChoices(uint64_t seed, int64_t tokens, int64_t experts,
                     int64_t k) {
  Values chosen;
  const Values draws = RandomIntegers(seed, tokens * k, 0, (1 << 30) - 1);
  for (int64_t t = 0; t < tokens; ++t) {
    Values left;
    for (int64_t e = 0; e < experts; ++e) left.push_back(double(e));
    for (int64_t j = 0; j < k; ++j) {
      const int64_t at = static_cast<int64_t>(draws[t * k + j]) %
                         static_cast<int64_t>(left.size());
      chosen.push_back(left[at]);
      left.erase(left.begin() + at);
    }
  }
  return chosen;
}

Inputs RandomInputs(int64_t tokens, int64_t experts, int64_t k,
                    int64_t sequence_length) {
  return {tokens,
          experts,
          k,
          sequence_length,
          RandomValues(1, tokens * experts, 0, 1),
          RandomChoices(2, tokens, experts, k),
          RandomIntegers(3, tokens, 0, 3)};
}

TEST(RoutingStatisticsTest, AgreesWithDoubles) {
  AnyDevice device(2);
  for (const int64_t sequences : {0, 1, 7, 40}) {
    for (const int64_t experts : {1, 3, 8, 13, 64, 100}) {
      for (const int64_t k : {1, 2, 4}) {
        if (k > experts) continue;
        for (const Layout layout : {Layout(), Layout::Strided(3, 1)}) {
          Inputs in = RandomInputs(sequences * 17, experts, k, 17);
          for (double& valid : in.valid) valid = valid > 0;
          const Result actual = Compute(device, in, layout);
          const Result expected = Oracle(in);
          // Of each token: sums of up to 100 fp32 numbers and their logarithms,
          // of magnitude ln 100 in all.
          const double tokens = static_cast<double>(in.tokens);
          EXPECT_NEAR(actual.entropy, expected.entropy, tokens * 4e-6);
          EXPECT_TRUE(AllEqual(actual.pairs, expected.pairs))
              << experts << " " << k;
        }
      }
    }
  }
}

TEST(RoutingStatisticsTest, EntropyIsLogOfTheExpertsWhereNothingIsKnown) {
  AnyDevice device;
  const Inputs in{2, 8, 1, 1, Values(16, 0.125), {0, 0}, {1, 1}};
  EXPECT_NEAR(Compute(device, in).entropy, 2 * std::log(8.0), 1e-6);
}

TEST(RoutingStatisticsTest, EntropyIsZeroWhereOneTakesAll) {
  AnyDevice device;
  const Inputs in{2, 3, 1, 1, {0, 1, 0, 1, 0, 0}, {1, 0}, {1, 1}};
  EXPECT_EQ(Compute(device, in).entropy, 0.0);
}

TEST(RoutingStatisticsTest, ScoresAreDividedByTheirSum) {
  AnyDevice device;
  const Inputs one{1, 3, 1, 1, {0.5, 0.25, 0.25}, {0}, {1}};
  const Inputs twice{1, 3, 1, 1, {1, 0.5, 0.5}, {0}, {1}};
  EXPECT_NEAR(Compute(device, one).entropy, 1.5 * std::log(2.0), 1e-6);
  EXPECT_NEAR(Compute(device, twice).entropy, 1.5 * std::log(2.0), 1e-6);
}

TEST(RoutingStatisticsTest, NaNIsSeen) {
  AnyDevice device;
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const Inputs in{1, 3, 1, 1, {0.5, nan, 0.25}, {0}, {1}};
  EXPECT_TRUE(std::isnan(Compute(device, in).entropy));
}

TEST(RoutingStatisticsTest, PairsEndWithTheirSequenceAndAtPadding) {
  AnyDevice device;
  // Two sequences of 4: the pairs are (0,1), (1,2), (2,3), (4,5); 6 is padding.
  Inputs in{8, 4, 2, 4, Values(32, 0.25), {}, {1, 1, 1, 1, 1, 1, 0, 1}};
  in.chosen = {0, 1, 0, 2, 2, 3, 3, 1, 3, 1, 0, 2, 0, 2, 0, 2};
  EXPECT_TRUE(AllEqual(Compute(device, in).pairs, {4, 1, 3}));
}

TEST(RoutingStatisticsTest, ATokenWithoutAChoiceIsInNoPair) {
  AnyDevice device;
  const Inputs in{
      4, 4, 2, 4, Values(16, 0.25), {0, -1, 0, -1, -1, -1, 0, 1}, {1, 1, 1, 1}};
  EXPECT_TRUE(AllEqual(Compute(device, in).pairs, {1, 1, 1}));
}

// Invariant A17: Mixtral (2401.04088), table 5, gives what chance would, 12.5 %
// and 46.4 %.
TEST(RoutingStatisticsTest,
     AUniformRouterRepeatsAnEighthFirstAndFortySixPercentFirstOrSecond) {
  AnyDevice device(2);
  const int64_t tokens = 64 * 2048;
  // Standard deviations of 0.09 % and 0.14 %.
  const Inputs in{tokens,
                  8,
                  2,
                  2048,
                  Values(tokens * 8, 0.125),
                  RandomChoices(5, tokens, 8, 2),
                  Values(tokens, 1)};
  const Values pairs = Compute(device, in).pairs;
  EXPECT_EQ(pairs[0], 64 * 2047);
  EXPECT_NEAR(100 * pairs[1] / pairs[0], 12.5, 0.5);
  EXPECT_NEAR(100 * pairs[2] / pairs[0], 100 * (1 - 15.0 / 28), 1.0);
}

TEST(ValueRangeTest, IsTheSmallestAndTheLargest) {
  AnyDevice device;
  const auto stream = device.NewStream();
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const Values many = RandomValues(4, 1001);
  const struct {
    Values values, range;
  } cases[] = {
      {{-0.5}, {-0.5, -0.5}},
      {{0, 0.25, -1, 0.125}, {-1, 0.25}},
      {{3, 2, 1}, {1, 3}},
      {many,
       {*std::min_element(many.begin(), many.end()),
        *std::max_element(many.begin(), many.end())}},
  };
  for (const auto& item : cases) {
    TestTensor values(device, DType::kFloat32,
                      {static_cast<int64_t>(item.values.size())}, item.values);
    TestTensor range(device, DType::kFloat32, {2});
    ValueRange(*stream, {values, range});
    stream->Wait();
    EXPECT_EQ(range.Read(), item.range);
  }
  for (const Values& with_nan : {Values{nan, 1, 2}, {1, nan, 2}, {1, 2, nan}}) {
    TestTensor values(device, DType::kFloat32, {3}, with_nan);
    TestTensor range(device, DType::kFloat32, {2});
    ValueRange(*stream, {values, range});
    stream->Wait();
    EXPECT_TRUE(std::isnan(range.Read()[0]) && std::isnan(range.Read()[1]));
  }
}

TEST(RoutingStatisticsTest, GivesTheSameBitsOnAnyNumberOfThreads) {
  SWITCHYARD_CPU_ONLY();
  Inputs in = RandomInputs(1001, 24, 3, 7);
  for (double& valid : in.valid) valid = valid > 0;
  GuardedDevice one(1);
  const Result result = Compute(one, in);
  for (const int threads : {2, 3}) {
    CpuDevice device(threads);
    const Result other = Compute(device, in);
    EXPECT_EQ(other.entropy, result.entropy);
    EXPECT_EQ(other.pairs, result.pairs);
  }
}

}  // namespace
}  // namespace switchyard::kernels
