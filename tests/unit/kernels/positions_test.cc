// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/positions.h"

#include <algorithm>
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
using switchyard::testing::TestTensor;

struct Routing {
  int64_t tokens = 0;
  int64_t choices = 0;
  int64_t experts = 0;
  std::vector<double> chosen;  // [tokens, choices]
  std::vector<double> valid;   // [tokens]
};

// Each token's choices are distinct.
Routing RandomRouting(uint64_t seed, int64_t tokens, int64_t choices,
                      int64_t experts) {
  Routing routing{tokens, choices, experts, {}, {}};
  const std::vector<double> first =
      RandomIntegers(seed, tokens, 0, experts - 1);
  const std::vector<double> step = RandomIntegers(
      seed + 1, tokens, 1, std::max<int64_t>(1, experts / choices));
  for (int64_t t = 0; t < tokens; ++t) {
    for (int64_t j = 0; j < choices; ++j) {
      routing.chosen.push_back(static_cast<int64_t>(first[t] + j * step[t]) %
                               experts);
    }
  }
  for (double word : RandomIntegers(seed + 2, tokens, 0, 7)) {
    routing.valid.push_back(word == 0 ? 0 : 1);
  }
  return routing;
}

struct Places {
  std::vector<double> positions, assigned, kept;
};

// Sorts the assignments by priority, cuts, then numbers what is left by (token,
// choice).
Places Oracle(const Routing& routing, int64_t capacity) {
  Places places;
  places.positions.assign(routing.tokens * routing.choices, -1);
  places.assigned.assign(routing.experts, 0);
  places.kept.assign(routing.experts, 0);
  for (int64_t e = 0; e < routing.experts; ++e) {
    std::vector<int64_t> mine;
    for (int64_t j = 0; j < routing.choices; ++j) {
      for (int64_t t = 0; t < routing.tokens; ++t) {
        const int64_t i = t * routing.choices + j;
        if (routing.valid[t] == 1 && routing.chosen[i] == e) mine.push_back(i);
      }
    }
    places.assigned[e] = static_cast<double>(mine.size());
    if (capacity > 0 && static_cast<int64_t>(mine.size()) > capacity) {
      mine.resize(capacity);
    }
    places.kept[e] = static_cast<double>(mine.size());
    std::sort(mine.begin(), mine.end());
    for (size_t row = 0; row < mine.size(); ++row) {
      places.positions[mine[row]] = static_cast<double>(row);
    }
  }
  for (int64_t t = 0; t < routing.tokens; ++t) {
    if (routing.valid[t] == 1) continue;
    std::fill_n(places.positions.begin() + t * routing.choices, routing.choices,
                -2);
  }
  return places;
}

Places PlaceAll(Device& device, const Routing& routing, int64_t capacity,
                Layout layout = {}) {
  const auto stream = device.NewStream();
  const Shape shape = {routing.tokens, routing.choices};
  TestTensor experts(device, DType::kInt32, shape, routing.chosen, layout);
  TestTensor valid(device, DType::kUInt8, {routing.tokens}, routing.valid);
  TestTensor positions(device, DType::kInt32, shape, layout);
  TestTensor assigned(device, DType::kInt32, {routing.experts});
  TestTensor kept(device, DType::kInt32, {routing.experts});
  Positions(*stream, {experts, valid, capacity, positions, assigned, kept});
  stream->Wait();
  return {positions.Read(), assigned.Read(), kept.Read()};
}

TEST(PositionsTest, AgreesWithSortingAndCutting) {
  AnyDevice device;
  for (const int64_t tokens : {0, 1, 3, 31, 32, 33, 1000}) {
    for (const int64_t experts : {1, 2, 8, 13, 300}) {
      for (const int64_t choices : {1, 2, 8}) {
        if (choices > experts) continue;
        const Routing routing =
            RandomRouting(tokens + experts, tokens, choices, experts);
        for (const int64_t capacity : {0, 1, 7, 40}) {
          const Places expected = Oracle(routing, capacity);
          for (const Layout layout : {Layout(), Layout::Strided(3, 1)}) {
            const Places actual = PlaceAll(device, routing, capacity, layout);
            EXPECT_TRUE(AllEqual(actual.positions, expected.positions));
            EXPECT_TRUE(AllEqual(actual.assigned, expected.assigned));
            EXPECT_TRUE(AllEqual(actual.kept, expected.kept));
          }
        }
      }
    }
  }
}

TEST(PositionsTest, FirstChoicesComeBeforeSecondOnesUnderACapacity) {
  AnyDevice device;
  // Expert 0 is the second choice of token 0 and the first of 1 and 2.
  const Routing routing{3, 2, 2, {1, 0, 0, 1, 0, 1}, {1, 1, 1}};
  const Places two = PlaceAll(device, routing, 2);
  EXPECT_TRUE(AllEqual(two.positions, {0, -1, 0, 1, 1, -1}));
  EXPECT_TRUE(AllEqual(two.assigned, {3, 3}));
  EXPECT_TRUE(AllEqual(two.kept, {2, 2}));
  // Without a limit, rows go by token, whatever the choice.
  const Places all = PlaceAll(device, routing, 0);
  EXPECT_TRUE(AllEqual(all.positions, {0, 0, 1, 1, 2, 2}));
}

TEST(PositionsTest, PaddingTakesNoCapacity) {
  AnyDevice device;
  const Routing routing{4, 1, 2, {0, 0, 0, 1}, {0, 1, 1, 1}};
  const Places places = PlaceAll(device, routing, 1);
  EXPECT_TRUE(AllEqual(places.positions, {-2, 0, -1, 0}));
  EXPECT_TRUE(AllEqual(places.assigned, {2, 1}));
  EXPECT_TRUE(AllEqual(places.kept, {1, 1}));
}

TEST(PositionsTest, NoExpertIsNoAssignment) {
  AnyDevice device;
  const Routing routing{3, 2, 2, {-1, 0, 0, -1, -1, -1}, {1, 1, 1}};
  const Places places = PlaceAll(device, routing, 1);
  EXPECT_TRUE(AllEqual(places.positions, {-2, -1, 0, -2, -2, -2}));
  EXPECT_TRUE(AllEqual(places.assigned, {2, 0}));
  EXPECT_TRUE(AllEqual(places.kept, {1, 0}));
}

TEST(PositionsTest, RunsOnTheGuardedDevice) {
  SWITCHYARD_CPU_ONLY();
  GuardedDevice device(2);
  const Routing routing = RandomRouting(5, 100, 2, 8);
  const Places expected = Oracle(routing, 20);
  EXPECT_TRUE(
      AllEqual(PlaceAll(device, routing, 20).positions, expected.positions));
}

TEST(PositionsDeathTest, AnUnknownExpertIsABug) {
  SWITCHYARD_CPU_ONLY();
  CpuDevice device;
  const Routing routing{1, 1, 2, {2}, {1}};
  EXPECT_DEATH(PlaceAll(device, routing, 0), "expert 2 of 2");
}

TEST(RowIndexTest, AgreesWithTheFormulaForManyTokens) {
  AnyDevice device;
  const auto stream = device.NewStream();
  for (const int64_t tokens : {0, 1, 31, 32, 33, 1001}) {
    const std::vector<double> experts = RandomIntegers(1, 3 * tokens, -1, 6);
    const std::vector<double> positions = RandomIntegers(2, 3 * tokens, -2, 9);
    const std::vector<double> base = RandomIntegers(3, 7, 0, 1000000);
    std::vector<double> expected;
    for (size_t i = 0; i < experts.size(); ++i) {
      const bool none = experts[i] < 0 || positions[i] < 0;
      expected.push_back(
          none ? -1 : base[static_cast<size_t>(experts[i])] + positions[i]);
    }
    TestTensor expert_tensor(device, DType::kInt32, {tokens, 3}, experts);
    TestTensor position_tensor(device, DType::kInt32, {tokens, 3}, positions);
    TestTensor base_tensor(device, DType::kInt32, {7}, base);
    TestTensor rows(device, DType::kInt32, {tokens, 3});
    RowIndex(*stream, {expert_tensor, position_tensor, base_tensor, rows});
    stream->Wait();
    EXPECT_TRUE(AllEqual(rows.Read(), expected));
  }
}

TEST(RowIndexTest, AddsTheBaseOfTheExpert) {
  AnyDevice device;
  const auto stream = device.NewStream();
  for (const Layout layout : {Layout(), Layout::Strided(2, 1)}) {
    TestTensor experts(device, DType::kInt32, {3, 2}, {1, 0, 0, 1, 1, 0},
                       layout);
    TestTensor positions(device, DType::kInt32, {3, 2}, {0, -1, 4, 1, -2, -2},
                         layout);
    TestTensor base(device, DType::kInt32, {2}, {100, 8});
    TestTensor rows(device, DType::kInt32, {3, 2}, layout);
    RowIndex(*stream, {experts, positions, base, rows});
    stream->Wait();
    // Unwritten elements would read -1, so two of the answers are not.
    EXPECT_TRUE(AllEqual(rows.Read(), {8, -1, 104, 9, -1, -1}));
    experts.Write({1, -1, -1, 1, 1, 0});
    RowIndex(*stream, {experts, positions, base, rows});
    stream->Wait();
    EXPECT_TRUE(AllEqual(rows.Read(), {8, -1, -1, 9, -1, -1}));
  }
}

}  // namespace
}  // namespace switchyard::kernels
