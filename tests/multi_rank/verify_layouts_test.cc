// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// `switchyard verify-layouts`: it says yes where the promise is kept, and no
// where a part of a run looks at its rank.
#include "switchyard/launch/commands/verify_layouts.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "switchyard/base/cpu/cpu_device.h"
#include "switchyard/base/status.h"
#include "switchyard/comm/self/self_communicator.h"
#include "switchyard/runtime/optim/summed_gradients.h"
#include "switchyard/runtime/train/layout_record.h"
#include "switchyard/tests/support/command_run.h"
#include "switchyard/tests/support/layout_run.h"
#include "switchyard/tests/support/synthetic_data.h"
#include "switchyard/tests/support/temporary_folder.h"

namespace switchyard::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

// Weighs its tokens by the rank that happens to have them.
class RankLoss : public NextTokenLoss {
 public:
  RankLoss(const Parameter& head, int rank)
      : NextTokenLoss(head), factor_(1.0f + 0.01f * static_cast<float>(rank)) {}
  void EvaluateWithGradient(const Execution& run, const TokenBatch& batch,
                            const ConstTensorView& hidden, float scale,
                            const TensorView& loss_sum,
                            const TensorView& dhidden) const override {
    NextTokenLoss::EvaluateWithGradient(run, batch, hidden, factor_ * scale,
                                        loss_sum, dhidden);
  }

 private:
  float factor_;
};

TrainOptions Options() {
  TrainOptions options = SmallRun();
  options.steps = 3;
  options.warmup_steps = 0;
  return options;
}

absl::StatusOr<LayoutRecord> RecordOn(const RankLayout& layout,
                                      bool looks_at_rank,
                                      TrainOptions options = Options(),
                                      const GradientPlace& watch = {}) {
  options.expert_parallel = layout.expert_parallel;
  return RecordOnThreads(
      static_cast<int>(layout.ranks), {},
      [&](comm::Communicator& world) -> absl::StatusOr<LayoutRecord> {
        CpuDevice device;
        SyntheticData data(options.model.vocabulary, options.seq_len,
                           options.global_batch);
        TrainerParts parts;
        parts.data = &data;
        if (looks_at_rank) {
          parts.make_loss = [&world](const Transformer& model) {
            return std::make_unique<RankLoss>(model.head(), world.rank());
          };
        }
        SWITCHYARD_ASSIGN_OR_RETURN(
            const std::unique_ptr<Trainer> trainer,
            Trainer::Create(options, world, device, std::move(parts)));
        return RecordSteps(*trainer, options.steps, watch);
      });
}

LayoutDifferences DifferencesOn(const RankLayout& layout, bool looks_at_rank) {
  const auto one = RecordOn({1, 1, 1}, looks_at_rank);
  const auto other = RecordOn(layout, looks_at_rank);
  EXPECT_TRUE(one.ok() && other.ok()) << one.status() << other.status();
  return one.ok() && other.ok() ? Compare(*one, *other) : LayoutDifferences();
}

TEST(VerifyLayoutsTest, ARunThatKeepsThePromisePasses) {
  const RankLayout layout{4, 1, 2};
  const LayoutDifferences differences = DifferencesOn(layout, false);
  EXPECT_TRUE(differences.none());
  EXPECT_TRUE(launch::Verdict(layout, differences).ok());
  EXPECT_THAT(launch::LayoutRow(layout, differences),
              AllOf(HasSubstr("4 ranks, width 2"), HasSubstr("same"),
                    Not(HasSubstr("step"))));
}

// Parameters of several chunks, which ranks share out.
TEST(VerifyLayoutsTest, GradientsAreTheSameWhoeverHoldsThem) {
  const GradientPlace watch = {0, 0};
  TrainOptions options = WideRun();
  options.steps = 1;
  options.model.vocabulary = 600;  // three chunks, on eight ranks of several
  const auto one = RecordOn({1, 1, 1}, false, options, watch);
  ASSERT_TRUE(one.ok()) << one.status();
  ASSERT_GT(one->watched.size(), 65536u);
  EXPECT_NE(one->watched.front(), one->watched.back());
  for (const RankLayout& layout : {RankLayout{2, 1, 1}, {3, 1, 1}, {8, 1, 2}}) {
    const auto other = RecordOn(layout, false, options, watch);
    ASSERT_TRUE(other.ok()) << other.status();
    EXPECT_EQ(Compare(*one, *other).gradients, "");
    EXPECT_EQ(one->watched, other->watched);
  }
}

TEST(VerifyLayoutsTest, ALossThatLooksAtItsRankIsFound) {
  const RankLayout layout{2, 1, 1};
  const LayoutDifferences differences = DifferencesOn(layout, true);
  EXPECT_FALSE(differences.none());
  // The first forward pass is the same; its gradients are not.
  EXPECT_THAT(differences.norm, HasSubstr("step 1 by "));
  EXPECT_THAT(
      differences.gradients,
      AllOf(HasSubstr("step 1, "), HasSubstr(" tensors, first lm_head.weight")))
      << "the head's is the first that a backward pass adds to";
  EXPECT_THAT(differences.weights,
              HasSubstr("first model.embed_tokens.weight"));
  EXPECT_THAT(differences.losses, HasSubstr("step 2 by "));
  const absl::Status verdict = launch::Verdict(layout, differences);
  EXPECT_TRUE(absl::IsDataLoss(verdict)) << verdict;
  EXPECT_THAT(
      std::string(verdict.message()),
      AllOf(HasSubstr("2 ranks, width 1"), HasSubstr("the weights at step 1")));
}

TEST(VerifyLayoutsTest, EachKindOfDifferenceIsNamed) {
  LayoutRecord record;
  record.parameters = {"a", "b"};
  record.steps = {{{1, 2, 3}, 4, {5, 6}, {5, 6}, {3, 4}, {7, 8}},
                  {{1, 2, 3}, 4, {5, 6}, {5, 6}, {3, 4}, {7, 8}}};
  EXPECT_TRUE(Compare(record, record).none());
  LayoutRecord other = record;
  other.steps[1].losses[2] = 3.5;
  EXPECT_EQ(Compare(record, other).losses, "step 2 by 5.0e-01");
  other = record;
  other.steps[0].losses[1] = -0.0;
  record.steps[0].losses[1] = 0.0;
  EXPECT_EQ(Compare(record, other).losses, "step 1 by 0.0e+00") << "bits";
  other = record;
  other.steps[1].kept = {5, 5};
  EXPECT_EQ(Compare(record, other).routing, "step 2, 1 counts");
  other = record;
  other.steps[0].norm = 5;
  EXPECT_EQ(Compare(record, other).norm, "step 1 by 1.0e+00");
  other = record;
  other.steps[1].gradients = {0, 4};
  EXPECT_EQ(Compare(record, other).gradients,
            "step 2, 1 of 2 tensors, first a");
  EXPECT_EQ(Compare(record, other).gradient.step, 1);
  EXPECT_EQ(Compare(record, other).gradient.parameter, 0);
  other.steps[0].gradients = {0, 0};
  EXPECT_EQ(Compare(record, other).gradients,
            "step 1, 2 of 2 tensors, first b");
  other = record;
  other.steps[0].weights[1] = 9;
  EXPECT_EQ(Compare(record, other).weights, "step 1, 1 of 2 tensors, first b");
  other = record;
  other.steps.pop_back();
  EXPECT_FALSE(Compare(record, other).none());
}

TEST(VerifyLayoutsTest, TheLargestDifferenceIsFound) {
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  EXPECT_THAT(LargestDifference({1, 2, 3, 4}, {1, 2, 2, 7}, 1),
              AllOf(HasSubstr("2 of 4 elements, most by 1.5e+00 in element 3"),
                    HasSubstr("(2.0")));
  EXPECT_THAT(LargestDifference({-kMost, 0}, {kMost, 1}, 44),
              HasSubstr("most by 1.0e+06 in element 0"));
  EXPECT_THAT(LargestDifference({1, 2}, {1, 2}, 44), HasSubstr("repeatable"));
}

// Exchanges two elements of the embedding's gradient: the norm cannot tell.
TEST(VerifyLayoutsTest, GradientsOfTheSameNormAreTold) {
  const TrainOptions options = Options();
  const auto world = comm::NewSelfCommunicator();
  CpuDevice device;
  SyntheticData data(options.model.vocabulary, options.seq_len,
                     options.global_batch);
  TrainerParts parts;
  parts.data = &data;
  const auto trainer =
      Trainer::Create(options, *world, device, std::move(parts));
  ASSERT_TRUE(trainer.ok() && (*trainer)->Step().ok());
  Trainer& run = **trainer;
  const Parameter& parameter = *run.runner().store().parameters()[0];
  const auto checksums = [&] {
    return *GradientChecksums(run.runner().stream(), run.grid(),
                              run.runner().store(), run.optimizer());
  };
  const std::vector<int64_t> before = checksums();
  int64_t* units = parameter.gradient.sum.data<int64_t>();
  const std::vector<int64_t> kept(units, units + parameter.element_count());
  EXPECT_EQ(kept, *SummedGradient(run.runner().stream(), run.grid(), parameter,
                                  run.optimizer()));
  const auto other = std::find_if(kept.begin(), kept.end(),
                                  [&](int64_t g) { return g != kept[0]; });
  ASSERT_NE(other, kept.end());
  std::swap(units[0], units[other - kept.begin()]);
  const std::vector<int64_t> after = checksums();
  EXPECT_NE(before[0], after[0]);
  EXPECT_TRUE(std::equal(before.begin() + 1, before.end(), after.begin() + 1));
}

TEST(VerifyLayoutsTest, AllWidthsThatFitAreCompared) {
  const auto names = [](const std::vector<RankLayout>& layouts) {
    std::string text;
    for (const RankLayout& layout : layouts) {
      absl::StrAppend(&text, layout.ranks, "/", layout.expert_parallel, " ");
    }
    return text;
  };
  EXPECT_EQ(names(LayoutsUpTo(4, 8, 0)), "2/1 2/2 4/1 4/2 4/4 ");
  EXPECT_EQ(names(LayoutsUpTo(5, 6, 0)), "2/1 2/2 4/1 4/2 5/1 ");
  EXPECT_EQ(names(LayoutsUpTo(7, 7, 0)), "2/1 4/1 7/1 7/7 ");
  EXPECT_EQ(names(LayoutsUpTo(1, 8, 0)), "");
  EXPECT_EQ(names(LayoutsUpTo(4, 8, 4)), "4/4 ");
  EXPECT_EQ(names(LayoutsOf(6, 9, 0)), "6/1 6/3 ");
}

class VerifyLayoutsCommandTest : public ::testing::Test {
 protected:
  VerifyLayoutsCommandTest() {
    std::string text;
    for (int i = 0; text.size() < 20000; ++i)
      absl::StrAppend(&text, i * i, " ");
    folder_.Write("text.txt", text);
  }
  CommandResult Run(const std::string& launcher, const std::string& more) {
    return RunCommand(
        absl::StrCat(launcher, " ", Quoted(command_),
                     " verify-layouts --model ",
                     Quoted(SWITCHYARD_SOURCE_DIR "/examples/models/tiny"),
                     " --data text.txt --seq_len 32 --global_batch 4 "
                     "--micro_batch 1 --steps 2 ",
                     more),
        folder_.path(), 120);
  }
  TemporaryFolder folder_;
  std::string command_ = SWITCHYARD_COMMAND;
};

// A program whose loss looks at its rank, with the command's own table.
TEST_F(VerifyLayoutsCommandTest, AFaultIsNamedAndMeasured) {
  command_ = SWITCHYARD_FAULTY_COMMAND;
  const CommandResult result = Run("", "--max_ranks 2");
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.out,
              AllOf(HasSubstr("2 ranks, width 1"), HasSubstr("step 2"),
                    HasSubstr("gradients: step 2, "),
                    HasSubstr("first lm_head.weight, in 1 of "),
                    HasSubstr("most by 2.5e-01 in element 7 ")));
  EXPECT_EQ(result.ErrorLines().size(), 1u) << result.err;
  EXPECT_THAT(result.err, AllOf(HasSubstr("2 ranks, width 1"),
                                HasSubstr("the gradients at step 2, "),
                                HasSubstr("first lm_head.weight")));
}

TEST_F(VerifyLayoutsCommandTest, AFaultUnderALauncherIsNamedToo) {
  command_ = SWITCHYARD_FAULTY_COMMAND;
  const CommandResult result =
      Run(Quoted(SWITCHYARD_SOURCE_DIR "/launch/mpirun.sh") + " -n 2",
          "--expert_parallel 2");
  EXPECT_NE(result.exit_code, 0);
  EXPECT_THAT(result.out, HasSubstr("most by 2.5e-01 in element 7 "));
  EXPECT_THAT(result.err, HasSubstr("first lm_head.weight"));
}

TEST_F(VerifyLayoutsCommandTest, ReadsTheFlagsOfARun) {
  const std::string model =
      Quoted(SWITCHYARD_SOURCE_DIR "/examples/models/tiny");
  const CommandResult run = RunCommand(
      absl::StrCat(Quoted(SWITCHYARD_COMMAND), " train --model ", model,
                   " --data text.txt --eval_fraction 0.1 --seq_len 32 "
                   "--global_batch 4 --micro_batch 1 --steps 40 --stop_at 1 "
                   "--warmup_steps 20 --expert_parallel 1 --threads 1 "
                   "--capacity_factor 1.25 --eval_capacity_factor 2 --out run"),
      folder_.path(), 120);
  ASSERT_EQ(run.exit_code, 0) << run.err;
  const CommandResult result =
      RunCommand(absl::StrCat(Quoted(SWITCHYARD_COMMAND),
                              " verify-layouts --flagfile run/flags.txt"),
                 folder_.path(), 120);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out,
              AllOf(HasSubstr("3 steps of 4 sequences in micro-batches of 1"),
                    HasSubstr("note: of the file of flags, "),
                    HasSubstr("--expert_parallel, "), HasSubstr("--out, "),
                    Not(HasSubstr("--eval_fraction")),
                    HasSubstr("every bit is the same on 6 layouts")));
}

TEST_F(VerifyLayoutsCommandTest, ComparesLayoutsOfThreads) {
  const CommandResult result = Run("", "--capacity_factor 1.25");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  for (const char* row :
       {"2 ranks, width 1", "2 ranks, width 2", "4 ranks, width 1",
        "4 ranks, width 4", "every bit is the same on 6 layouts"}) {
    EXPECT_THAT(result.out, HasSubstr(row));
  }
}

TEST_F(VerifyLayoutsCommandTest, ComparesTheRanksOfALauncherWithOne) {
  const CommandResult result =
      Run(Quoted(SWITCHYARD_SOURCE_DIR "/launch/mpirun.sh") + " -n 2", "");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  for (const char* row : {"2 ranks, width 1", "2 ranks, width 2",
                          "every bit is the same on 3 layouts"}) {
    EXPECT_THAT(result.out, HasSubstr(row));
  }
}

TEST_F(VerifyLayoutsCommandTest, RefusesWhatItCannotDo) {
  const struct {
    const char* flags;
    const char* sentence;
  } cases[] = {
      {"--max_ranks 1", "expected --max_ranks between 2 and 64, found 1"},
      {"--expert_parallel 3", "leave it out to compare every width"},
      {"--out run", "found --out; see --help"},
      {"--data none.txt", "found it twice"},
  };
  for (const auto& item : cases) {
    const CommandResult result = Run("", item.flags);
    EXPECT_EQ(result.exit_code, 1);
    EXPECT_EQ(result.ErrorLines().size(), 1u) << result.err;
    EXPECT_THAT(result.err, HasSubstr(item.sentence));
  }
}

}  // namespace
}  // namespace switchyard::testing
