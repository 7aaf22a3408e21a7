// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/base/file.h"

#include <sys/stat.h>

#include <filesystem>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "switchyard/tests/support/temporary_folder.h"

namespace switchyard {
namespace {

using ::testing::HasSubstr;

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

TEST(WriteFileAtomically, LeavesTheFileAndNothingElse) {
  const testing::TemporaryFolder folder;
  const std::string path = folder.Write("file", "old");
  ASSERT_TRUE(WriteFileAtomically(path, "new").ok());
  EXPECT_EQ(*ReadFile(path, 100), "new");
  const auto begin = std::filesystem::directory_iterator(folder.path());
  EXPECT_EQ(std::distance(begin, std::filesystem::directory_iterator()), 1);
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
