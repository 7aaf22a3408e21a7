// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// A job that writes checkpoints often is killed at a random moment, one rank or
// all of it, and resumed on other numbers of ranks, again and again. Every
// checkpoint that is there is whole, none that was complete is lost, and in the
// end each step stands once in metrics.jsonl with the loss of a run that nobody
// disturbed.
//
//   SWITCHYARD_KILLS   how often; 5
//   SWITCHYARD_SEED    of the moments and victims; 1
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "switchyard/base/file.h"
#include "switchyard/base/philox.h"
#include "switchyard/runtime/checkpoint/checkpoint.h"
#include "switchyard/runtime/checkpoint/checkpoint_folder.h"
#include "switchyard/tests/support/command_run.h"
#include "switchyard/tests/support/process.h"
#include "switchyard/tests/support/temporary_folder.h"

namespace switchyard {
namespace {

namespace fs = std::filesystem;
using testing::CommandResult;
using testing::Quoted;

int64_t FromEnvironment(const char* name, int64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::atoll(text);
}

constexpr int kMostRanks = 3;
constexpr int kDeadline = 20;  // --comm_timeout, in seconds

class KillAndResumeTest : public ::testing::Test {
 protected:
  KillAndResumeTest() : key_(FromEnvironment("SWITCHYARD_SEED", 1)) {
    std::string text;
    for (int i = 0; i < 50000; ++i) {
      text.push_back("etaoin shrdlu\n"[i * 7 % 14]);
    }
    folder_.Write("text.txt", text);
  }

  // At least `least`, at most `most`.
  int64_t Draw(int64_t least, int64_t most) {
    return least +
           Philox4x32(key_, {draws_++, 0, 0, 0})[0] % (most - least + 1);
  }

  CommandResult Train(int ranks, const std::string& out,
                      const std::string& more) {
    const std::string rank = absl::StrCat(
        "echo $$ > pid.$OMPI_COMM_WORLD_RANK; exec ", SWITCHYARD_COMMAND,
        " train --model=" SWITCHYARD_SOURCE_DIR
        "/examples/models/tiny --data=text.txt --out=",
        out,
        " --seq_len=16 --global_batch=4 --micro_batch=1 --threads=1"
        " --schedule=constant --steps=1000000 --log_every=1000000"
        " --layer_metrics_every=0 --comm_timeout=",
        kDeadline, " ", more);
    return testing::RunCommand(
        absl::StrCat("echo $$ > pid.job; exec " SWITCHYARD_SOURCE_DIR
                     "/launch/mpirun.sh -n ",
                     ranks, " sh -c ", Quoted(rank)),
        folder_.path(), 300);
  }

  pid_t PidOf(const std::string& who) const {
    const auto text = ReadFile(folder_.path() / ("pid." + who), 99);
    int pid = 0;
    return text.ok() && absl::SimpleAtoi(*text, &pid) ? pid : 0;
  }

  // Whether all ranks are gone within --comm_timeout and some time more: nobody
  // waits for the dead, and nobody lives on alone.
  bool RanksEnd(int ranks) const {
    for (int tenths = 0; tenths < 10 * (kDeadline + 20); ++tenths) {
      int gone = 0;
      for (int rank = 0; rank < ranks; ++rank) {
        const pid_t pid = PidOf(absl::StrCat(rank));
        gone += pid == 0 || testing::IsGone(pid) ? 1 : 0;
      }
      if (gone == ranks) return true;
      usleep(100000);
    }
    return false;
  }

  // Open MPI 4.1's mpirun may wait forever, without any rank, where one was
  // killed while it connected: it is given a while and ended.
  void EndLauncher(const std::atomic<bool>& done) const {
    for (int tenths = 0; tenths < 100 && !done; ++tenths) usleep(100000);
    if (!done && PidOf("job") > 0) kill(PidOf("job"), SIGKILL);
  }

  // One life of the job, which ends by our hand.
  void LiveAndDie() {
    for (int rank = 0; rank < kMostRanks; ++rank) {
      fs::remove(folder_.path() / absl::StrCat("pid.", rank));
    }
    const int ranks = static_cast<int>(Draw(1, kMostRanks));
    const bool all = Draw(0, 1) == 0;
    const int victim = static_cast<int>(Draw(0, ranks - 1));
    const int64_t milliseconds = Draw(0, 2500);
    CommandResult result;
    std::atomic<bool> done = false;
    std::thread job([&] {
      result = Train(ranks, "run", "--checkpoint_every=2 --resume=auto");
      done = true;
    });
    while (PidOf(absl::StrCat(victim)) == 0) usleep(2000);
    std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
    if (all) {
      for (const std::string who : {"job", "0", "1", "2"}) {
        if (PidOf(who) > 0) kill(PidOf(who), SIGKILL);
      }
    } else {
      kill(PidOf(absl::StrCat(victim)), SIGKILL);
    }
    const bool ended = RanksEnd(ranks);
    EndLauncher(done);
    job.join();
    EXPECT_TRUE(ended) << (all ? "all" : absl::StrCat("rank ", victim))
                       << " of " << ranks << " killed after " << milliseconds
                       << " ms\n"
                       << result.out << result.err;
    EXPECT_NE(result.exit_code, 0) << result.err;
    // Whatever it said, it was not about its checkpoints.
    EXPECT_FALSE(absl::StrContains(result.err, "damaged")) << result.err;
    EXPECT_FALSE(absl::StrContains(result.err, "switchyard: expected"))
        << result.err;
  }

  // The newest checkpoint; all that are there are whole.
  int64_t Newest() const {
    const auto places =
        ListCheckpoints(folder_.path() / "run" / kCheckpointsFolder);
    EXPECT_TRUE(places.ok()) << places.status();
    for (const CheckpointPlace& place : *places) {
      auto checkpoint = Checkpoint::Open(place.path);
      EXPECT_TRUE(checkpoint.ok()) << checkpoint.status();
      if (!checkpoint.ok()) continue;
      const absl::Status whole = checkpoint->Verify(nullptr);
      EXPECT_TRUE(whole.ok()) << whole;
    }
    return places->empty() ? 0 : places->back().step;
  }

  // The lines of steps, up to the first figure that is a time.
  std::map<std::string, int> Steps(const std::string& out) const {
    std::map<std::string, int> lines;
    std::ifstream file(folder_.path() / out / "metrics.jsonl");
    std::string line;
    while (std::getline(file, line)) {
      if (!absl::StrContains(line, "\"loss\"")) continue;
      ++lines[line.substr(0, line.find(", \"tokens_per_second\""))];
    }
    return lines;
  }

  testing::TemporaryFolder folder_;

 private:
  const uint64_t key_;
  uint32_t draws_ = 0;
};

TEST_F(KillAndResumeTest, NoStepIsLostOrRepeated) {
  const int64_t kills = FromEnvironment("SWITCHYARD_KILLS", 5);
  ASSERT_GE(kills, 1);
  int64_t newest = 0, grown = 0;
  for (int64_t i = 0; i < kills; ++i) {
    LiveAndDie();
    const int64_t now = Newest();
    ASSERT_GE(now, newest) << "kill " << i;
    grown += now > newest ? 1 : 0;
    newest = now;
    std::fprintf(stderr, "kill %lld: checkpoint of step %lld\n",
                 static_cast<long long>(i + 1), static_cast<long long>(newest));
    if (HasFailure()) return;
  }
  EXPECT_GT(grown, 0) << "no life was long enough";
  const std::string stop = absl::StrCat("--stop_at=", newest + 3);
  const CommandResult last =
      Train(2, "run", stop + " --checkpoint_every=2 --resume=auto");
  ASSERT_EQ(last.exit_code, 0) << last.err;
  const CommandResult whole = Train(1, "whole", stop);
  ASSERT_EQ(whole.exit_code, 0) << whole.err;
  const auto expected = Steps("whole"), actual = Steps("run");
  EXPECT_EQ(static_cast<int64_t>(expected.size()), newest + 3);
  EXPECT_EQ(actual, expected);
  const auto checksum = [](const std::string& out) {
    return out.substr(out.find("checksum of all weights"), 42);
  };
  EXPECT_EQ(checksum(last.out), checksum(whole.out));
}

}  // namespace
}  // namespace switchyard
