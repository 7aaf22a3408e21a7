// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/survivor_gates.h"

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
using switchyard::testing::SameBits;
using switchyard::testing::TestTensor;

using Values = std::vector<double>;

// Of one token, in double.
Values Survivors(const Values& gates, const Values& experts,
                 const Values& rows) {
  double all = 0, kept = 0;
  for (size_t j = 0; j < gates.size(); ++j) {
    if (experts[j] < 0) continue;
    all += gates[j];
    if (rows[j] >= 0) kept += gates[j];
  }
  Values out;
  for (size_t j = 0; j < gates.size(); ++j) {
    out.push_back(rows[j] >= 0 ? gates[j] * all / kept : 0);
  }
  return out;
}

Values SurvivorsOf(const Values& gates, const Values& experts,
                   const Values& rows, int64_t k, Layout layout = {}) {
  AnyDevice device(2);
  const auto stream = device.NewStream();
  const Shape shape = {static_cast<int64_t>(gates.size()) / k, k};
  TestTensor g(device, DType::kFloat32, shape, gates, layout);
  TestTensor e(device, DType::kInt32, shape, experts, layout);
  TestTensor r(device, DType::kInt32, shape, rows, layout);
  TestTensor out(device, DType::kFloat32, shape, layout);
  SurvivorGates(*stream, {g, e, r, out});
  stream->Wait();
  return out.Read();
}

TEST(SurvivorGatesTest, TakeOverWhatTheDroppedHad) {
  // Normalised gates stay normalised; raw ones keep their sum.
  EXPECT_TRUE(AllEqual(SurvivorsOf({.75, .25}, {0, 1}, {-1, 3}, 2), {0, 1}));
  EXPECT_TRUE(AllNear(SurvivorsOf({.5, .25, .125}, {0, 1, 2}, {4, -1, 5}, 3),
                      {.7, 0, .175}, 1e-7, 0));
  EXPECT_TRUE(AllEqual(SurvivorsOf({.5, .25}, {0, 1}, {-1, -1}, 2), {0, 0}));
  EXPECT_TRUE(AllEqual(SurvivorsOf({0, .25}, {0, 1}, {2, -1}, 2), {0, 0}));
  // What is no assignment was not lost, whatever stands for its gate.
  EXPECT_TRUE(
      AllEqual(SurvivorsOf({.5, .375}, {0, -1}, {1, -1}, 2), {.5, .375}));
}

TEST(SurvivorGatesTest, AgreeWithDoubles) {
  for (const int64_t tokens : {0, 1, 31, 32, 33, 1001}) {
    for (const int64_t k : {1, 2, 17}) {
      const Values gates = RandomValues(6, tokens * k, 0.05, 1);
      Values experts, rows, expected;
      for (double word : RandomIntegers(7, tokens * k, 0, 5)) {
        experts.push_back(word == 0 ? -1 : word);
        rows.push_back(word <= 2 ? -1 : word);
      }
      for (int64_t t = 0; t < tokens; ++t) {
        const auto row = [&](const Values& all) {
          return Values(all.begin() + t * k, all.begin() + (t + 1) * k);
        };
        Values one = Survivors(row(gates), row(experts), row(rows));
        bool lost = false;
        for (int64_t j = 0; j < k; ++j) {
          lost = lost || (row(experts)[j] >= 0 && row(rows)[j] < 0);
        }
        if (!lost) one = row(gates);
        expected.insert(expected.end(), one.begin(), one.end());
      }
      for (const Layout layout : {Layout(), Layout::Strided(1, 3)}) {
        // Two sums of up to 17 numbers, a quotient and a product.
        EXPECT_TRUE(AllNear(SurvivorsOf(gates, experts, rows, k, layout),
                            expected, 0, 36 * 0x1p-24));
      }
    }
  }
}

TEST(SurvivorGatesTest, ATokenThatLostNothingKeepsItsBits) {
  AnyDevice device;
  const auto stream = device.NewStream();
  const Shape shape = {100, 3};
  TestTensor gates(device, DType::kFloat32, shape, RandomValues(1, 300, 0, 1));
  TestTensor experts(device, DType::kInt32, shape, Values(300, 2));
  TestTensor rows(device, DType::kInt32, shape, Values(300, 0));
  TestTensor out(device, DType::kFloat32, shape);
  SurvivorGates(*stream, {gates, experts, rows, out});
  stream->Wait();
  EXPECT_TRUE(SameBits(out, gates));
  TestTensor d(device, DType::kFloat32, shape, RandomValues(2, 300));
  SurvivorGatesBackward(*stream, {gates, experts, rows, d, out});
  stream->Wait();
  EXPECT_TRUE(SameBits(out, d));
}

// Some 500 tokens whose assignments are kept, dropped, or none. Central
// differences in double with a step of 1e-5 are good to 1e-9; fp32 sums of four
// terms, divided by a kept gate of 0.05 at least, to some 2^-24 · 4 / 0.05.
TEST(SurvivorGatesTest, TheGradientIsTheCentralDifference) {
  constexpr int64_t kTokens = 500, kChoices = 4;
  const Values gates = RandomValues(3, kTokens * kChoices, 0.05, 1);
  const Values d = RandomValues(4, kTokens * kChoices);
  Values experts, rows;
  for (double word : RandomIntegers(5, kTokens * kChoices, 0, 5)) {
    experts.push_back(word == 0 ? -1 : word);
    rows.push_back(word <= 2 ? -1 : word);
  }
  AnyDevice device(2);
  const auto stream = device.NewStream();
  const Shape shape = {kTokens, kChoices};
  for (const Layout layout : {Layout(), Layout::Strided(1, 3)}) {
    TestTensor g(device, DType::kFloat32, shape, gates, layout);
    TestTensor e(device, DType::kInt32, shape, experts, layout);
    TestTensor r(device, DType::kInt32, shape, rows, layout);
    // GateGradient gives 0 where there is no row; here it must be ignored.
    TestTensor dsurvivors(device, DType::kFloat32, shape, d, layout);
    TestTensor dgates(device, DType::kFloat32, shape, layout);
    SurvivorGatesBackward(*stream, {g, e, r, dsurvivors, dgates});
    stream->Wait();
    Values expected;
    for (int64_t t = 0; t < kTokens; ++t) {
      const auto row = [&](const Values& all) {
        return Values(all.begin() + t * kChoices,
                      all.begin() + (t + 1) * kChoices);
      };
      bool any = false;
      for (double place : row(rows)) any = any || place >= 0;
      for (int64_t j = 0; j < kChoices; ++j) {
        const auto at = [&](double step) {
          Values moved = row(gates);
          moved[j] += step;
          const Values out = Survivors(moved, row(experts), row(rows));
          double sum = 0;
          for (int64_t i = 0; i < kChoices; ++i) {
            if (row(rows)[i] >= 0) sum += out[i] * d[t * kChoices + i];
          }
          return sum;
        };
        expected.push_back(any ? (at(1e-5) - at(-1e-5)) / 2e-5 : 0);
      }
    }
    Values actual = dgates.Read();
    for (int64_t t = 0; t < kTokens; ++t) {
      // A token that lost nothing passes on what it gets, also for what is no
      // assignment: there GateGradient gives 0.
      for (int64_t j = 0; j < kChoices; ++j) {
        const int64_t i = t * kChoices + j;
        if (experts[i] < 0) expected[i] = actual[i] = 0;
      }
    }
    EXPECT_TRUE(AllNear(actual, expected, 2e-5, 2e-5));
  }
}

}  // namespace
}  // namespace switchyard::kernels
