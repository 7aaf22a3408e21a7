// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// What the training loop promises apart from its numbers: bad gradients,
// errors that one rank sees, callbacks.
#include "switchyard/runtime/train/trainer.h"

#include <atomic>
#include <chrono>
#include <functional>
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
#include "switchyard/comm/thread/thread_communicator.h"
#include "switchyard/kernels/elementwise.h"
#include "switchyard/tests/support/kept_state.h"
#include "switchyard/tests/support/layout_run.h"
#include "switchyard/tests/support/synthetic_data.h"

namespace switchyard::testing {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr double kTimeoutSeconds = 30;

TrainOptions ShortRun() {
  TrainOptions options = SmallRun();
  options.schedule = Schedule::kConstant;
  options.warmup_steps = 0;
  options.steps = 3;
  options.eval_every = 0;
  return options;
}

// Runs `rank_main` on `ranks` ranks; experts are shared out over all of them.
// Its errors are the test's: every rank must return OK.
void OnRanks(
    int ranks,
    const std::function<absl::Status(comm::Communicator&)>& rank_main) {
  comm::Options options;
  options.timeout_seconds = kTimeoutSeconds;
  const absl::Status status = comm::RunRanks(ranks, options, rank_main);
  EXPECT_TRUE(status.ok()) << status;
}

absl::StatusOr<std::unique_ptr<Trainer>> NewTrainer(TrainOptions options,
                                                    comm::Communicator& world,
                                                    Device& device,
                                                    TrainerParts parts) {
  options.expert_parallel = world.size();
  return Trainer::Create(options, world, device, std::move(parts));
}

SyntheticData Data(const TrainOptions& options) {
  return SyntheticData(options.model.vocabulary, options.seq_len,
                       options.global_batch);
}

// The gradient of the hidden states is NaN whenever `*bad` is set.
class NanLoss : public NextTokenLoss {
 public:
  NanLoss(const Parameter& head, const bool* bad)
      : NextTokenLoss(head), bad_(bad) {}
  void EvaluateWithGradient(const Execution& run, const TokenBatch& batch,
                            const ConstTensorView& hidden, float scale,
                            const TensorView& loss_sum,
                            const TensorView& dhidden) const override {
    NextTokenLoss::EvaluateWithGradient(run, batch, hidden, scale, loss_sum,
                                        dhidden);
    if (*bad_) {
      kernels::Fill(run.stream, std::numeric_limits<float>::quiet_NaN(),
                    dhidden);
    }
  }

 private:
  const bool* bad_;
};

// Sees the batches of steps 0, 2, 3, ...: as if step 1 had never been.
class WithoutStepOne : public SyntheticData {
 public:
  using SyntheticData::SyntheticData;
  absl::Status Fill(int64_t step, int64_t first, int64_t count,
                    Batch* batch) override {
    return SyntheticData::Fill(step == 0 ? 0 : step + 1, first, count, batch);
  }
};

// [ranks, the rank that has the bad gradient]
class BadGradientTest : public ::testing::TestWithParam<std::pair<int, int>> {
 protected:
  int ranks() const { return GetParam().first; }
  int bad_rank() const { return GetParam().second; }
};

TEST_P(BadGradientTest, ASkippedStepLeavesNoTrace) {
  TrainOptions options = ShortRun();
  options.bad_gradient = BadGradient::kSkip;
  KeptState before, after, end, end_without;
  StepMetrics last, last_without;
  OnRanks(ranks(), [&](comm::Communicator& world) -> absl::Status {
    CpuDevice device;
    SyntheticData data = Data(options);
    TrainerParts parts;
    parts.data = &data;
    bool bad = false;
    parts.make_loss = [&bad](const Transformer& model) {
      return std::make_unique<NanLoss>(model.head(), &bad);
    };
    SWITCHYARD_ASSIGN_OR_RETURN(
        const std::unique_ptr<Trainer> trainer,
        NewTrainer(options, world, device, std::move(parts)));
    SWITCHYARD_ASSIGN_OR_RETURN(StepMetrics metrics, trainer->Step());
    EXPECT_FALSE(metrics.skipped);
    SWITCHYARD_RETURN_IF_ERROR(before.Keep(*trainer));
    bad = world.rank() == bad_rank();
    SWITCHYARD_ASSIGN_OR_RETURN(metrics, trainer->Step());
    EXPECT_TRUE(metrics.skipped) << "on rank " << world.rank();
    EXPECT_TRUE(metrics.loss.has_value());
    EXPECT_EQ(trainer->optimizer().updates(), 1);
    EXPECT_EQ(trainer->steps_done(), 2);
    SWITCHYARD_RETURN_IF_ERROR(after.Keep(*trainer));
    bad = false;
    SWITCHYARD_ASSIGN_OR_RETURN(metrics, trainer->Step());
    EXPECT_FALSE(metrics.skipped);
    if (world.rank() == 0) last = metrics;
    return end.Keep(*trainer);
  });
  EXPECT_EQ(before.Difference(after), "step ") << "nothing else has moved";

  OnRanks(ranks(), [&](comm::Communicator& world) -> absl::Status {
    CpuDevice device;
    WithoutStepOne data(options.model.vocabulary, options.seq_len,
                        options.global_batch);
    TrainerParts parts;
    parts.data = &data;
    SWITCHYARD_ASSIGN_OR_RETURN(
        const std::unique_ptr<Trainer> trainer,
        NewTrainer(options, world, device, std::move(parts)));
    SWITCHYARD_RETURN_IF_ERROR(trainer->Step().status());
    SWITCHYARD_ASSIGN_OR_RETURN(const StepMetrics metrics, trainer->Step());
    if (world.rank() == 0) last_without = metrics;
    return end_without.Keep(*trainer);
  });
  EXPECT_EQ(end.Difference(end_without), "step ");
  EXPECT_EQ(*last.loss, *last_without.loss);
  EXPECT_EQ(last.grad_norm, last_without.grad_norm);
}

TEST_P(BadGradientTest, StopsEveryRankWithTheSameSentence) {
  const TrainOptions options = ShortRun();
  OnRanks(ranks(), [&](comm::Communicator& world) -> absl::Status {
    CpuDevice device;
    SyntheticData data = Data(options);
    TrainerParts parts;
    parts.data = &data;
    SWITCHYARD_ASSIGN_OR_RETURN(
        const std::unique_ptr<Trainer> trainer,
        NewTrainer(options, world, device, std::move(parts)));
    const bool bad = world.rank() == bad_rank();
    ModelRunner& runner = trainer->runner();
    runner.SetLoss(std::make_unique<NanLoss>(runner.model().head(), &bad));
    const absl::Status status = trainer->Step().status();
    EXPECT_TRUE(absl::IsOutOfRange(status)) << status;
    EXPECT_THAT(std::string(status.message()),
                AllOf(HasSubstr("step 1"),
                      HasSubstr("first in model.embed_tokens.weight"),
                      HasSubstr(absl::StrCat("on rank ", bad_rank(), ";"))));
    EXPECT_EQ(trainer->optimizer().updates(), 0);
    return absl::OkStatus();
  });
}

INSTANTIATE_TEST_SUITE_P(Ranks, BadGradientTest,
                         ::testing::Values(std::pair(1, 0), std::pair(2, 0),
                                           std::pair(2, 1)),
                         [](const auto& info) {
                           return absl::StrCat("Rank", info.param.second, "Of",
                                               info.param.first);
                         });

// Where a run of two ranks fails, and on which of them.
struct Failure {
  enum Place {
    kFill,
    kFillEval,
    kBeforeStep,
    kAfterStep,
    kOnStep,
    kOnEval,
    kOnEnd
  } place;
  int rank;
};

const char* NameOf(Failure::Place place) {
  constexpr const char* kNames[] = {"Fill",      "FillEval", "BeforeStep",
                                    "AfterStep", "OnStep",   "OnEval",
                                    "OnEnd"};
  return kNames[place];
}

absl::Status TheFailure(int rank) {
  return absl::DataLossError(absl::StrCat("rank ", rank, " cannot go on"));
}

class FailingData : public SyntheticData {
 public:
  FailingData(const TrainOptions& options, bool fill, bool eval, int rank)
      : SyntheticData(options.model.vocabulary, options.seq_len,
                      options.global_batch),
        fill_(fill),
        eval_(eval),
        rank_(rank) {}
  absl::Status Fill(int64_t step, int64_t first, int64_t count,
                    Batch* batch) override {
    if (fill_ && step == 1) return TheFailure(rank_);
    return SyntheticData::Fill(step, first, count, batch);
  }
  absl::Status FillEval(int64_t first, int64_t count, Batch* batch) override {
    if (eval_) return TheFailure(rank_);
    return SyntheticData::FillEval(first, count, batch);
  }

 private:
  const bool fill_, eval_;
  const int rank_;
};

class FailingSink : public MetricsSink {
 public:
  FailingSink(const Failure& failure, int rank)
      : failure_(failure), rank_(rank) {}
  absl::Status OnStep(const StepMetrics&) override {
    return At(Failure::kOnStep);
  }
  absl::Status OnEval(const EvalMetrics&) override {
    return At(Failure::kOnEval);
  }
  absl::Status OnEnd(const RunSummary&) override { return At(Failure::kOnEnd); }

 private:
  absl::Status At(Failure::Place place) const {
    EXPECT_EQ(rank_, 0) << "rank 0 alone reports";
    const bool fails = failure_.place == place && failure_.rank == rank_;
    return fails ? TheFailure(rank_) : absl::OkStatus();
  }

  const Failure failure_;
  const int rank_;
};

class OneRankFailsTest : public ::testing::TestWithParam<Failure> {};

TEST_P(OneRankFailsTest, BothGetTheSentenceAndNobodyWaits) {
  const Failure failure = GetParam();
  TrainOptions options = ShortRun();
  options.has_eval_data = true;
  options.eval_every = 2;
  const auto start = std::chrono::steady_clock::now();
  std::atomic<int> told{0};
  OnRanks(2, [&](comm::Communicator& world) -> absl::Status {
    const auto fails = [&](Failure::Place place) {
      return failure.place == place && failure.rank == world.rank();
    };
    CpuDevice device;
    FailingData data(options, fails(Failure::kFill), fails(Failure::kFillEval),
                     world.rank());
    FailingSink sink(failure, world.rank());
    TrainerParts parts;
    parts.data = &data;
    parts.sink = &sink;
    parts.before_step = [&](int64_t) {
      return fails(Failure::kBeforeStep) ? TheFailure(world.rank())
                                         : absl::OkStatus();
    };
    // After the last step: no other step will carry the news.
    parts.after_step = [&](int64_t step) {
      return fails(Failure::kAfterStep) && step == options.steps
                 ? TheFailure(world.rank())
                 : absl::OkStatus();
    };
    SWITCHYARD_ASSIGN_OR_RETURN(
        const std::unique_ptr<Trainer> trainer,
        NewTrainer(options, world, device, std::move(parts)));
    EXPECT_EQ(trainer->Run(), TheFailure(failure.rank))
        << "rank " << world.rank();
    ++told;
    return absl::OkStatus();
  });
  EXPECT_EQ(told, 2);
  EXPECT_LT(std::chrono::steady_clock::now() - start,
            std::chrono::duration<double>(kTimeoutSeconds));
}

INSTANTIATE_TEST_SUITE_P(
    Places, OneRankFailsTest,
    ::testing::Values(
        Failure{Failure::kFill, 0}, Failure{Failure::kFill, 1},
        Failure{Failure::kFillEval, 0}, Failure{Failure::kFillEval, 1},
        Failure{Failure::kBeforeStep, 0}, Failure{Failure::kBeforeStep, 1},
        Failure{Failure::kAfterStep, 0}, Failure{Failure::kAfterStep, 1},
        Failure{Failure::kOnStep, 0}, Failure{Failure::kOnEval, 0},
        Failure{Failure::kOnEnd, 0}),
    [](const auto& info) {
      return absl::StrCat(NameOf(info.param.place), "OnRank", info.param.rank);
    });

TEST(TrainerTest, CallbacksGetTheNumberOfStepsDone) {
  TrainOptions options = ShortRun();
  options.stop_at = 2;
  OnRanks(2, [&](comm::Communicator& world) -> absl::Status {
    CpuDevice device;
    SyntheticData data = Data(options);
    std::vector<std::string> calls;
    const auto note = [&calls](const char* what) {
      return [&calls, what](int64_t step) {
        calls.push_back(absl::StrCat(what, " ", step));
        return absl::OkStatus();
      };
    };
    TrainerParts parts;
    parts.data = &data;
    parts.before_step = note("before");
    parts.after_step = note("after");
    SWITCHYARD_ASSIGN_OR_RETURN(
        const std::unique_ptr<Trainer> trainer,
        NewTrainer(options, world, device, std::move(parts)));
    SWITCHYARD_RETURN_IF_ERROR(trainer->Run());
    EXPECT_THAT(calls,
                ElementsAre("before 0", "after 1", "before 1", "after 2"));
    EXPECT_EQ(trainer->steps_done(), 2);
    return absl::OkStatus();
  });
}

// Keeps what the run reports in the end.
class SummaryKeeper : public MetricsSink {
 public:
  absl::Status OnStep(const StepMetrics& metrics) override {
    steps.push_back(metrics.step);
    return absl::OkStatus();
  }
  absl::Status OnEval(const EvalMetrics& metrics) override {
    evals.push_back(metrics.step);
    return absl::OkStatus();
  }
  absl::Status OnEnd(const RunSummary& end) override {
    summary = end;
    return absl::OkStatus();
  }
  std::vector<int64_t> steps, evals;
  RunSummary summary;
};

TEST(TrainerTest, TheWeightsChecksumIsTheSameOnEveryLayout) {
  TrainOptions options = ShortRun();
  options.has_eval_data = true;
  options.eval_every = 2;
  std::vector<std::string> reported;
  for (const int ranks : {1, 2, 4}) {
    SummaryKeeper sink;
    OnRanks(ranks, [&](comm::Communicator& world) -> absl::Status {
      CpuDevice device;
      SyntheticData data = Data(options);
      TrainerParts parts;
      parts.data = &data;
      parts.sink = &sink;
      SWITCHYARD_ASSIGN_OR_RETURN(
          const std::unique_ptr<Trainer> trainer,
          NewTrainer(options, world, device, std::move(parts)));
      SWITCHYARD_ASSIGN_OR_RETURN(const uint64_t before,
                                  trainer->WeightsChecksum());
      SWITCHYARD_RETURN_IF_ERROR(trainer->Run());
      SWITCHYARD_ASSIGN_OR_RETURN(const uint64_t after,
                                  trainer->WeightsChecksum());
      EXPECT_NE(before, after);
      if (world.rank() == 0) {
        reported.push_back(absl::StrCat(absl::Hex(before, absl::kZeroPad16),
                                        absl::Hex(after, absl::kZeroPad16)));
        EXPECT_EQ(sink.summary.weights_checksum,
                  absl::StrCat(absl::Hex(after, absl::kZeroPad16)));
      }
      return absl::OkStatus();
    });
    EXPECT_THAT(sink.steps, ElementsAre(1, 2, 3));
    EXPECT_THAT(sink.evals, ElementsAre(0, 2, 3));
    EXPECT_EQ(sink.summary.steps, 3);
    EXPECT_EQ(sink.summary.skipped_steps, 0);
  }
  ASSERT_EQ(reported.size(), 3u);
  EXPECT_EQ(reported[1], reported[0]);
  EXPECT_EQ(reported[2], reported[0]);
}

}  // namespace
}  // namespace switchyard::testing
