// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/comm/node_order.h"

#include "gtest/gtest.h"

namespace switchyard::comm {
namespace {

TEST(NodeOrderTest, NodesAreNumberedByTheirFirstRank) {
  EXPECT_EQ(NumberNodes({"b", "a", "b", "c", "a"}),
            (std::vector<int>{0, 1, 0, 2, 1}));
}

// mpirun --map-by node deals ranks out in turn.
TEST(NodeOrderTest, RanksOfANodeComeTogetherInTheirOldOrder) {
  EXPECT_EQ(OrderByNode(NumberNodes({"x", "y", "x", "y", "x"})),
            (std::vector<int>{0, 2, 4, 1, 3}));
  EXPECT_EQ(OrderByNode(NumberNodes({"x", "x", "y"})),
            (std::vector<int>{0, 1, 2}));
}

}  // namespace
}  // namespace switchyard::comm
