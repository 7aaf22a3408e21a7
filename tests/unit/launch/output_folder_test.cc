// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/launch/output_folder.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "switchyard/base/file.h"
#include "switchyard/tests/support/temporary_folder.h"

namespace switchyard::launch {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

class OutputFolderTest : public ::testing::Test {
 protected:
  std::string Message(const std::string& path) {
    const auto folder = OutputFolder::Create(path);
    return folder.ok() ? "accepted" : std::string(folder.status().message());
  }

  testing::TemporaryFolder folder_;
  const std::string out_ = folder_.path() / "runs" / "first";
};

TEST_F(OutputFolderTest, LeavesNothingUnlessKept) {
  {
    auto output = OutputFolder::Create(out_);
    ASSERT_TRUE(output.ok()) << output.status();
    ASSERT_TRUE((*output)->Write(OutputFolder::kModel, "{}").ok());
    folder_.Write("runs/first/metrics.jsonl", "{}");
    EXPECT_TRUE(fs::exists(out_ + "/config.json"));
  }
  EXPECT_TRUE(fs::is_empty(folder_.path()));
}

TEST_F(OutputFolderTest, LeavesWhatIsNotOurs) {
  fs::create_directories(out_);
  folder_.Write("runs/first/notes.txt", "mine");
  {
    auto output = OutputFolder::Create(out_);
    ASSERT_TRUE(output.ok()) << output.status();
    ASSERT_TRUE((*output)->Write(OutputFolder::kFlags, "").ok());
  }
  EXPECT_TRUE(fs::exists(out_ + "/notes.txt"));
  EXPECT_FALSE(fs::exists(out_ + "/flags.txt"));
  EXPECT_FALSE(fs::exists(out_ + "/.switchyard.lock"));
}

TEST_F(OutputFolderTest, KeepsARunAndRefusesToWriteOverIt) {
  {
    auto output = OutputFolder::Create(out_);
    ASSERT_TRUE(output.ok());
    (*output)->Keep();
    ASSERT_TRUE((*output)->Write(OutputFolder::kFlags, "--lr=1\n").ok());
  }
  EXPECT_EQ(*ReadFile(out_ + "/flags.txt", 100), "--lr=1\n");
  EXPECT_FALSE(fs::exists(out_ + "/.switchyard.lock"));
  EXPECT_THAT(Message(out_),
              AllOf(HasSubstr("found flags.txt of a run"), HasSubstr(out_)));
  EXPECT_TRUE(fs::exists(out_ + "/flags.txt"));
  EXPECT_FALSE(fs::exists(out_ + "/.switchyard.lock"));
}

TEST_F(OutputFolderTest, ALockedFolderNamesItsOwner) {
  auto output = OutputFolder::Create(out_);
  ASSERT_TRUE(output.ok());
  // flock belongs to the open file, so a second one of the same process is as
  // good as another process.
  EXPECT_THAT(Message(out_), HasSubstr(absl::StrCat("process ", getpid())));
  EXPECT_TRUE(fs::exists(out_ + "/.switchyard.lock"));
  output->reset();
  EXPECT_EQ(Message(out_), "accepted");
}

TEST_F(OutputFolderTest, OnlyOneOfManyProcessesGetsIt) {
  constexpr int kProcesses = 8;
  int winners = 0;
  int ready[2], go[2];
  ASSERT_EQ(pipe(ready), 0);
  ASSERT_EQ(pipe(go), 0);
  for (int i = 0; i < kProcesses; ++i) {
    if (fork() != 0) continue;
    close(go[1]);
    char byte = 0;
    const auto output = OutputFolder::Create(out_);
    const bool won = output.ok();
    if (write(ready[1], &byte, 1) != 1) _exit(9);
    // Holds the lock until all have tried.
    if (read(go[0], &byte, 1) != 0) _exit(9);
    _exit(won ? 1 : 0);
  }
  char byte = 0;
  for (int i = 0; i < kProcesses; ++i) ASSERT_EQ(read(ready[0], &byte, 1), 1);
  close(go[1]);
  for (int i = 0; i < kProcesses; ++i) {
    int status = 0;
    ASSERT_GT(wait(&status), 0);
    ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) <= 1) << status;
    winners += WEXITSTATUS(status);
  }
  EXPECT_EQ(winners, 1);
}

TEST_F(OutputFolderTest, ALockLeftByADeadProcessIsTaken) {
  fs::create_directories(out_);
  folder_.Write("runs/first/.switchyard.lock", "process 1 on nowhere\n");
  EXPECT_EQ(Message(out_), "accepted");
}

// A disk without room for a single byte.
class FullDisk {
 public:
  FullDisk() {
    signal_ = std::signal(SIGXFSZ, SIG_IGN);
    EXPECT_EQ(getrlimit(RLIMIT_FSIZE, &limit_), 0);
    const rlimit none = {0, limit_.rlim_max};
    EXPECT_EQ(setrlimit(RLIMIT_FSIZE, &none), 0);
  }
  ~FullDisk() {
    setrlimit(RLIMIT_FSIZE, &limit_);
    std::signal(SIGXFSZ, signal_);
  }

 private:
  rlimit limit_ = {};
  void (*signal_)(int) = SIG_DFL;
};

TEST_F(OutputFolderTest, AFullDiskTakesNothingAway) {
  fs::create_directories(out_);
  folder_.Write("runs/first/metrics.jsonl", "{}\n");
  folder_.Write("runs/first/summary.json", "{}");
  std::string refused, no_room;
  {
    const FullDisk full;
    refused = Message(out_);
    no_room = Message(folder_.path() / "second");
  }
  EXPECT_THAT(refused, HasSubstr("found metrics.jsonl of a run"));
  EXPECT_EQ(*ReadFile(out_ + "/metrics.jsonl", 100), "{}\n");
  EXPECT_TRUE(fs::exists(out_ + "/summary.json"));
  EXPECT_FALSE(fs::exists(out_ + "/.switchyard.lock"));
  EXPECT_THAT(no_room, HasSubstr("cannot create"));
  EXPECT_FALSE(fs::exists(folder_.path() / "second"));
}

TEST_F(OutputFolderTest, ALinkIsNoLock) {
  fs::create_directories(out_);
  const std::string foreign = folder_.Write("foreign", "mine");
  for (const std::string& target :
       {foreign, std::string(folder_.path() / "none")}) {
    fs::create_symlink(target, out_ + "/.switchyard.lock");
    EXPECT_THAT(Message(out_), HasSubstr(".switchyard.lock"));
    EXPECT_TRUE(fs::remove(out_ + "/.switchyard.lock"));
  }
  EXPECT_EQ(*ReadFile(foreign, 100), "mine");
  EXPECT_FALSE(fs::exists(folder_.path() / "none"));
}

TEST_F(OutputFolderTest, CannotBeBelowAFile) {
  const std::string file = folder_.Write("file", "x");
  EXPECT_THAT(Message(file), HasSubstr("Not a directory"));
  EXPECT_THAT(Message(file + "/a/b"),
              AllOf(HasSubstr("that can be written"), HasSubstr(file)));
  EXPECT_THAT(Message("/proc/no_such/folder"),
              HasSubstr("cannot create /proc/no_such"));
}

TEST_F(OutputFolderTest, AFolderWithoutPermission) {
  const fs::path closed = folder_.path() / "closed";
  fs::create_directories(closed);
  ASSERT_EQ(chmod(closed.c_str(), 0500), 0);
  // Root may write anywhere; then the folder serves, and is left as it was.
  const std::string expected =
      geteuid() == 0 ? "accepted" : "Permission denied";
  EXPECT_THAT(Message(closed), HasSubstr(expected));
  EXPECT_TRUE(fs::is_empty(closed));
}

}  // namespace
}  // namespace switchyard::launch
