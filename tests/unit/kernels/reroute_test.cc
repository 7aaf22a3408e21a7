// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/reroute.h"

#include <cmath>
#include <vector>

#include "gtest/gtest.h"
#include "switchyard/base/cpu/cpu_device.h"
#include "switchyard/tests/support/compare.h"
#include "switchyard/tests/support/test_tensor.h"

namespace switchyard::kernels {
namespace {

using switchyard::testing::AllEqual;
using switchyard::testing::AllNear;
using switchyard::testing::Layout;
using switchyard::testing::TestTensor;

using Values = std::vector<double>;

TEST(NextExpertsTest, AreTheBestThatWereNotChosen) {
  CpuDevice device(2);
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

Values Gates(const Values& p, const Values& chosen, const Values& gates,
             const Values& experts, bool normalize, float scaling) {
  CpuDevice device;
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
