// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Real processes under mpirun: a rank that calls something else, is late,
// leaves, is stopped or is killed. Who is left says so, and in time nobody is
// left.
#include <signal.h>

#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "switchyard/comm/host.h"
#include "switchyard/comm/ledger/process_state.h"
#include "switchyard/tests/failure/job.h"

namespace switchyard::comm {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr double kTimeoutSeconds = 3;
// What a job may take after its deadline.
constexpr double kGraceSeconds = 10;
// Starting ranks on a busy machine.
constexpr double kStartSeconds = 60;

std::vector<std::string> Command(const std::string& mode, int ranks,
                                 double timeout_seconds) {
  return {
      SWITCHYARD_MPIRUN_SCRIPT,        "-n", std::to_string(ranks),
      SWITCHYARD_COMM_FAILURE_PROGRAM, mode, std::to_string(timeout_seconds)};
}

// Runs a job that fails by itself and gives its output.
std::string OutputOfFailure(const std::string& mode, double timeout_seconds) {
  Job job(Command(mode, 3, timeout_seconds));
  const std::optional<int> code =
      job.WaitForEnd(kStartSeconds + timeout_seconds + kGraceSeconds);
  EXPECT_TRUE(code.has_value()) << "still running: " << job.Output();
  EXPECT_NE(code.value_or(0), 0) << job.Output();
  return job.Output();
}

const std::string& Host() {
  static const std::string* host = new std::string(HostName());
  return *host;
}

TEST(CommFailureTest, AnotherOperationIsFoundBeforeTheDeadline) {
  const std::string output = OutputOfFailure("other-operation", 600);
  EXPECT_THAT(
      output,
      AllOf(HasSubstr("failed: FAILED_PRECONDITION: the ranks differ at call 1 "
                      "of group world (ranks 0-2): rank 0 (host " +
                      Host()),
            HasSubstr("calls all-reduce (sum, 8 fp32) by layer 3, backward"),
            HasSubstr("calls barrier by layer 5, optimizer")));
}

TEST(CommFailureTest, AnotherCountIsFoundThoughMpiMayCompleteIt) {
  const std::string output = OutputOfFailure("other-count", 600);
  EXPECT_THAT(output,
              AllOf(HasSubstr("failed: FAILED_PRECONDITION: the ranks differ "
                              "at call 1 of group world (ranks 0-2)"),
                    HasSubstr("all-reduce (sum, 7 fp32)"),
                    HasSubstr("all-reduce (sum, 8 fp32)")));
}

TEST(CommFailureTest, AnotherCountIsFoundWhenRanksComeOneByOne) {
  const std::string output = OutputOfFailure("in-order", 600);
  EXPECT_THAT(output,
              AllOf(HasSubstr("failed: FAILED_PRECONDITION: the ranks differ "
                              "at call 1 of group world (ranks 0-2)"),
                    HasSubstr("broadcast (from rank 0, 8 fp32)"),
                    HasSubstr("broadcast (from rank 0, 12 fp32)")));
}

TEST(CommFailureTest, ARankThatNeverMakesTheWorld) {
  const std::string output = OutputOfFailure("no-start", kTimeoutSeconds);
  EXPECT_THAT(output, HasSubstr("no world: DEADLINE_EXCEEDED: not all ranks of "
                                "the job have come within 3 s"));
}

TEST(CommFailureTest, ARankThatDoesNotEnd) {
  const std::string output = OutputOfFailure("no-end", kTimeoutSeconds);
  EXPECT_THAT(output, HasSubstr("this rank is done, but not all ranks of the "
                                "job have come within 3 s"));
}

TEST(CommFailureTest, ABlockLargerThanExpected) {
  const std::string output = OutputOfFailure("more-than-expected", 600);
  EXPECT_THAT(output, AllOf(HasSubstr("sends 16 bytes to rank 1"),
                            HasSubstr("which expects 12"),
                            HasSubstr("by layer 2, dispatch")));
}

TEST(CommFailureTest, ABlockSmallerThanExpected) {
  const std::string output = OutputOfFailure("less-than-expected", 600);
  EXPECT_THAT(output, AllOf(HasSubstr("sends 16 bytes to rank 1"),
                            HasSubstr("which expects 24"),
                            HasSubstr("by layer 2, dispatch")));
}

TEST(CommFailureTest, ALateRankIsNamedAtTheDeadline) {
  const std::string output = OutputOfFailure("late", kTimeoutSeconds);
  EXPECT_THAT(
      output,
      AllOf(ContainsRegex("failed: DEADLINE_EXCEEDED: call 1 of group world "
                          "\\(ranks 0-2\\), all-reduce \\(sum, 8 fp32\\) by "
                          "layer 3, backward, is not complete after 3 s: rank "
                          "1 \\(host " +
                          Host() +
                          ", process [0-9]+, running\\) has not made it"),
            HasSubstr("step 1, layer 7, router"),
            HasSubstr("later: DEADLINE_EXCEEDED: the ranks' communication "
                      "failed before: call 1"),
            HasSubstr("anew: DEADLINE_EXCEEDED: the ranks' communication "
                      "failed before: call 1")));
}

TEST(CommFailureTest, ARankThatLeftIsNamedBeforeTheDeadline) {
  const std::string output = OutputOfFailure("leave", 600);
  EXPECT_THAT(output,
              ContainsRegex("failed: UNAVAILABLE: call 1 .*rank 1 \\(host " +
                            Host() + ", process [0-9]+, left\\) has not"));
}

bool IsGone(int64_t process, int64_t start) {
  return ledger::StateOfProcess(process, start) == ledger::ProcessState::kDead;
}

// Starts a job, waits until it runs, sends `signal` to rank 1 and gives the
// output of the rest of its life.
std::string OutputAfter(int signal) {
  Job job(Command("run", 3, kTimeoutSeconds));
  const auto process =
      job.WaitFor("[rank 1] running as process ", kStartSeconds);
  EXPECT_TRUE(process.has_value()) << job.Output();
  if (!process.has_value()) return "";
  const int rank1 = std::stoi(*process);
  const int64_t start = ledger::ProcessStart(rank1);
  EXPECT_EQ(kill(rank1, signal), 0);
  const auto end =
      std::chrono::steady_clock::now() +
      std::chrono::duration<double>(kTimeoutSeconds + kGraceSeconds);
  const std::optional<int> code =
      job.WaitForEnd(kTimeoutSeconds + kGraceSeconds);
  EXPECT_TRUE(code.has_value()) << "still running: " << job.Output();
  EXPECT_NE(code.value_or(0), 0);
  while (!IsGone(rank1, start) && std::chrono::steady_clock::now() < end) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  EXPECT_TRUE(IsGone(rank1, start)) << "rank 1 is still there";
  return job.Output();
}

TEST(CommFailureTest, AStoppedRankIsNamedAndEverythingEnds) {
  const std::string output = OutputAfter(SIGSTOP);
  EXPECT_THAT(
      output,
      AllOf(HasSubstr("failed: DEADLINE_EXCEEDED: call "),
            HasSubstr("all-reduce (sum, 8 fp32) by layer 3, backward, is not "
                      "complete after 3 s"),
            ContainsRegex("rank 1 \\(host " + Host() +
                          ", process [0-9]+, stopped\\)"),
            HasSubstr(", layer 3, attention")));
}

TEST(CommFailureTest, AKilledRankIsNamedAndEverythingEnds) {
  const std::string output = OutputAfter(SIGKILL);
  EXPECT_THAT(output, AllOf(ContainsRegex("rank 1 \\(host " + Host() +
                                          ", process [0-9]+, dead\\)"),
                            HasSubstr("all-reduce (sum, 8 fp32) by layer 3, "
                                      "backward"),
                            HasSubstr(", layer 3, attention")));
}

}  // namespace
}  // namespace switchyard::comm
