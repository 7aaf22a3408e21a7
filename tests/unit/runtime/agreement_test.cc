// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/parallel/agreement.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "switchyard/comm/thread/thread_communicator.h"

namespace switchyard {
namespace {

using ::testing::HasSubstr;

TEST(Agreement, GathersIntegersByRank) {
  for (const int size : {1, 2, 4, 7}) {
    const absl::Status status = comm::RunRanks(
        size, {}, [&](comm::Communicator& world) -> absl::Status {
          const auto all =
              GatherIntegers(world, {world.rank() * 10, -world.rank()});
          if (!all.ok()) return all.status();
          EXPECT_EQ(all->size(), 2u * size);
          for (int rank = 0; rank < size; ++rank) {
            EXPECT_EQ((*all)[2 * rank], rank * 10);
            EXPECT_EQ((*all)[2 * rank + 1], -rank);
          }
          return absl::OkStatus();
        });
    EXPECT_TRUE(status.ok()) << status;
  }
}

TEST(Agreement, AllRanksGetTheLowestRanksError) {
  for (const int size : {1, 2, 4}) {
    const absl::Status status = comm::RunRanks(
        size, {}, [&](comm::Communicator& world) -> absl::Status {
          EXPECT_TRUE(AgreeOnStatus(world, absl::OkStatus()).ok());
          const int failing = size / 2;  // and all above
          const absl::Status mine =
              world.rank() < failing
                  ? absl::OkStatus()
                  : absl::NotFoundError(absl::StrCat("rank ", world.rank()));
          const absl::Status agreed = AgreeOnStatus(world, mine);
          EXPECT_TRUE(absl::IsNotFound(agreed)) << agreed;
          EXPECT_EQ(std::string(agreed.message()),
                    absl::StrCat("rank ", failing));
          // A message may be empty, or very long.
          const absl::Status empty =
              AgreeOnStatus(world, absl::InternalError(""));
          EXPECT_TRUE(absl::IsInternal(empty)) << empty;
          const absl::Status longest = AgreeOnStatus(
              world, absl::InternalError(std::string(1 << 20, 'x')));
          EXPECT_EQ(longest.message().size(), size_t{1} << 16);
          return absl::OkStatus();
        });
    EXPECT_TRUE(status.ok()) << status;
  }
}

TEST(Agreement, RanksThatCannotTalkKeepTheirOwnError) {
  const absl::Status status =
      comm::RunRanks(2, {}, [&](comm::Communicator& world) -> absl::Status {
        const std::vector<int64_t> mine(1 + world.rank());
        EXPECT_FALSE(GatherIntegers(world, mine).ok()) << "other counts";
        const absl::Status kept =
            AgreeOnStatus(world, absl::NotFoundError("mine"));
        EXPECT_EQ(kept, absl::NotFoundError("mine"));
        EXPECT_FALSE(AgreeOnStatus(world, absl::OkStatus()).ok());
        return absl::OkStatus();
      });
  EXPECT_TRUE(status.ok()) << status;
}

TEST(Agreement, InstructionSetIsCappedAndFixed) {
  const absl::Status status =
      comm::RunRanks(2, {}, [&](comm::Communicator& world) -> absl::Status {
        const auto unknown = AgreeOnInstructionSet(world, "sse9");
        EXPECT_THAT(std::string(unknown.status().message()), HasSubstr("sse9"));
        const auto least = AgreeOnInstructionSet(world, "baseline");
        EXPECT_TRUE(least.ok()) << least.status();
        EXPECT_EQ(*least, kernels::InstructionSet::kBaseline);
        EXPECT_EQ(kernels::CurrentInstructionSet(), *least);
        return absl::OkStatus();
      });
  EXPECT_TRUE(status.ok()) << status;
}

}  // namespace
}  // namespace switchyard
