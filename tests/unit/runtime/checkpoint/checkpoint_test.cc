// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Checkpoints of any layout on any other one.
#include "switchyard/runtime/checkpoint/checkpoint.h"

#include <pthread.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "switchyard/base/cpu/cpu_device.h"
#include "switchyard/base/status.h"
#include "switchyard/runtime/checkpoint/checkpoint_folder.h"
#include "switchyard/runtime/checkpoint/checkpoint_writer.h"
#include "switchyard/runtime/checkpoint/restore.h"
#include "switchyard/runtime/checkpoint/snapshot.h"
#include "switchyard/tests/support/kept_state.h"
#include "switchyard/tests/support/temporary_folder.h"
#include "switchyard/tests/support/trainer_run.h"

namespace switchyard::testing {
namespace {

namespace fs = std::filesystem;

constexpr int kBefore = 2, kAfter = 2;

TrainOptions Options(DType dtype) {
  TrainOptions options = SmallRun();
  options.dtype = dtype;
  options.model.router.selection_bias = true;
  options.balance.bias_update_rate = 0.01;
  return options;
}

VisitState VisitOf(Trainer& trainer) {
  return [&](StateVisitor& visitor) { return trainer.VisitState(visitor); };
}

absl::Status Steps(Trainer& trainer, int count, std::vector<double>* losses) {
  for (int i = 0; i < count; ++i) {
    SWITCHYARD_ASSIGN_OR_RETURN(const StepMetrics metrics, trainer.Step());
    if (trainer.grid().world().rank() == 0) losses->push_back(*metrics.loss);
  }
  return absl::OkStatus();
}

// Writes a checkpoint after kBefore steps, beside which training goes on.
absl::Status SaveOn(const Layout& layout, const TrainOptions& options,
                    const std::string& folder) {
  std::vector<double> losses;
  return WithTrainers(layout, options, [&](Trainer& trainer) -> absl::Status {
    CheckpointWriterOptions writing;
    writing.folder = folder;
    SWITCHYARD_ASSIGN_OR_RETURN(
        const auto writer,
        CheckpointWriter::Create(writing, {}, trainer.grid().world(),
                                 trainer.runner().stream(), VisitOf(trainer)));
    SWITCHYARD_RETURN_IF_ERROR(Steps(trainer, kBefore, &losses));
    SWITCHYARD_RETURN_IF_ERROR(writer->Save());
    for (int i = 0; i < kAfter; ++i) {
      SWITCHYARD_RETURN_IF_ERROR(Steps(trainer, 1, &losses));
      SWITCHYARD_RETURN_IF_ERROR(writer->Poll());
    }
    return writer->Finish();
  });
}

class CheckpointTest : public ::testing::TestWithParam<DType> {};

TEST_P(CheckpointTest, EveryLayoutGoesOnFromEveryOther) {
  const std::vector<Layout> layouts = {{1, 1, 2},
                                       {2, 1, 1},
                                       {2, 2, 1},
                                       {3, 1, 1},
                                       {4, 1, 1},
                                       {4, 2, 1},
                                       {4, 4, 1, /*guarded=*/true}};
  const TrainOptions options = Options(GetParam());
  std::vector<double> expected_losses;
  KeptState expected;
  ASSERT_TRUE(WithTrainers({1, 1, 1}, options, [&](Trainer& trainer) {
                absl::Status status =
                    Steps(trainer, kBefore + kAfter, &expected_losses);
                status.Update(expected.Keep(trainer));
                return status;
              }).ok());
  for (const Layout& before : layouts) {
    const TemporaryFolder folder;
    const absl::Status saved = SaveOn(before, options, folder.path());
    ASSERT_TRUE(saved.ok()) << before.ToString() << ": " << saved;
    for (const Layout& after : layouts) {
      TrainOptions other = options;
      other.seed += 1;  // nothing may be right by chance
      std::vector<double> losses;
      KeptState actual;
      const absl::Status status =
          WithTrainers(after, other, [&](Trainer& trainer) -> absl::Status {
            SWITCHYARD_ASSIGN_OR_RETURN(
                Checkpoint checkpoint,
                Checkpoint::Open(folder.path() / CheckpointName(kBefore)));
            SWITCHYARD_RETURN_IF_ERROR(
                RestoreState(checkpoint, trainer.runner().store(),
                             trainer.runner().stream(), VisitOf(trainer)));
            EXPECT_EQ(trainer.steps_done(), kBefore);
            SWITCHYARD_RETURN_IF_ERROR(Steps(trainer, kAfter, &losses));
            return actual.Keep(trainer);
          });
      const std::string pair =
          absl::StrCat(before.ToString(), " to ", after.ToString());
      ASSERT_TRUE(status.ok()) << pair << ": " << status;
      EXPECT_EQ(actual.Difference(expected), "") << pair;
      for (int i = 0; i < kAfter; ++i) {
        EXPECT_EQ(losses[i], expected_losses[kBefore + i]) << pair;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(DTypes, CheckpointTest,
                         ::testing::Values(DType::kFloat32, DType::kBFloat16),
                         [](const auto& info) {
                           return std::string(NameOf(info.param));
                         });

// Weights alone, also in another dtype: masters are what is read of a run in
// bf16.
TEST(InitFromTest, WeightsBeginAnotherRun) {
  const TemporaryFolder folder;
  ASSERT_TRUE(SaveOn({2, 2, 1}, Options(DType::kBFloat16), folder.path()).ok());
  auto checkpoint = Checkpoint::Open(folder.path() / CheckpointName(kBefore));
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  const absl::Status status = WithTrainers(
      {1, 1, 1}, Options(DType::kFloat32),
      [&](Trainer& trainer) -> absl::Status {
        SWITCHYARD_RETURN_IF_ERROR(
            RestoreWeights(*checkpoint, trainer.runner().store(),
                           trainer.runner().stream(), VisitOf(trainer)));
        EXPECT_EQ(trainer.steps_done(), 0);
        for (const auto& parameter : trainer.runner().store().parameters()) {
          const bool has_master =
              checkpoint->Find("master/" + parameter->name) != nullptr;
          std::vector<float> values(parameter->element_count());
          SWITCHYARD_RETURN_IF_ERROR(
              checkpoint->Read((has_master ? "master/" : "") + parameter->name,
                               0, parameter->element_count(), values.data()));
          const float* weight = parameter->weight.data<float>();
          EXPECT_TRUE(std::equal(values.begin(), values.end(), weight))
              << parameter->name;
        }
        return absl::OkStatus();
      });
  EXPECT_TRUE(status.ok()) << status;
}

// Each bit of each byte that is changed is found, and its file named.
TEST(DamageTest, EveryFlippedBitIsFound) {
  const TemporaryFolder folder;
  TrainOptions options = SmallRun();
  options.model.layers = 1;
  ASSERT_TRUE(SaveOn({2, 1, 1}, options, folder.path()).ok());
  const fs::path path = folder.path() / CheckpointName(kBefore);
  int files = 0;
  for (const fs::directory_entry& entry : fs::directory_iterator(path)) {
    const std::string file = entry.path();
    const int64_t size = static_cast<int64_t>(entry.file_size());
    ++files;
    // Some bytes of the header, of the data, and the ends.
    for (int64_t i = 0; i < 60; ++i) {
      const int64_t at = i < 20   ? i
                         : i < 40 ? size - 1 - (i - 20)
                                  : size / 60 * i;
      const char bit = static_cast<char>(1 << (i % 8));
      std::fstream stream(file,
                          std::ios::in | std::ios::out | std::ios::binary);
      stream.seekg(at);
      const char old = static_cast<char>(stream.get());
      stream.seekp(at);
      stream.put(static_cast<char>(old ^ bit));
      stream.close();
      auto checkpoint = Checkpoint::Open(path);
      const absl::Status status =
          checkpoint.ok() ? checkpoint->Verify(nullptr) : checkpoint.status();
      EXPECT_FALSE(status.ok()) << file << " byte " << at;
      EXPECT_NE(status.message().find(file), std::string::npos) << status;
      std::fstream again(file, std::ios::in | std::ios::out | std::ios::binary);
      again.seekp(at);
      again.put(old);
    }
    auto whole = Checkpoint::Open(path);
    ASSERT_TRUE(whole.ok()) << whole.status();
    EXPECT_TRUE(whole->Verify(nullptr).ok());
  }
  EXPECT_EQ(files, 3);
}

absl::Status VerifyAt(const fs::path& path) {
  auto checkpoint = Checkpoint::Open(path);
  return checkpoint.ok() ? checkpoint->Verify(nullptr) : checkpoint.status();
}

// Also where the header is cut off: it is the checkpoint that is damaged.
TEST(DamageTest, FilesThatAreCutOffOrGoneAreOfTheCheckpoint) {
  const TemporaryFolder folder;
  ASSERT_TRUE(SaveOn({2, 1, 1}, SmallRun(), folder.path()).ok());
  const fs::path path = folder.path() / CheckpointName(kBefore);
  const std::string file = path / RankFileName(1);
  const int64_t size = static_cast<int64_t>(fs::file_size(file));
  for (const int64_t left : {size - 1, int64_t{100}, int64_t{0}}) {
    fs::resize_file(file, static_cast<uintmax_t>(left));
    EXPECT_EQ(VerifyAt(path).message(),
              absl::StrCat(file, ": expected ", size, " bytes, found ", left,
                           "; the checkpoint is damaged: use another one"));
  }
  fs::remove(file);
  EXPECT_EQ(VerifyAt(path).message(),
            absl::StrCat(file, ": expected ", size,
                         " bytes, found none; the checkpoint is damaged: use "
                         "another one"));
}

// A state that no memory holds; nothing of it is looked at.
TEST(SnapshotTest, TooLittleMemoryIsAnError) {
  int64_t elements = 1;
  const VisitState visit = [&](StateVisitor& visitor) {
    StateSlice slice;
    static float nothing = 0.0f;
    slice.name = "weight";
    slice.shape = Shape({elements});
    slice.values = TensorView(&nothing, DType::kFloat32, {elements});
    slice.owned = true;
    return visitor.Visit(slice);
  };
  Snapshot snapshot;
  EXPECT_TRUE(snapshot.Begin(visit).ok());
  elements = int64_t{1} << 50;
  const absl::Status status = snapshot.Begin(visit);
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_NE(status.message().find("expected 4.5 PB of memory"),
            absl::string_view::npos)
      << status;
  // What it had is gone: the next one gets its own.
  elements = 1;
  CpuDevice device;
  const auto stream = device.NewStream();
  EXPECT_TRUE(snapshot.Begin(visit).ok());
  EXPECT_TRUE(snapshot.Copy(*stream, visit).ok());
}

// A disk that fails on one rank fails the checkpoint on all, and the earlier
// ones stay.
class FailingFiles : public FileSystem {
 public:
  absl::StatusOr<std::unique_ptr<NewFile>> Create(
      const std::string& path) override {
    if (path.find("step-00000002/rank-00001") != std::string::npos) {
      return absl::ResourceExhaustedError("no space");
    }
    return SystemFiles().Create(path);
  }
  absl::Status MakeFolder(const std::string& path) override {
    return SystemFiles().MakeFolder(path);
  }
  absl::Status SyncFolder(const std::string& path) override {
    return SystemFiles().SyncFolder(path);
  }
  absl::Status Rename(const std::string& from, const std::string& to) override {
    return SystemFiles().Rename(from, to);
  }
  absl::Status RemoveFolder(const std::string& path) override {
    return SystemFiles().RemoveFolder(path);
  }
};

TEST(CheckpointWriterTest, AFailureOfOneRankIsEverybodys) {
  const TemporaryFolder folder;
  FailingFiles files;
  std::vector<double> losses;
  const absl::Status status = WithTrainers(
      {3, 1, 1}, SmallRun(), [&](Trainer& trainer) -> absl::Status {
        CheckpointWriterOptions writing;
        writing.folder = folder.path();
        SWITCHYARD_ASSIGN_OR_RETURN(
            const auto writer,
            CheckpointWriter::Create(writing, {}, trainer.grid().world(),
                                     trainer.runner().stream(),
                                     VisitOf(trainer), files));
        SWITCHYARD_RETURN_IF_ERROR(Steps(trainer, 1, &losses));
        SWITCHYARD_RETURN_IF_ERROR(writer->Save());
        SWITCHYARD_RETURN_IF_ERROR(Steps(trainer, 1, &losses));
        SWITCHYARD_RETURN_IF_ERROR(writer->Save());
        const absl::Status failed = writer->Finish();
        EXPECT_EQ(failed.message(), "no space");
        return absl::OkStatus();
      });
  EXPECT_TRUE(status.ok()) << status;
  const auto places = ListCheckpoints(folder.path());
  ASSERT_EQ(places->size(), 1u);
  EXPECT_EQ(places->front().step, 1);
}

// New threads want a stack that no process has room for: as with too many
// threads, there is none.
class HugeStacks {
 public:
  HugeStacks() {
    pthread_getattr_default_np(&before_);
    pthread_attr_t huge = before_;
    pthread_attr_setstacksize(&huge, size_t{1} << 47);
    pthread_setattr_default_np(&huge);
  }
  ~HugeStacks() { pthread_setattr_default_np(&before_); }

 private:
  pthread_attr_t before_;
};

TEST(CheckpointWriterTest, AMissingThreadIsAnError) {
  const TemporaryFolder folder;
  std::vector<double> losses;
  const absl::Status status = WithTrainers(
      {1, 1, 1}, SmallRun(), [&](Trainer& trainer) -> absl::Status {
        CheckpointWriterOptions writing;
        writing.folder = folder.path();
        SWITCHYARD_ASSIGN_OR_RETURN(
            const auto writer,
            CheckpointWriter::Create(writing, {}, trainer.grid().world(),
                                     trainer.runner().stream(),
                                     VisitOf(trainer)));
        SWITCHYARD_RETURN_IF_ERROR(Steps(trainer, 1, &losses));
        const HugeStacks stacks;
        SWITCHYARD_RETURN_IF_ERROR(writer->Save());
        const absl::Status failed = writer->Poll();
        EXPECT_TRUE(absl::IsResourceExhausted(failed)) << failed;
        EXPECT_NE(failed.message().find("expected a thread to write"),
                  absl::string_view::npos);
        return absl::OkStatus();
      });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_TRUE(ListCheckpoints(folder.path())->empty());
}

TEST(FindCheckpointTest, TakesARunAFolderOrACheckpoint) {
  const TemporaryFolder run;
  const std::string folder = run.path() / kCheckpointsFolder;
  ASSERT_TRUE(SaveOn({1, 1, 1}, SmallRun(), folder).ok());
  const std::string expected = folder + "/" + CheckpointName(kBefore);
  for (const std::string& path : {run.path().string(), folder, expected}) {
    const auto found = FindCheckpoint(path);
    ASSERT_TRUE(found.ok()) << found.status();
    EXPECT_EQ(fs::path(*found), fs::path(expected));
  }
  const TemporaryFolder empty;
  EXPECT_NE(FindCheckpoint(empty.path()).status().message().find("none in"),
            absl::string_view::npos);
  EXPECT_NE(FindCheckpoint("/nowhere").status().message().find("no folder"),
            absl::string_view::npos);
}

}  // namespace
}  // namespace switchyard::testing
