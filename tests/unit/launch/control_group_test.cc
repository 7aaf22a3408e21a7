// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/launch/control_group.h"

#include <filesystem>
#include <limits>
#include <string>

#include "gtest/gtest.h"
#include "switchyard/tests/support/temporary_folder.h"

namespace switchyard::launch {
namespace {

constexpr int64_t kNone = std::numeric_limits<int64_t>::max();

class ControlGroup : public ::testing::Test {
 protected:
  void Write(const std::string& file, const std::string& content) {
    std::filesystem::create_directories((root_.path() / file).parent_path());
    root_.Write(file, content);
  }
  void WriteGroups(const std::string& content) {
    Write("proc/self/cgroup", content);
  }
  int64_t Limit() const { return ReadControlGroupLimit(root_.path()); }

  const testing::TemporaryFolder root_;
};

TEST_F(ControlGroup, NoneWithoutFiles) {
  EXPECT_EQ(Limit(), kNone);
  WriteGroups("0::/\n");
  EXPECT_EQ(Limit(), kNone);
}

TEST_F(ControlGroup, VersionTwoAndItsParents) {
  WriteGroups("0::/job/step\n");
  Write("sys/fs/cgroup/job/step/memory.max", "max\n");
  EXPECT_EQ(Limit(), kNone);
  Write("sys/fs/cgroup/job/memory.max", "3000\n");
  EXPECT_EQ(Limit(), 3000);
  Write("sys/fs/cgroup/job/step/memory.max", "2000\n");
  EXPECT_EQ(Limit(), 2000);
  Write("sys/fs/cgroup/job/memory.max", "1000\n");
  EXPECT_EQ(Limit(), 1000);
  // Another job's.
  Write("sys/fs/cgroup/job/other/memory.max", "10\n");
  EXPECT_EQ(Limit(), 1000);
}

TEST_F(ControlGroup, VersionOne) {
  WriteGroups("5:cpu,cpuacct:/a\n4:hugetlb,memory:/job\n1:name=systemd:/b\n");
  Write("sys/fs/cgroup/memory/job/memory.limit_in_bytes",
        "9223372036854771712\n");
  EXPECT_EQ(Limit(), 9223372036854771712);
  Write("sys/fs/cgroup/memory/job/memory.limit_in_bytes", "4096\n");
  EXPECT_EQ(Limit(), 4096);
  Write("sys/fs/cgroup/memory/a/memory.limit_in_bytes", "1024\n");
  EXPECT_EQ(Limit(), 4096);
}

TEST_F(ControlGroup, InAContainerThatShowsTheHostsPath) {
  WriteGroups("4:memory:/docker/0123\n0::/docker/0123\n");
  Write("sys/fs/cgroup/memory/memory.limit_in_bytes", "4096\n");
  EXPECT_EQ(Limit(), 4096);
}

TEST_F(ControlGroup, TheLesserOfBothVersions) {
  WriteGroups("4:memory:/a\n0::/a:b\n");
  Write("sys/fs/cgroup/memory/a/memory.limit_in_bytes", "4096\n");
  Write("sys/fs/cgroup/unified/a:b/memory.max", "4095\n");
  EXPECT_EQ(Limit(), 4095);
}

TEST_F(ControlGroup, WhatIsNoLimitIsNone) {
  WriteGroups("\nnonsense\n0:\n0::/a\n");
  for (const char* text :
       {"", "max", "-1", "0", "12x", "99999999999999999999"}) {
    Write("sys/fs/cgroup/a/memory.max", text);
    EXPECT_EQ(Limit(), kNone) << text;
  }
}

}  // namespace
}  // namespace switchyard::launch
