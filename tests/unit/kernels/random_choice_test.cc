// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Experts that are drawn, and experts that choose tokens, against their
// formulas: kernels/{hash_router,expert_choice}.h.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>
#include <vector>

#include "gtest/gtest.h"
#include "switchyard/base/cpu/cpu_device.h"
#include "switchyard/base/philox.h"
#include "switchyard/kernels/expert_choice.h"
#include "switchyard/kernels/hash_router.h"
#include "switchyard/kernels/no_expert.h"
#include "switchyard/tests/support/any_device.h"
#include "switchyard/tests/support/compare.h"
#include "switchyard/tests/support/random_values.h"
#include "switchyard/tests/support/test_tensor.h"

namespace switchyard::kernels {
namespace {

using switchyard::testing::AllEqual;
using switchyard::testing::AnyDevice;
using switchyard::testing::Layout;
using switchyard::testing::RandomValues;
using switchyard::testing::TestTensor;

using Values = std::vector<double>;

constexpr DType kFloat = DType::kFloat32;
constexpr uint64_t kKey = 0x123456789abcdef0;

TEST(HashRouterTest, EveryIdHasItsDistinctExperts) {
  constexpr int64_t kExperts = 70, kIds = 1000;
  for (const int64_t k : {int64_t{1}, int64_t{3}, int64_t{40}, kExperts}) {
    AnyDevice device;
    const auto stream = device.NewStream();
    Values ids, experts, probabilities;
    std::vector<int64_t> loads(kExperts);
    for (int64_t t = 0; t < 2 * kIds; ++t) {
      // Each twice; some are negative, for which the formula has 2^32 + id.
      const int64_t id = t % kIds * 1234567 - 10 * 1234567;
      ids.push_back(static_cast<double>(id));
      std::vector<int64_t> left(kExperts);
      std::iota(left.begin(), left.end(), 0);
      Values row(kExperts, 0.0);
      for (int64_t j = 0; j < k; ++j) {
        const uint64_t word = Philox4x32(
            kKey, {static_cast<uint32_t>(id), static_cast<uint32_t>(j / 4),
                   0x68617368, 0})[j % 4];
        const auto chosen =
            left.begin() + static_cast<int64_t>(word * left.size() >> 32);
        experts.push_back(static_cast<double>(*chosen));
        row[*chosen] = static_cast<float>(1.0 / static_cast<double>(k));
        ++loads[*chosen];
        left.erase(chosen);
      }
      probabilities.insert(probabilities.end(), row.begin(), row.end());
    }
    const Layout layout = k == 3 ? Layout::Strided(3, 1) : Layout();
    const TestTensor id_tensor(device, DType::kInt32, {2 * kIds}, ids);
    TestTensor p(device, kFloat, {2 * kIds, kExperts}, layout);
    TestTensor logsumexp(device, kFloat, {2 * kIds});
    TestTensor chosen(device, DType::kInt32, {2 * kIds, k}, layout);
    TestTensor gates(device, kFloat, {2 * kIds, k}, layout);
    HashRouter(*stream, {id_tensor, kKey, p, logsumexp, chosen, gates});
    stream->Wait();
    EXPECT_TRUE(AllEqual(chosen.Read(), experts));
    EXPECT_TRUE(AllEqual(p.Read(), probabilities));
    EXPECT_TRUE(AllEqual(
        gates.Read(), Values(2 * kIds * k, static_cast<float>(
                                               1.0 / static_cast<double>(k)))));
    EXPECT_TRUE(AllEqual(logsumexp.Read(), Values(2 * kIds, 0.0)));
    EXPECT_GT(*std::min_element(loads.begin(), loads.end()), 0);
  }
}

// What experts take, by sorting all tokens.
struct Taken {
  Values experts, gates;
};

Taken TakeByHand(const Values& p, const Values& valid, int64_t experts,
                 int64_t rows, double scaling) {
  const int64_t tokens = static_cast<int64_t>(valid.size());
  std::vector<std::set<int64_t>> takers(tokens);
  const auto score = [&](int64_t t, int64_t e) {
    const double value = p[t * experts + e];
    return std::isnan(value) ? -1.0 : value;
  };
  for (int64_t e = 0; e < experts; ++e) {
    std::vector<int64_t> order;
    for (int64_t t = 0; t < tokens; ++t) {
      if (valid[t] != 0) order.push_back(t);
    }
    std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
      return score(a, e) > score(b, e);
    });
    if (static_cast<int64_t>(order.size()) > rows) order.resize(rows);
    for (const int64_t t : order) takers[t].insert(e);
  }
  Taken taken;
  for (int64_t t = 0; t < tokens; ++t) {
    std::vector<int64_t> row(takers[t].begin(), takers[t].end());
    std::stable_sort(row.begin(), row.end(), [&](int64_t a, int64_t b) {
      return score(t, a) > score(t, b);
    });
    for (int64_t j = 0; j < experts; ++j) {
      const bool there = j < static_cast<int64_t>(row.size());
      taken.experts.push_back(there ? static_cast<double>(row[j])
                                    : double{kNoExpert});
      taken.gates.push_back(there ? scaling * p[t * experts + row[j]] : 0.0);
    }
  }
  return taken;
}

TEST(ExpertChoiceTest, EachTakesItsBestTokens) {
  struct Size {
    int64_t tokens, experts, rows;
  };
  for (const Size& size :
       {Size{0, 5, 3}, Size{1, 1, 1}, Size{90, 1, 1}, Size{90, 5, 17},
        Size{90, 8, 0}, Size{90, 8, 200},  // more than there are
        Size{31, 33, 9}, Size{1000, 40, 300}}) {
    Values p;
    for (const double x : RandomValues(7, size.tokens * size.experts)) {
      p.push_back(std::round(std::abs(x) * 8.0) / 8.0);  // many ties
    }
    Values valid(size.tokens, 1.0);
    for (int64_t t = 3; t < size.tokens; t += 7) valid[t] = 0.0;
    const Taken expected = TakeByHand(p, valid, size.experts, size.rows, 0.5);
    const Shape shape = {size.tokens, size.experts};
    for (const int threads : {1, 2}) {
      for (const Layout layout : {Layout(), Layout::Strided(3, 1)}) {
        AnyDevice device(threads);
        const auto stream = device.NewStream();
        const TestTensor scores(device, kFloat, shape, p, layout);
        const TestTensor marks(device, DType::kUInt8, {size.tokens}, valid);
        TestTensor chosen(device, DType::kInt32, shape, layout);
        TestTensor gates(device, kFloat, shape, layout);
        ExpertChoice(*stream, {scores, marks, size.rows, 0.5f, chosen, gates});
        stream->Wait();
        EXPECT_TRUE(AllEqual(chosen.Read(), expected.experts));
        EXPECT_TRUE(AllEqual(gates.Read(), expected.gates));
      }
    }
  }
}

TEST(ExpertChoiceTest, NaNComesLast) {
  AnyDevice device;
  const auto stream = device.NewStream();
  const TestTensor p(device, kFloat, {3, 1},
                     {std::numeric_limits<double>::quiet_NaN(), 0.0, 0.5});
  const TestTensor valid(device, DType::kUInt8, {3}, {1.0, 1.0, 1.0});
  TestTensor chosen(device, DType::kInt32, {3, 1});
  TestTensor gates(device, kFloat, {3, 1});
  ExpertChoice(*stream, {p, valid, 2, 1.0f, chosen, gates});
  stream->Wait();
  EXPECT_TRUE(AllEqual(chosen.Read(), {double{kNoExpert}, 0.0, 0.0}));
  EXPECT_TRUE(AllEqual(gates.Read(), {0.0, 0.0, 0.5}));
}

}  // namespace
}  // namespace switchyard::kernels
