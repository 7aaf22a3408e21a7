// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/comm/ledger/ledger_file.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "gtest/gtest.h"
#include "switchyard/tests/support/temporary_folder.h"

namespace switchyard::comm::ledger {
namespace {

constexpr size_t kBytes = 8192;

bool Exists(const std::string& path) { return std::filesystem::exists(path); }

TEST(LedgerFileTest, OtherMappingsSeeWhatIsWritten) {
  const testing::TemporaryFolder folder;
  auto file = LedgerFile::Create(folder.path().string(), "a", kBytes);
  ASSERT_TRUE(file.ok()) << file.status();
  ASSERT_TRUE((*file)->Reserve(0, kBytes));
  std::strcpy(static_cast<char*>((*file)->data()) + 5000, "written");
  const auto reader = LedgerFile::OpenForReading((*file)->path(), kBytes);
  ASSERT_NE(reader, nullptr);
  EXPECT_STREQ(static_cast<char*>(reader->data()) + 5000, "written");
  EXPECT_FALSE(reader->OwnerIsGone());
}

TEST(LedgerFileTest, TheOwnerRemovesItsFileAndReadersKeepTheContents) {
  const testing::TemporaryFolder folder;
  auto file = LedgerFile::Create(folder.path().string(), "a", kBytes);
  ASSERT_TRUE(file.ok()) << file.status();
  const std::string path = (*file)->path();
  std::strcpy(static_cast<char*>((*file)->data()), "last words");
  const auto reader = LedgerFile::OpenForReading(path, kBytes);
  EXPECT_TRUE(Exists(path));
  file->reset();
  EXPECT_FALSE(Exists(path));
  EXPECT_STREQ(static_cast<char*>(reader->data()), "last words");
  EXPECT_TRUE(reader->OwnerIsGone());
}

TEST(LedgerFileTest, ReadersDoNotTrustSizes) {
  const testing::TemporaryFolder folder;
  auto file = LedgerFile::Create(folder.path().string(), "a", kBytes);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(LedgerFile::OpenForReading((*file)->path(), kBytes + 1), nullptr)
      << "a shorter file would fault";
  EXPECT_EQ(
      LedgerFile::OpenForReading(folder.path().string() + "/none", kBytes),
      nullptr);
}

TEST(LedgerFileTest, AFolderThatCannotBeWrittenIsAnError) {
  EXPECT_FALSE(LedgerFile::Create("/nonexistent/folder", "a", kBytes).ok());
}

// What a killed job leaves behind goes when the next one starts; what belongs
// to a living process stays, and so does everything else.
TEST(LedgerFileTest, OnlyLeftOversAreRemoved) {
  const testing::TemporaryFolder folder;
  const std::string other = folder.path().string() + "/other-file";
  std::ofstream(other) << "not a ledger";
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t child = fork();
  if (child == 0) {
    auto file = LedgerFile::Create(folder.path().string(), "child", kBytes);
    const char byte = file.ok() ? 1 : 0;
    if (write(ready[1], &byte, 1) != 1) _exit(1);
    for (;;) pause();
  }
  char byte = 0;
  ASSERT_EQ(read(ready[0], &byte, 1), 1);
  ASSERT_EQ(byte, 1);
  const std::string path = folder.path().string() + "/" + kFilePrefix + "child";
  {
    auto file = LedgerFile::Create(folder.path().string(), "first", kBytes);
    ASSERT_TRUE(file.ok()) << file.status();
    EXPECT_TRUE(Exists(path)) << "its owner lives";
    const auto reader = LedgerFile::OpenForReading(path, kBytes);
    ASSERT_NE(reader, nullptr);
    EXPECT_FALSE(reader->OwnerIsGone());
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    EXPECT_TRUE(reader->OwnerIsGone());
    EXPECT_TRUE(Exists(path)) << "nobody has cleaned yet";
  }
  auto file = LedgerFile::Create(folder.path().string(), "second", kBytes);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_FALSE(Exists(path));
  EXPECT_TRUE(Exists((*file)->path()));
  EXPECT_TRUE(Exists(other));
}

}  // namespace
}  // namespace switchyard::comm::ledger
