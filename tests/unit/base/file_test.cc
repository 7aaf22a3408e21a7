// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/base/file.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "switchyard/tests/support/temporary_folder.h"

namespace switchyard {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;
using ::testing::UnorderedElementsAre;

TEST(ReadFile, GivesTheWholeContent) {
  const testing::TemporaryFolder folder;
  const std::string content = std::string(40000, 'a') + '\0' + "end";
  const auto read = ReadFile(folder.Write("file", content), content.size());
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(*read, content);
}

TEST(ReadFile, RefusesWhatIsNotASmallFile) {
  const testing::TemporaryFolder folder;
  EXPECT_TRUE(absl::IsNotFound(ReadFile(folder.path() / "none", 9).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(ReadFile(folder.path(), 9).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(ReadFile("/dev/zero", 9).status()));
  const std::string pipe = folder.path() / "pipe";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_TRUE(absl::IsInvalidArgument(ReadFile(pipe, 9).status()));
  const std::string ten = folder.Write("ten", "0123456789");
  EXPECT_TRUE(ReadFile(ten, 10).ok());
  EXPECT_THAT(std::string(ReadFile(ten, 9).status().message()),
              HasSubstr("more than 9 bytes"));
}

std::vector<std::string> NamesIn(const testing::TemporaryFolder& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
    names.push_back(entry.path().filename());
  }
  return names;
}

TEST(WriteFileAtomically, LeavesTheFileAndNothingElse) {
  const testing::TemporaryFolder folder;
  const std::string path = folder.Write("file", "old");
  ASSERT_TRUE(WriteFileAtomically(path, "new").ok());
  EXPECT_EQ(*ReadFile(path, 100), "new");
  EXPECT_THAT(NamesIn(folder), UnorderedElementsAre("file"));
}

// Ends in the middle of a write: it has grown beyond what the limit allows, and
// the signal for that kills.
[[noreturn]] void DieWriting(const std::string& path) {
  const rlimit limit = {100, 100};
  if (setrlimit(RLIMIT_FSIZE, &limit) != 0) std::abort();
  WriteFileAtomically(path, std::string(1000, 'x')).IgnoreError();
  std::abort();
}

TEST(WriteFileAtomically, PassesOverWhatAKilledProcessLeft) {
  const testing::TemporaryFolder folder;
  const std::string path = folder.path() / "file";
  EXPECT_EXIT(DieWriting(path), ::testing::KilledBySignal(SIGXFSZ), "");
  const std::vector<std::string> left = NamesIn(folder);
  ASSERT_EQ(left.size(), 1u);
  // Its process id may come again, as this one's.
  const std::string stem = "file.tmp.";
  ASSERT_THAT(left[0], StartsWith(stem));
  const size_t end = left[0].find('.', stem.size());
  const std::string ours =
      stem + std::to_string(getpid()) +
      (end == std::string::npos ? "" : left[0].substr(end));
  std::filesystem::rename(folder.path() / left[0], folder.path() / ours);
  for (const std::string content : {"first", "second"}) {
    const absl::Status status = WriteFileAtomically(path, content);
    ASSERT_TRUE(status.ok()) << status;
    EXPECT_EQ(*ReadFile(path, 100), content);
  }
  EXPECT_THAT(NamesIn(folder), UnorderedElementsAre("file", ours));
}

TEST(WriteFileAtomically, HeedsTheUmask) {
  const testing::TemporaryFolder folder;
  const std::string path = folder.path() / "file";
  const mode_t before = umask(027);
  const absl::Status status = WriteFileAtomically(path, "x");
  umask(before);
  ASSERT_TRUE(status.ok()) << status;
  struct stat info;
  ASSERT_EQ(stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0640u);
}

TEST(WriteFileAtomically, NamesThePathItCannotWrite) {
  const testing::TemporaryFolder folder;
  const std::string path = folder.path() / "no_folder" / "file";
  const absl::Status status = WriteFileAtomically(path, "x");
  EXPECT_TRUE(absl::IsNotFound(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(path));
}

}  // namespace
}  // namespace switchyard
