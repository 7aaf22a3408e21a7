// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/reroute.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "gtest/gtest.h"
#include "switchyard/tests/support/any_device.h"
#include "switchyard/tests/support/compare.h"
#include "switchyard/tests/support/random_values.h"
#include "switchyard/tests/support/test_tensor.h"

namespace switchyard::kernels {
namespace {

using switchyard::testing::AllEqual;
using switchyard::testing::AllNear;
using switchyard::testing::AnyDevice;
using switchyard::testing::Layout;
using switchyard::testing::RandomIntegers;
using switchyard::testing::RandomValues;
using switchyard::testing::TestTensor;

using Values = std::vector<double>;

TEST(NextExpertsTest, AreTheBestThatWereNotChosen) {
  AnyDevice device(2);
  const auto stream = device.NewStream();
  const double nan = std::nan("");
  for (const Layout layout : {Layout(), Layout::Strided(2, 1)}) {
    TestTensor p(device, DType::kFloat32, {4, 4},
                 {.1, .2, .3, .4,      //
                  .25, .25, .25, .25,  // a tie goes to the lower
                  nan, .5, nan, 0,     // NaN comes last
                  .4, .3, .2, .1},     // a choice that is none
                 layout);
    TestTensor chosen(device, DType::kInt32, {4, 2}, {3, 2, 0, 1, 1, 3, -1, 1},
                      layout);
    TestTensor next(device, DType::kInt32, {4, 2}, layout);
    NextExperts(*stream, {p, chosen, next});
    stream->Wait();
    EXPECT_TRUE(AllEqual(next.Read(), {1, 0, 2, 3, 0, 2, 0, 2}));
  }
}

TEST(NextExpertsTest, AgreeWithSorting) {
  AnyDevice device(2);
  const auto stream = device.NewStream();
  for (const int64_t tokens : {0, 1, 33}) {
    for (const int64_t experts : {5, 32, 100}) {
      const int64_t k = 3, tries = experts == 5 ? 2 : 34 % (experts - k);
      Values p = RandomIntegers(1, tokens * experts, 0, 40);  // many ties
      for (double& value : p) value /= 64;
      Values chosen, expected;
      for (int64_t t = 0; t < tokens; ++t) {
        std::vector<int64_t> left(experts);
        std::iota(left.begin(), left.end(), 0);
        for (int64_t j = 0; j < k; ++j) {
          const int64_t at =
              (t * 7 + j * 3) % static_cast<int64_t>(left.size());
          chosen.push_back(static_cast<double>(left[at]));
          left.erase(left.begin() + at);
        }
        std::stable_sort(left.begin(), left.end(), [&](int64_t a, int64_t b) {
          return p[t * experts + a] > p[t * experts + b];
        });
        expected.insert(expected.end(), left.begin(), left.begin() + tries);
      }
      TestTensor all(device, DType::kFloat32, {tokens, experts}, p);
      TestTensor chosen_tensor(device, DType::kInt32, {tokens, k}, chosen);
      TestTensor next(device, DType::kInt32, {tokens, tries});
      NextExperts(*stream, {all, chosen_tensor, next});
      stream->Wait();
      EXPECT_TRUE(AllEqual(next.Read(), expected)) << experts;
    }
  }
}

TEST(ReroutedGatesTest, AgreeWithDoubles) {
  AnyDevice device(2);
  const auto stream = device.NewStream();
  const int64_t experts = 40, k = 3;
  for (const int64_t tokens : {0, 1, 31, 32, 33, 1001}) {
    const Values p = RandomValues(3, tokens * experts, 0.01, 1);
    const Values router = RandomValues(4, tokens * k);
    const Values chosen = RandomIntegers(5, tokens * k, -1, experts - 1);
    Values now = chosen, expected = router;
    for (int64_t t = 1; t < tokens; t += 2) {
      now[t * k + 1] = static_cast<double>((t * 11) % experts);
      Values one(k, 0.0);
      double sum = 0;
      for (int64_t j = 0; j < k; ++j) {
        const int64_t e = static_cast<int64_t>(now[t * k + j]);
        if (e >= 0) one[j] = p[t * experts + e];
        sum += one[j];
      }
      const auto row = now.begin() + t * k;
      if (std::equal(row, row + k, chosen.begin() + t * k)) continue;
      for (int64_t j = 0; j < k; ++j) expected[t * k + j] = 2 * one[j] / sum;
    }
    const Shape shape = {tokens, k};
    for (const Layout layout : {Layout(), Layout::Strided(2, 1)}) {
      TestTensor all(device, DType::kFloat32, {tokens, experts}, p, layout);
      TestTensor old(device, DType::kInt32, shape, chosen, layout);
      TestTensor old_gates(device, DType::kFloat32, shape, router, layout);
      TestTensor experts_now(device, DType::kInt32, shape, now, layout);
      TestTensor gates(device, DType::kFloat32, shape, layout);
      ReroutedGates(*stream,
                    {all, old, old_gates, experts_now, true, 2.0f, gates});
      stream->Wait();
      // A sum of three numbers, a quotient and a product.
      EXPECT_TRUE(AllNear(gates.Read(), expected, 0, 6 * 0x1p-24));
    }
  }
}

Values Gates(const Values& p, const Values& chosen, const Values& gates,
             const Values& experts, bool normalize, float scaling) {
  AnyDevice device;
  const auto stream = device.NewStream();
  const int64_t tokens = 2, width = 4;
  const int64_t k = static_cast<int64_t>(chosen.size()) / tokens;
  TestTensor probabilities(device, DType::kFloat32, {tokens, width}, p);
  TestTensor old(device, DType::kInt32, {tokens, k}, chosen);
  TestTensor old_gates(device, DType::kFloat32, {tokens, k}, gates);
  TestTensor now(device, DType::kInt32, {tokens, k}, experts);
  TestTensor out(device, DType::kFloat32, {tokens, k});
  ReroutedGates(*stream,
                {probabilities, old, old_gates, now, normalize, scaling, out});
  stream->Wait();
  return out.Read();
}

TEST(ReroutedGatesTest, FollowTheRuleOfTheRouter) {
  const Values p = {.5, .25, .125, .125, .5, .25, .125, .125};
  const Values chosen = {0, 1, 0, 1};
  const Values router = {7, 8, 9, 10};  // kept as they are
  // The second token's expert 1 became expert 2.
  EXPECT_TRUE(AllNear(Gates(p, chosen, router, {0, 1, 0, 2}, true, 1),
                      {7, 8, .8, .2}, 1e-6, 0));
  EXPECT_TRUE(AllEqual(Gates(p, chosen, router, {0, 1, 0, 2}, false, 1),
                       {7, 8, .5, .125}));
  EXPECT_TRUE(AllEqual(Gates(p, chosen, router, {0, 1, 3, 1}, false, 2),
                       {7, 8, .25, .5}));
  // What is no assignment has no gate.
  EXPECT_TRUE(AllEqual(Gates(p, {0, 1, 0, -1}, router, {0, 1, 2, -1}, true, 1),
                       {7, 8, 1, 0}));
}

// Divided by itself it would leave the router without a gradient.
TEST(ReroutedGatesTest, ASingleChoiceIsNotDivided) {
  const Values p = {.5, .25, .125, .125, .5, .25, .125, .125};
  EXPECT_TRUE(AllEqual(Gates(p, {0, 0}, {7, 8}, {0, 1}, true, 2), {7, .5}));
}

}  // namespace
}  // namespace switchyard::kernels
