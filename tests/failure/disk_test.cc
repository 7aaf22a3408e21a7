// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Disks that fall short. A run whose disk fills up ends with a sentence, on
// every rank, and what was complete before stays. The disk is a small tmpfs,
// which only root may mount, in a mount namespace of its own.
#include <filesystem>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "switchyard/base/file.h"
#include "switchyard/tests/support/command_run.h"
#include "switchyard/tests/support/temporary_folder.h"

namespace switchyard {
namespace {

using testing::CommandResult;
using ::testing::HasSubstr;
using testing::Quoted;

bool CanMount(const std::string& folder) {
  return testing::RunCommand("unshare -m mount -t tmpfs none " + Quoted(folder),
                             folder)
             .exit_code == 0;
}

// A checkpoint of the model takes 11.5 MB: of 30 MB the third does not fit.
TEST(FullDiskTest, LeavesThePreviousCheckpointAndSaysSo) {
  const testing::TemporaryFolder folder;
  const std::string disk = folder.path() / "disk";
  std::filesystem::create_directory(disk);
  if (!CanMount(disk)) GTEST_SKIP() << "mounting a disk is not allowed here";
  std::string text;
  for (int i = 0; i < 50000; ++i) text.push_back("etaoin shrdlu\n"[i * 7 % 14]);
  folder.Write("text.txt", text);
  const std::string train = absl::StrCat(
      SWITCHYARD_SOURCE_DIR "/launch/mpirun.sh -n 2 ", SWITCHYARD_COMMAND,
      " train --model=" SWITCHYARD_SOURCE_DIR
      "/examples/models/tiny --data=text.txt --out=disk/run --seq_len=16"
      " --global_batch=4 --micro_batch=1 --threads=1 --steps=1000"
      " --checkpoint_every=2 --keep=0 --layer_metrics_every=0");
  const CommandResult result = testing::RunCommand(
      absl::StrCat("unshare -m sh -c ",
                   Quoted(absl::StrCat(
                       "mount -t tmpfs -o size=30m none disk && { ", train,
                       "; echo exit $?; ", SWITCHYARD_COMMAND,
                       " checkpoint list disk/run; ", SWITCHYARD_COMMAND,
                       " checkpoint verify disk/run; ls -A disk/run/checkpoints"
                       "; }"))),
      folder.path(), 120);
  ASSERT_THAT(result.out, HasSubstr("exit 1")) << result.err;
  EXPECT_THAT(result.err, HasSubstr("No space left on device"));
  EXPECT_THAT(result.err, HasSubstr("free some space there"));
  EXPECT_THAT(result.out, HasSubstr("step-00000002"));
  EXPECT_THAT(result.out, HasSubstr("step-00000004: whole")) << result.err;
  EXPECT_EQ(result.out.find("step-00000006:"), std::string::npos);
}

// The second rank has a disk of its own where --out lies, as on another host.
TEST(LocalDiskTest, RanksThatDoNotSeeTheOutputAreNamed) {
  const testing::TemporaryFolder folder;
  const std::string disk = folder.path() / "disk";
  std::filesystem::create_directory(disk);
  if (!CanMount(disk)) GTEST_SKIP() << "mounting a disk is not allowed here";
  folder.Write("text.txt", std::string(50000, 'e'));
  const std::string train = absl::StrCat(
      SWITCHYARD_COMMAND,
      " train --model=" SWITCHYARD_SOURCE_DIR "/examples/models/tiny --data=",
      folder.path().string(), "/text.txt --out=", disk,
      "/run --seq_len=16 --global_batch=4 --micro_batch=1 --threads=1"
      " --steps=4 --checkpoint_every=2");
  const CommandResult result = testing::RunCommand(
      absl::StrCat(SWITCHYARD_SOURCE_DIR "/launch/mpirun.sh -n 1 ", train,
                   " : -n 1 unshare -m sh -c ",
                   Quoted(absl::StrCat("mount -t tmpfs none ", disk,
                                       " && exec ", train))),
      folder.path(), 120);
  EXPECT_NE(result.exit_code, 0);
  EXPECT_THAT(result.err, HasSubstr("on a disk that all hosts share"));
  EXPECT_THAT(result.err, HasSubstr("found that rank 1 ("));
  EXPECT_FALSE(std::filesystem::exists(disk + "/run/metrics.jsonl"));
}

}  // namespace
}  // namespace switchyard
