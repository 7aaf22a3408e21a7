// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/comm/ledger/process_state.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gtest/gtest.h"

namespace switchyard::comm::ledger {
namespace {

TEST(ProcessStateTest, RunningStoppedDead) {
  const int64_t self = getpid();
  EXPECT_EQ(StateOfProcess(self, ProcessStart(self)), ProcessState::kRunning);

  const pid_t child = fork();
  if (child == 0) {
    for (;;) pause();
  }
  const int64_t start = ProcessStart(child);
  EXPECT_GT(start, 0);
  EXPECT_EQ(StateOfProcess(child, start), ProcessState::kRunning);
  kill(child, SIGSTOP);
  waitpid(child, nullptr, WUNTRACED);
  EXPECT_EQ(StateOfProcess(child, start), ProcessState::kStopped);
  kill(child, SIGKILL);
  siginfo_t info;
  waitid(P_PID, child, &info, WEXITED | WNOWAIT);
  EXPECT_EQ(StateOfProcess(child, start), ProcessState::kDead)
      << "a zombie is dead";
  waitpid(child, nullptr, 0);
  EXPECT_EQ(StateOfProcess(child, start), ProcessState::kDead);
  EXPECT_EQ(ProcessStart(child), 0);
}

TEST(ProcessStateTest, AProcessIdThatWasUsedAgainIsAnotherProcess) {
  const int64_t self = getpid();
  EXPECT_EQ(StateOfProcess(self, ProcessStart(self) - 1), ProcessState::kDead);
}

}  // namespace
}  // namespace switchyard::comm::ledger
