// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Places under a capacity: scopes, orders of priority, rerouting, and what is
// counted (Positions, PriorityOrder).
#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "gtest/gtest.h"
#include "switchyard/base/guarded/guarded_device.h"
#include "switchyard/kernels/positions.h"
#include "switchyard/kernels/priority_order.h"
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

struct Problem {
  int64_t tokens = 0, choices = 0, experts = 0;
  Values chosen;  // [tokens, choices], -1: none
  Values valid;   // [tokens]
  int64_t capacity = 0, scope = 0;
  Values order;  // [tokens] or empty
  int64_t tries = 0;
  Values next;  // [tokens, tries]
};

struct Places {
  Values positions, placed, assigned, kept, over, rerouted, lost;
};

// Token by token as one would on paper: a queue of (token, choice) for each
// round, in a set of free places.
Places Oracle(const Problem& p) {
  const int64_t k = p.choices;
  Places out;
  out.placed = p.chosen;
  out.positions.assign(p.tokens * k, -2);
  for (Values* counts :
       {&out.assigned, &out.kept, &out.over, &out.rerouted, &out.lost}) {
    counts->assign(p.experts, 0);
  }
  const int64_t scope = p.scope == 0 ? p.tokens : p.scope;
  for (int64_t begin = 0; begin < p.tokens; begin += scope) {
    std::vector<int64_t> queue(scope);
    std::iota(queue.begin(), queue.end(), begin);
    if (!p.order.empty()) {
      std::copy_n(p.order.begin() + begin, scope, queue.begin());
    }
    std::vector<int64_t> room(p.experts,
                              p.capacity == 0 ? p.tokens * k : p.capacity);
    const auto take = [&](int64_t expert) {
      if (room[expert] == 0) return false;
      --room[expert];
      return true;
    };
    for (int64_t j = 0; j < k; ++j) {
      for (int64_t t : queue) {
        const int64_t e = static_cast<int64_t>(p.chosen[t * k + j]);
        if (p.valid[t] == 0 || e < 0) continue;
        ++out.assigned[e];
        const bool found = take(e);
        out.positions[t * k + j] = found ? 0 : -1;
        out.over[e] += found ? 0 : 1;
      }
    }
    for (int64_t r = 0; r < p.tries; ++r) {
      for (int64_t t : queue) {
        for (int64_t j = 0; j < k; ++j) {
          if (out.positions[t * k + j] != -1) continue;
          const int64_t e = static_cast<int64_t>(p.next[t * p.tries + r]);
          if (take(e)) {
            out.positions[t * k + j] = 0;
            out.placed[t * k + j] = static_cast<double>(e);
            ++out.rerouted[static_cast<size_t>(p.chosen[t * k + j])];
          }
          break;
        }
      }
    }
  }
  for (int64_t t = 0; t < p.tokens; ++t) {
    int64_t first_lost = -1;
    bool any = false;
    for (int64_t j = 0; j < k; ++j) {
      double& position = out.positions[t * k + j];
      if (position == -1 && first_lost < 0) first_lost = j;
      if (position != 0) continue;
      any = true;
      position = out.kept[static_cast<size_t>(out.placed[t * k + j])]++;
    }
    if (!any && first_lost >= 0) {
      ++out.lost[static_cast<size_t>(p.chosen[t * k + first_lost])];
    }
  }
  return out;
}

Places PlaceAll(Device& device, const Problem& p, Layout layout = {}) {
  const auto stream = device.NewStream();
  const Shape shape = {p.tokens, p.choices};
  TestTensor experts(device, DType::kInt32, shape, p.chosen, layout);
  TestTensor valid(device, DType::kUInt8, {p.tokens}, p.valid);
  TestTensor positions(device, DType::kInt32, shape, layout);
  TestTensor placed(device, DType::kInt32, shape, layout);
  TestTensor assigned(device, DType::kInt32, {p.experts});
  TestTensor kept(device, DType::kInt32, {p.experts});
  TestTensor overflow(device, DType::kInt32, {kOverflowCounts, p.experts});
  TestTensor order(device, DType::kInt32,
                   {static_cast<int64_t>(p.order.size())}, p.order);
  TestTensor next(device, DType::kInt32, {p.tokens, p.tries}, p.next);
  PositionsArgs args{experts, valid, p.capacity, positions, assigned, kept};
  args.scope_tokens = p.scope;
  if (!p.order.empty()) args.order = order;
  if (p.tries > 0) {
    args.next_experts = next;
    args.placed = placed;
  }
  args.overflow = overflow;
  Positions(*stream, args);
  stream->Wait();
  Places out;
  out.positions = positions.Read();
  out.placed = p.tries > 0 ? placed.Read() : p.chosen;
  out.assigned = assigned.Read();
  out.kept = kept.Read();
  const Values counts = overflow.Read();
  const auto row = [&](int which) {
    return Values(counts.begin() + which * p.experts,
                  counts.begin() + (which + 1) * p.experts);
  };
  out.over = row(kOverCapacity);
  out.rerouted = row(kRerouted);
  out.lost = row(kLostTokens);
  return out;
}

void ExpectSame(const Places& actual, const Places& expected) {
  EXPECT_TRUE(AllEqual(actual.positions, expected.positions));
  EXPECT_TRUE(AllEqual(actual.placed, expected.placed));
  EXPECT_TRUE(AllEqual(actual.assigned, expected.assigned));
  EXPECT_TRUE(AllEqual(actual.kept, expected.kept));
  EXPECT_TRUE(AllEqual(actual.over, expected.over));
  EXPECT_TRUE(AllEqual(actual.rerouted, expected.rerouted));
  EXPECT_TRUE(AllEqual(actual.lost, expected.lost));
}

// A random permutation of the experts for each token: choices, then where to
// try next; some choices are none, some tokens padding.
Problem RandomProblem(uint64_t seed, int64_t tokens, int64_t choices,
                      int64_t experts, int64_t tries) {
  Problem p{tokens, choices, experts, {}, {}, 0, 0, {}, tries, {}};
  for (int64_t t = 0; t < tokens; ++t) {
    const Values keys = RandomValues(seed + 7 * t, experts);
    std::vector<int64_t> ranked(experts);
    std::iota(ranked.begin(), ranked.end(), 0);
    // Low experts are favoured, so that some overflow.
    std::sort(ranked.begin(), ranked.end(), [&](int64_t a, int64_t b) {
      return keys[a] + 0.3 * a < keys[b] + 0.3 * b;
    });
    for (int64_t j = 0; j < choices + tries; ++j) {
      (j < choices ? p.chosen : p.next)
          .push_back(static_cast<double>(ranked[j]));
    }
  }
  for (double word : RandomIntegers(seed + 1, tokens, 0, 7)) {
    p.valid.push_back(word == 0 ? 0 : 1);
  }
  const Values none = RandomIntegers(seed + 2, tokens * choices, 0, 9);
  for (size_t i = 0; i < none.size(); ++i) {
    if (none[i] == 0) p.chosen[i] = -1;
  }
  return p;
}

Values ShuffledInScopes(uint64_t seed, int64_t tokens, int64_t scope) {
  const Values keys = RandomValues(seed, tokens);
  std::vector<int64_t> order(tokens);
  std::iota(order.begin(), order.end(), 0);
  for (int64_t begin = 0; begin < tokens; begin += scope) {
    std::sort(order.begin() + begin, order.begin() + begin + scope,
              [&](int64_t a, int64_t b) { return keys[a] < keys[b]; });
  }
  return Values(order.begin(), order.end());
}

TEST(PlacementTest, AgreesWithGivingOutPlacesOneByOne) {
  AnyDevice device;
  int64_t rerouted = 0, lost = 0;
  for (const int64_t tokens : {0, 1, 24, 60}) {
    for (const int64_t choices : {1, 2, 4}) {
      for (const int64_t tries : {0, 1, 3}) {
        for (const int64_t capacity : {0, 1, 3, 8}) {
          for (const bool scoped : {false, true}) {
            for (const bool ordered : {false, true}) {
              Problem p = RandomProblem(100 + tokens + choices, tokens, choices,
                                        /*experts=*/8, tries);
              p.capacity = capacity;
              p.scope = scoped && tokens > 1 ? tokens / 3 : 0;
              if (ordered && tokens > 0) {
                p.order = ShuffledInScopes(5, tokens,
                                           p.scope == 0 ? tokens : p.scope);
              }
              const Places expected = Oracle(p);
              ExpectSame(PlaceAll(device, p), expected);
              ExpectSame(PlaceAll(device, p, Layout::Strided(3, 1)), expected);
              for (double count : expected.rerouted) rerouted += count;
              for (double count : expected.lost) lost += count;
            }
          }
        }
      }
    }
  }
  EXPECT_GT(rerouted, 100);
  EXPECT_GT(lost, 100);
}

// So many that a device cuts them.
TEST(PlacementTest, AgreesForThousandsOfTokens) {
  AnyDevice device;
  for (const int64_t scope : {0, 1500}) {
    Problem p = RandomProblem(17, 3000, /*choices=*/2, /*experts=*/8,
                              /*tries=*/3);
    p.capacity = scope == 0 ? 700 : 350;
    p.scope = scope;
    p.order = ShuffledInScopes(6, 3000, scope == 0 ? 3000 : scope);
    const Places expected = Oracle(p);
    EXPECT_GT(expected.rerouted[0], 100);
    ExpectSame(PlaceAll(device, p), expected);
  }
}

TEST(PlacementTest, EverySequenceHasACapacityOfItsOwn) {
  AnyDevice device;
  Problem p{4, 1, 2, {0, 0, 0, 0}, {1, 1, 1, 1}, 1, 0, {}, 0, {}};
  EXPECT_TRUE(AllEqual(PlaceAll(device, p).positions, {0, -1, -1, -1}));
  p.scope = 2;
  EXPECT_TRUE(AllEqual(PlaceAll(device, p).positions, {0, -1, 1, -1}));
}

TEST(PlacementTest, AnOrderDecidesWithinAChoiceButNotWhoIsFirstInASegment) {
  AnyDevice device;
  // Token 2 comes first; expert 0 is the second choice of token 0 only.
  const Problem p{3,         2, 3, {1, 0, 0, 1, 0, 2}, {1, 1, 1}, 1, 0,
                  {2, 1, 0}, 0, {}};
  const Places places = PlaceAll(device, p);
  EXPECT_TRUE(AllEqual(places.positions, {0, -1, -1, -1, 0, 0}));
  EXPECT_TRUE(AllEqual(places.over, {2, 1, 0}));
  EXPECT_TRUE(AllEqual(places.lost, {1, 0, 0})) << "token 1, by its choice 0";
  Problem two = p;
  two.capacity = 2;
  EXPECT_TRUE(AllEqual(PlaceAll(device, two).positions, {0, -1, 0, 1, 1, 0}));
}

TEST(PlacementTest, OverflowGoesRoundByRoundAndEachRoundByPriority) {
  AnyDevice device;
  // All want expert 0. Token 1 and 2 try expert 1 in the first round, where one
  // finds room; token 2 goes on to expert 2.
  Problem p{3, 1, 3, {0, 0, 0}, {1, 1, 1}, 1, 0, {}, 2, {1, 2, 1, 2, 1, 2}};
  const Places places = PlaceAll(device, p);
  EXPECT_TRUE(AllEqual(places.placed, {0, 1, 2}));
  EXPECT_TRUE(AllEqual(places.positions, {0, 0, 0}));
  EXPECT_TRUE(AllEqual(places.assigned, {3, 0, 0}));
  EXPECT_TRUE(AllEqual(places.kept, {1, 1, 1}));
  EXPECT_TRUE(AllEqual(places.over, {2, 0, 0}));
  EXPECT_TRUE(AllEqual(places.rerouted, {2, 0, 0}));
  EXPECT_TRUE(AllEqual(places.lost, {0, 0, 0}));
  p.order = {2, 1, 0};
  EXPECT_TRUE(AllEqual(PlaceAll(device, p).placed, {2, 1, 0}));
}

TEST(PlacementTest, RunsOnTheGuardedDevice) {
  SWITCHYARD_CPU_ONLY();
  GuardedDevice device(2);
  Problem p = RandomProblem(3, 48, 2, 8, 2);
  p.capacity = 5;
  p.scope = 24;
  p.order = ShuffledInScopes(4, 48, 24);
  ExpectSame(PlaceAll(device, p), Oracle(p));
}

Values Order(Device& device, const Values& probabilities, const Values& experts,
             int64_t choices, int64_t scope, Layout layout = {}) {
  const auto stream = device.NewStream();
  const int64_t tokens = static_cast<int64_t>(experts.size()) / choices;
  const int64_t width =
      static_cast<int64_t>(probabilities.size()) / std::max<int64_t>(1, tokens);
  TestTensor p(device, DType::kFloat32, {tokens, width}, probabilities, layout);
  TestTensor e(device, DType::kInt32, {tokens, choices}, experts, layout);
  TestTensor order(device, DType::kInt32, {tokens});
  PriorityOrder(*stream, {p, e, scope, order});
  stream->Wait();
  return order.Read();
}

TEST(PriorityOrderTest, TheSurerOfTheFirstChoiceComesFirstThenTheLowerToken) {
  AnyDevice device;
  const Values p = {.6, .4, .2, .8, .4, .6, .3, .7};
  EXPECT_TRUE(AllEqual(Order(device, p, {0, 1, 1, 0}, 1, 0), {1, 0, 2, 3}));
  // Second choices say nothing.
  EXPECT_TRUE(
      AllEqual(Order(device, p, {0, 1, 1, 0, 1, 0, 0, 1}, 2, 0), {1, 0, 2, 3}));
  EXPECT_TRUE(AllEqual(Order(device, p, {1, 0, 0, 1}, 1, 2), {0, 1, 3, 2}));
}

TEST(PriorityOrderTest, IsAStableSort) {
  AnyDevice device;
  for (const int64_t tokens : {0, 1, 31, 32, 33, 3000}) {
    // Some hundred different ones, of all magnitudes.
    Values p = RandomIntegers(8, 2 * tokens, 0, 99);
    for (double& value : p) value = std::exp2(-value / 3);
    for (double& value : p) value = static_cast<float>(value);
    const Values experts = RandomIntegers(9, tokens, -1, 1);
    const auto first = [&](int64_t t) {
      return experts[t] < 0 ? -1 : p[2 * t + static_cast<int64_t>(experts[t])];
    };
    for (const int64_t scope : {tokens, tokens / 3}) {
      if (tokens > 0 && (scope == 0 || tokens % scope != 0)) continue;
      Values expected(tokens);
      std::iota(expected.begin(), expected.end(), 0);
      for (int64_t begin = 0; begin < tokens; begin += scope) {
        std::stable_sort(expected.begin() + begin,
                         expected.begin() + begin + scope,
                         [&](double a, double b) {
                           return first(static_cast<int64_t>(a)) >
                                  first(static_cast<int64_t>(b));
                         });
      }
      for (const Layout layout : {Layout(), Layout::Strided(3, 1)}) {
        EXPECT_TRUE(
            AllEqual(Order(device, p, experts, 1, scope, layout), expected));
      }
    }
  }
}

TEST(PriorityOrderTest, WithoutAChoiceOrANumberATokenComesLast) {
  AnyDevice device;
  const Values p = {std::nan(""), 1, 0, 1, .5, .5, .5, .5};
  EXPECT_TRUE(AllEqual(Order(device, p, {0, -1, 0, 1}, 1, 0), {2, 3, 0, 1}));
}

TEST(PriorityOrderTest, RunsOnTheGuardedDevice) {
  SWITCHYARD_CPU_ONLY();
  GuardedDevice device;
  const Values p = {std::nan(""), 1, 0, 1, .5, .5, .5, .5};
  EXPECT_TRUE(AllEqual(Order(device, p, {0, -1, 0, 1}, 1, 0), {2, 3, 0, 1}));
}

}  // namespace
}  // namespace switchyard::kernels
