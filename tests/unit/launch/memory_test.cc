// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/launch/memory.h"

#include <limits>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace switchyard::launch {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr int64_t kMost = std::numeric_limits<int64_t>::max();

TEST(Memory, RanksOfAHostShareIt) {
  const HostMemory memory = {"node1", 1000, kMost};
  EXPECT_TRUE(CheckMemory(memory, 4, 250).ok());
  EXPECT_THAT(std::string(CheckMemory(memory, 4, 251).message()),
              AllOf(HasSubstr("node1"), HasSubstr("4 ranks need each 251 B"),
                    HasSubstr("1.0 kB")));
  EXPECT_THAT(std::string(CheckMemory(memory, 1, 2000).message()),
              HasSubstr("one rank needs 2.0 kB"));
  EXPECT_FALSE(CheckMemory(memory, 1 << 20, kMost).ok());
}

TEST(Memory, LimitsOfAProcessCount) {
  const HostMemory memory = {"node1", kMost, 1000};
  EXPECT_TRUE(CheckMemory(memory, 8, 1000).ok());
  EXPECT_THAT(std::string(CheckMemory(memory, 1, 1001).message()),
              HasSubstr("ulimit -v"));
}

TEST(Memory, RanksShareTheLimitOfTheirControlGroup) {
  const HostMemory memory = {"node1", 1000, kMost, 600};
  EXPECT_TRUE(CheckMemory(memory, 2, 300).ok());
  EXPECT_THAT(std::string(CheckMemory(memory, 2, 301).message()),
              AllOf(HasSubstr("control group may use 600 B"),
                    HasSubstr("raise that limit")));
  // A limit above what the machine has says nothing.
  const HostMemory wide = {"node1", 1000, kMost, 2000};
  EXPECT_THAT(std::string(CheckMemory(wide, 1, 1001).message()),
              HasSubstr("it has 1.0 kB"));
}

TEST(Memory, OfThisMachine) {
  const HostMemory memory = ReadHostMemory("here");
  EXPECT_EQ(memory.host, "here");
  EXPECT_GT(memory.physical, 1 << 20);
  EXPECT_GT(memory.address_space, 1 << 20);
  EXPECT_GT(memory.control_group, 1 << 20);
}

}  // namespace
}  // namespace switchyard::launch
