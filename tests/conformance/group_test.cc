// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include <memory>
#include <utility>
#include <vector>

#include "switchyard/base/status.h"
#include "switchyard/comm/host.h"
#include "switchyard/tests/conformance/buffer.h"
#include "switchyard/tests/conformance/implementation.h"
#include "switchyard/tests/conformance/values.h"

namespace switchyard::comm {
namespace {

constexpr Caller kCaller = {0, "group"};

class GroupTest : public ConformanceTest {};

// The sum over the group of each member's rank in the world, plus one.
absl::StatusOr<int64_t> SumOfWorldRanks(Rank& rank, Communicator& group) {
  Buffer<int64_t> buffer(rank, std::vector<int64_t>{rank.rank() + 1});
  SWITCHYARD_RETURN_IF_ERROR(
      group.AllReduce(rank.stream, buffer.view(), ReduceOp::kSum, kCaller)
          .Wait());
  return buffer.Values()[0];
}

int64_t ExpectedSum(Communicator& group) {
  int64_t sum = 0;
  for (const Member& member : group.members()) sum += member.world_rank + 1;
  return sum;
}

TEST_P(GroupTest, MembersOfTheWorld) {
  OnEveryRank([](Rank& rank) -> absl::Status {
    EXPECT_EQ(static_cast<int>(rank.world.members().size()), rank.size());
    for (int r = 0; r < rank.size(); ++r) {
      const Member& member = rank.world.members()[r];
      EXPECT_EQ(member.world_rank, r);
      EXPECT_EQ(member.node, 0);
      EXPECT_EQ(member.host, HostName());
      EXPECT_GT(member.process, 0);
    }
    return absl::OkStatus();
  });
}

// Consecutive groups of two, the last of one rank if the ranks are odd.
TEST_P(GroupTest, UnequalGroupsOfNeighbours) {
  OnEveryRank([](Rank& rank) -> absl::Status {
    SWITCHYARD_ASSIGN_OR_RETURN(
        const std::unique_ptr<Communicator> group,
        rank.world.Split(/*color=*/rank.rank() / 2, /*key=*/rank.rank()));
    EXPECT_EQ(group->rank(), rank.rank() % 2);
    const int first = rank.rank() / 2 * 2;
    EXPECT_EQ(group->size(), first + 1 < rank.size() ? 2 : 1);
    EXPECT_EQ(group->members()[group->rank()].world_rank, rank.rank());
    SWITCHYARD_ASSIGN_OR_RETURN(const int64_t sum,
                                SumOfWorldRanks(rank, *group));
    EXPECT_EQ(sum, ExpectedSum(*group));
    return absl::OkStatus();
  });
}

TEST_P(GroupTest, KeysOrderTheRanksAndColorsMayBeNegative) {
  OnEveryRank([](Rank& rank) -> absl::Status {
    SWITCHYARD_ASSIGN_OR_RETURN(
        const std::unique_ptr<Communicator> reversed,
        rank.world.Split(/*color=*/-5, /*key=*/-rank.rank()));
    EXPECT_EQ(reversed->size(), rank.size());
    EXPECT_EQ(reversed->rank(), rank.size() - 1 - rank.rank());
    // Rank 0 of the group is the last of the world.
    Buffer<int32_t> buffer(rank, std::vector<int32_t>{rank.rank()});
    SWITCHYARD_RETURN_IF_ERROR(
        reversed->Broadcast(rank.stream, buffer.view(), 0, kCaller).Wait());
    EXPECT_EQ(buffer.Values()[0], rank.size() - 1);
    return absl::OkStatus();
  });
}

TEST_P(GroupTest, EqualKeysKeepTheOrder) {
  OnEveryRank([](Rank& rank) -> absl::Status {
    SWITCHYARD_ASSIGN_OR_RETURN(const std::unique_ptr<Communicator> same,
                                rank.world.Split(/*color=*/1, /*key=*/7));
    EXPECT_EQ(same->rank(), rank.rank());
    return absl::OkStatus();
  });
}

// One group of all but rank 0, and of it the odd and the even.
TEST_P(GroupTest, GroupsOfGroups) {
  OnEveryRank([](Rank& rank) -> absl::Status {
    SWITCHYARD_ASSIGN_OR_RETURN(
        const std::unique_ptr<Communicator> outer,
        rank.world.Split(rank.rank() == 0 ? 0 : 1, rank.rank()));
    SWITCHYARD_ASSIGN_OR_RETURN(const std::unique_ptr<Communicator> inner,
                                outer->Split(outer->rank() % 2, 0));
    SWITCHYARD_ASSIGN_OR_RETURN(const int64_t sum,
                                SumOfWorldRanks(rank, *inner));
    EXPECT_EQ(sum, ExpectedSum(*inner));
    return absl::OkStatus();
  });
}

// The order in which tickets are waited for does not matter, and differs
// between ranks.
TEST_P(GroupTest, TicketsInFlightOnDifferentGroups) {
  OnEveryRank([](Rank& rank) -> absl::Status {
    SWITCHYARD_ASSIGN_OR_RETURN(const std::unique_ptr<Communicator> group,
                                rank.world.Split(rank.rank() % 2, rank.rank()));
    Buffer<int64_t> a(rank, std::vector<int64_t>(100, rank.rank() + 1));
    Buffer<int64_t> b(rank, std::vector<int64_t>(100, rank.rank() + 1));
    Ticket first = rank.world.AllReduce(rank.stream, a.view(), ReduceOp::kSum,
                                        {0, "world"});
    Ticket second =
        group->AllReduce(rank.stream, b.view(), ReduceOp::kSum, {1, "group"});
    if (rank.rank() % 2 == 0) std::swap(first, second);
    SWITCHYARD_RETURN_IF_ERROR(first.Wait());
    SWITCHYARD_RETURN_IF_ERROR(second.Wait());
    EXPECT_EQ(a.Values(), std::vector<int64_t>(100, ExpectedSum(rank.world)));
    EXPECT_EQ(b.Values(), std::vector<int64_t>(100, ExpectedSum(*group)));
    return absl::OkStatus();
  });
}

// Gradients are reduced in buckets, several under way at once.
TEST_P(GroupTest, TicketsInFlightOnOneGroup) {
  OnEveryRank([](Rank& rank) -> absl::Status {
    constexpr int kBuckets = 5;
    constexpr int64_t kCount = 40;
    Buffer<int64_t> buffer(rank,
                           Input<int64_t>(rank.rank(), 0, kBuckets * kCount));
    std::vector<Ticket> tickets;
    for (int i = 0; i < kBuckets; ++i) {
      tickets.push_back(rank.world.AllReduce(
          rank.stream, buffer.view(i * kCount, (i + 1) * kCount),
          ReduceOp::kSum, {i, "bucket"}));
    }
    while (!tickets.empty()) {
      SWITCHYARD_RETURN_IF_ERROR(tickets.back().Wait());
      tickets.pop_back();
    }
    EXPECT_EQ(buffer.Values(), Reduced<int64_t>(ReduceOp::kSum, rank.size(), 0,
                                                kBuckets * kCount));
    return absl::OkStatus();
  });
}

TEST_P(GroupTest, AMovedTicketIsEmpty) {
  OnEveryRank([](Rank& rank) -> absl::Status {
    Ticket none;
    EXPECT_TRUE(none.Wait().ok()) << "nothing to wait for";
    Ticket first = rank.world.Barrier(kCaller);
    Ticket second = std::move(first);
    EXPECT_TRUE(first.Wait().ok()) << "a moved-from ticket is empty";
    none = std::move(second);
    SWITCHYARD_RETURN_IF_ERROR(none.Wait());
    EXPECT_TRUE(none.Wait().ok()) << "so is one that was waited for";
    return absl::OkStatus();
  });
}

INSTANTIATE_TEST_SUITE_P(All, GroupTest, ::testing::ValuesIn(Implementations()),
                         NameOfParam);

}  // namespace
}  // namespace switchyard::comm
