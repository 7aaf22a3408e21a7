// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The power fails after each call of a file system in turn, and what was not
// synced is lost. What is left must have the newest checkpoint that was ever
// complete, or a newer one, and all that it has must be whole.
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "switchyard/base/status.h"
#include "switchyard/runtime/checkpoint/checkpoint.h"
#include "switchyard/runtime/checkpoint/checkpoint_folder.h"
#include "switchyard/runtime/checkpoint/checkpoint_writer.h"
#include "switchyard/runtime/checkpoint/restore.h"
#include "switchyard/tests/support/temporary_folder.h"
#include "switchyard/tests/support/trainer_run.h"
#include "switchyard/tests/unit/runtime/checkpoint/disk_that_forgets.h"

namespace switchyard::testing {
namespace {

constexpr int kSaves = 4;

TrainOptions OneLayer() {
  TrainOptions options = SmallRun();
  options.model.layers = 1;
  return options;
}

// Trains and saves after every step, the two newest kept. `saved` is the last
// step whose checkpoint was said to be complete, the first save's step
// `first_step`.
absl::Status SaveOften(DiskThatForgets& disk, const std::string& folder,
                       int64_t* saved) {
  return WithTrainers(
      {2, 1, 1}, OneLayer(), [&](Trainer& trainer) -> absl::Status {
        CheckpointWriterOptions options;
        options.folder = folder;
        options.keep = 2;
        options.on_complete = [&](const CheckpointReport& report) {
          *saved = report.step;
          return absl::OkStatus();
        };
        SWITCHYARD_ASSIGN_OR_RETURN(
            const auto writer,
            CheckpointWriter::Create(
                options, {}, trainer.grid().world(), trainer.runner().stream(),
                [&](StateVisitor& visitor) {
                  return trainer.VisitState(visitor);
                },
                disk));
        for (int i = 0; i < kSaves; ++i) {
          SWITCHYARD_RETURN_IF_ERROR(trainer.Step().status());
          SWITCHYARD_RETURN_IF_ERROR(writer->Save());
          SWITCHYARD_RETURN_IF_ERROR(writer->Finish());
        }
        // Again what is there already, as a run does that was resumed.
        SWITCHYARD_RETURN_IF_ERROR(writer->Save());
        return writer->Finish();
      });
}

// The newest step that was left, 0 if there is none; all must be whole.
int64_t NewestSurvivor(const std::string& folder) {
  const auto places = ListCheckpoints(folder);
  EXPECT_TRUE(places.ok()) << places.status();
  int64_t newest = 0;
  for (const CheckpointPlace& place : *places) {
    auto checkpoint = Checkpoint::Open(place.path);
    EXPECT_TRUE(checkpoint.ok()) << checkpoint.status();
    if (!checkpoint.ok()) continue;
    const absl::Status status = checkpoint->Verify(nullptr);
    EXPECT_TRUE(status.ok()) << status;
    EXPECT_EQ(checkpoint->manifest().step(), place.step);
    newest = place.step;
  }
  return newest;
}

TEST(CheckpointCrashTest, NothingThatWasCompleteIsLost) {
  int calls = 0;
  for (int call = 0; call == 0 || call <= calls; ++call) {
    const TemporaryFolder real, after;
    DiskThatForgets disk(real.path());
    disk.FailFrom(call);
    int64_t saved = 0;
    const absl::Status status =
        SaveOften(disk, real.path() / "run" / "checkpoints", &saved);
    EXPECT_EQ(status.ok(), call == 0) << status;
    if (call == 0) {
      calls = disk.calls();
      EXPECT_EQ(saved, kSaves);
      const auto kept = ListCheckpoints(real.path() / "run" / "checkpoints");
      EXPECT_EQ(kept->size(), 2u);
      EXPECT_TRUE(ListUnfinished(real.path() / "run" / "checkpoints").empty());
    }
    const std::string left = after.path() / "left";
    disk.WriteSurvivors(left);
    const int64_t newest = NewestSurvivor(left + "/run/checkpoints");
    // While the last one is written again, its predecessor stands in for it.
    EXPECT_GE(newest, saved == kSaves && call > 0 ? kSaves - 1 : saved)
        << "call " << call << " of " << calls;
  }
  EXPECT_GT(calls, 40);
}

}  // namespace
}  // namespace switchyard::testing
