// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// What a person sees on a terminal: one line that is rewritten, and a report
// that begins below it.
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "switchyard/tests/support/command_run.h"
#include "switchyard/tests/support/temporary_folder.h"

namespace switchyard::launch {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr int kSeconds = 120;  // for anything, on a busy machine

// A shell command that runs on a terminal of 60 columns.
class OnTerminal {
 public:
  explicit OnTerminal(const std::string& command) {
    winsize size = {};
    size.ws_row = 24;
    size.ws_col = 60;
    process_ = forkpty(&terminal_, nullptr, nullptr, &size);
    if (process_ != 0) return;
    execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
    _exit(127);
  }
  ~OnTerminal() {
    if (process_ > 0) kill(process_, SIGKILL);
    WaitForExit();
    close(terminal_);
  }
  OnTerminal(const OnTerminal&) = delete;
  OnTerminal& operator=(const OnTerminal&) = delete;

  pid_t process() const { return process_; }
  const std::string& seen() const { return seen_; }

  // Reads until `text` has been seen, or to the end; true if it has.
  bool ReadUntil(const std::string& text) {
    const auto end =
        std::chrono::steady_clock::now() + std::chrono::seconds(kSeconds);
    while (text.empty() || !absl::StrContains(seen_, text)) {
      pollfd ready = {terminal_, POLLIN, 0};
      poll(&ready, 1, 100);
      char buffer[4096];
      const ssize_t count =
          ready.revents == 0 ? 0 : read(terminal_, buffer, sizeof(buffer));
      if (count < 0 || std::chrono::steady_clock::now() > end) return false;
      seen_.append(buffer, static_cast<size_t>(count));
    }
    return true;
  }

  // 128 plus the signal if one ended it.
  int WaitForExit() {
    if (process_ <= 0) return -1;
    int status = 0;
    waitpid(process_, &status, 0);
    process_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

 private:
  int terminal_ = -1;
  pid_t process_ = -1;
  std::string seen_;
};

class LiveLine : public ::testing::Test {
 protected:
  LiveLine() {
    std::string text;
    for (int i = 0; i < 20000; ++i) text += "etaoin shrdlu\n"[i * 7 % 14];
    folder_.Write("text.txt", text);
  }

  // A command line of the shell; `before` is put before the program.
  std::string Train(const std::string& before, int steps) const {
    return absl::StrCat(
        "cd ", testing::Quoted(folder_.path()), " && exec ", before,
        " " SWITCHYARD_COMMAND " train --model=" SWITCHYARD_SOURCE_DIR
        "/examples/models/tiny --data=text.txt --out=run --seq_len=32"
        " --global_batch=4 --micro_batch=2 --threads=1 --log_every=1 --steps=",
        steps);
  }

  // Ends a run in full swing by SIGTERM.
  void ExpectReportBelowTheLine(const std::string& before) {
    OnTerminal run(Train(before, 1000000));
    ASSERT_TRUE(run.ReadUntil("\r\x1b[Kstep 3/")) << run.seen();
    ASSERT_EQ(kill(run.process(), SIGTERM), 0);
    run.ReadUntil("");
    EXPECT_THAT(run.seen(), HasSubstr("\nswitchyard: asked to end (SIGTERM)"));
    EXPECT_NE(run.WaitForExit(), 0);
  }

  const testing::TemporaryFolder folder_;
};

TEST_F(LiveLine, IsRewrittenAndAsWideAsTheTerminal) {
  OnTerminal run(Train("", 3));
  run.ReadUntil("");
  EXPECT_EQ(run.WaitForExit(), 0);
  for (const char* step : {"1", "2", "3"}) {
    EXPECT_THAT(run.seen(), ContainsRegex(absl::StrCat("\r\x1b\\[Kstep ", step,
                                                       "/3  ETA[^\r\n]*\r")));
  }
  EXPECT_THAT(run.seen(), Not(ContainsRegex("\x1b\\[Kstep[^\r\n]{56}")));
}

TEST_F(LiveLine, NoneInAFile) {
  const auto result = testing::RunCommand(Train("", 3), folder_.path());
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("\nstep 3/3"));
  EXPECT_THAT(result.out, Not(HasSubstr("\x1b")));
}

TEST_F(LiveLine, AReportBeginsBelowIt) { ExpectReportBelowTheLine(""); }

TEST_F(LiveLine, AReportOfRanksBeginsBelowIt) {
  ExpectReportBelowTheLine(SWITCHYARD_SOURCE_DIR "/launch/mpirun.sh -n 2");
}

TEST_F(LiveLine, AnInterruptLeavesTheCursorBelowIt) {
  OnTerminal run(Train("", 1000000));
  ASSERT_TRUE(run.ReadUntil("\r\x1b[Kstep 3/")) << run.seen();
  ASSERT_EQ(kill(run.process(), SIGINT), 0);
  run.ReadUntil("");
  EXPECT_EQ(run.WaitForExit(), 130);
  EXPECT_TRUE(absl::EndsWith(run.seen(), "\n")) << run.seen();
}

}  // namespace
}  // namespace switchyard::launch
