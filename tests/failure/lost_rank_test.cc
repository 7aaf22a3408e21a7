// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// A rank that is killed, one that is stopped, one that meets NaN, in a real
// training job: every process is gone within the deadline and 10 seconds more,
// and what is printed names the culprit.
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <string>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "switchyard/base/file.h"
#include "switchyard/tests/support/command_run.h"
#include "switchyard/tests/support/process.h"
#include "switchyard/tests/support/temporary_folder.h"

namespace switchyard {
namespace {

using testing::CommandResult;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using testing::Quoted;

constexpr int kDeadline = 4;        // --comm_timeout
constexpr double kBeyond = 10.0;    // seconds
constexpr int kStartSeconds = 120;  // for the first steps on a busy machine

double Now() {
  return std::chrono::duration<double>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

std::string DeviceOfTests() {
  const char* name = std::getenv("SWITCHYARD_TEST_DEVICE");
  return name == nullptr ? "cpu" : name;
}

// Ranks may outlive mpirun by the blink of an eye.
bool IsGone(pid_t pid) { return testing::IsGoneWithin(pid, 2.0); }

class LostRankTest : public ::testing::Test {
 protected:
  LostRankTest() {
    std::string text;
    for (int i = 0; i < 50000; ++i)
      text.push_back("etaoin shrdlu\n"[i * 7 % 14]);
    folder_.Write("text.txt", text);
  }

  // Two ranks that leave their process ids in files.
  CommandResult Train(const std::string& more) {
    const std::string rank = absl::StrCat(
        "echo $$ > pid.$OMPI_COMM_WORLD_RANK; exec ", SWITCHYARD_COMMAND,
        " train --model=" SWITCHYARD_SOURCE_DIR
        "/examples/models/tiny"
        " --data=text.txt --out=run --seq_len=32 --global_batch=4"
        " --micro_batch=2 --threads=1 --steps=1000000 --log_every=1000000"
        " --comm_timeout=",
        kDeadline, " --device=", DeviceOfTests(), " ", more);
    return testing::RunCommand(
        absl::StrCat(SWITCHYARD_SOURCE_DIR "/launch/mpirun.sh -n 2 sh -c ",
                     Quoted(rank)),
        folder_.path(), kStartSeconds + 60);
  }

  pid_t PidOf(int rank) {
    const auto text = ReadFile(folder_.path() / absl::StrCat("pid.", rank), 99);
    int pid = 0;
    EXPECT_TRUE(text.ok() && absl::SimpleAtoi(*text, &pid)) << rank;
    return pid;
  }

  int64_t StepsDone() {
    std::ifstream file(folder_.path() / "run" / "metrics.jsonl");
    return std::count(std::istreambuf_iterator<char>(file), {}, '\n');
  }

  bool WaitForSteps() {
    const double start = Now();
    while (StepsDone() < 5 && Now() - start < kStartSeconds) usleep(20000);
    return StepsDone() >= 5;
  }

  // Sends a signal to rank 1 of a job in full swing. Expects that the job ends
  // in time.
  CommandResult Hit(int signal) {
    CommandResult result;
    std::thread job([&] { result = Train(""); });
    double hit = 0.0;
    if (WaitForSteps()) {
      EXPECT_EQ(kill(PidOf(1), signal), 0);
      hit = Now();
    }
    job.join();
    EXPECT_GT(hit, 0.0) << result.err;
    EXPECT_LT(Now() - hit, kDeadline + kBeyond);
    EXPECT_NE(result.exit_code, 0);
    if (DeviceOfTests() == "cuda") {  // or it ran elsewhere
      EXPECT_THAT(result.out + result.err, HasSubstr("cuda:0 on rank 0"));
    }
    for (const int rank : {0, 1}) EXPECT_TRUE(IsGone(PidOf(rank))) << rank;
    return result;
  }

  const testing::TemporaryFolder folder_;
};

TEST_F(LostRankTest, Killed) {
  const CommandResult result = Hit(SIGKILL);
  EXPECT_THAT(result.err,
              ContainsRegex("rank 1 \\(host [^ ,]+, process [0-9]+, dead\\)"));
  EXPECT_THAT(result.err, ContainsRegex("rank 0 .*call [0-9]+ of group"));
}

TEST_F(LostRankTest, Stopped) {
  const CommandResult result = Hit(SIGSTOP);
  EXPECT_THAT(result.err,
              ContainsRegex("rank 1 \\(host [^ ,]+, process [0-9]+, stopped"));
  EXPECT_THAT(result.err, ContainsRegex("call [0-9]+ of group"));
}

// A learning rate that blows the weights up within a few steps.
TEST_F(LostRankTest, NotANumber) {
  const CommandResult result =
      Train("--lr=1000 --warmup_steps=0 --clip_norm=0");
  EXPECT_NE(result.exit_code, 0);
  EXPECT_THAT(result.err, ContainsRegex("step [0-9]+.*gradient.*model.*rank"));
  int sentences = 0;
  for (const std::string& line : result.ErrorLines()) {
    sentences += absl::StartsWith(line, "switchyard: ") ? 1 : 0;
  }
  EXPECT_EQ(sentences, 1) << result.err;
}

}  // namespace
}  // namespace switchyard
