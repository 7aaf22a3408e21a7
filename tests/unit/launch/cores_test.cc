// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/launch/cores.h"

#include <sched.h>

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "switchyard/comm/self/self_communicator.h"

namespace switchyard::launch {
namespace {

using ::testing::HasSubstr;

TEST(Cores, AreSharedByTheRanksThatMayUseThem) {
  // Four unbound ranks on a node of 8 cores; on another two that are bound to a
  // core each.
  const std::vector<RankCores> ranks = {{0, 11, 8}, {0, 11, 8}, {0, 11, 8},
                                        {0, 11, 8}, {1, 1, 1},  {1, 2, 1}};
  EXPECT_EQ(ShareOfCores(ranks, 0), 2);
  EXPECT_EQ(ShareOfCores(ranks, 3), 2);
  EXPECT_EQ(ShareOfCores(ranks, 4), 1);
  EXPECT_EQ(ShareOfCores({{0, 3, 2}, {0, 3, 2}, {0, 3, 2}}, 1), 1);
  // The same cores on another node are others.
  EXPECT_EQ(ShareOfCores({{0, 3, 2}, {1, 3, 2}}, 0), 2);
}

TEST(Cores, WarnsWhenARankHasMoreThreadsThanCores) {
  const std::vector<RankCores> ranks = {{0, 1, 4}, {0, 2, 1}};
  EXPECT_EQ(WarnAboutBinding(ranks, 1), "");
  EXPECT_THAT(WarnAboutBinding(ranks, 2),
              HasSubstr("rank 1 has 2 threads but may use 1 core;"));
  EXPECT_THAT(WarnAboutBinding(ranks, 5), HasSubstr("rank 0 has 5 threads"));
}

TEST(Cores, CountsThoseOfThisProcess) {
  cpu_set_t before, one;
  ASSERT_EQ(sched_getaffinity(0, sizeof(before), &before), 0);
  const auto world = comm::NewSelfCommunicator();
  const auto all = GatherCores(*world);
  ASSERT_TRUE(all.ok()) << all.status();
  ASSERT_EQ(all->size(), 1u);
  EXPECT_EQ((*all)[0].count, CPU_COUNT(&before));
  int core = 0;
  while (!CPU_ISSET(core, &before)) ++core;
  CPU_ZERO(&one);
  CPU_SET(core, &one);
  ASSERT_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
  const auto bound = GatherCores(*world);
  ASSERT_EQ(sched_setaffinity(0, sizeof(before), &before), 0);
  EXPECT_EQ((*bound)[0].count, 1);
  EXPECT_EQ((*bound)[0].mask == (*all)[0].mask, CPU_COUNT(&before) == 1);
}

}  // namespace
}  // namespace switchyard::launch
