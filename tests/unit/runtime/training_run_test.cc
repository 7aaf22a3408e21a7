// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// What the trainer does around a step.
#include <algorithm>
#include <cmath>
#include <cstdlib>
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
#include "switchyard/comm/self/self_communicator.h"
#include "switchyard/comm/thread/thread_communicator.h"
#include "switchyard/kernels/instruction_set.h"
#include "switchyard/kernels/matmul.h"
#include "switchyard/runtime/plan/plan.h"
#include "switchyard/runtime/train/recent_rates.h"
#include "switchyard/runtime/train/trainer.h"
#include "switchyard/tests/support/layout_run.h"
#include "switchyard/tests/support/synthetic_data.h"

namespace switchyard::testing {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;

// A trainer of one rank.
class TrainerTest : public ::testing::Test {
 protected:
  absl::StatusOr<std::unique_ptr<Trainer>> Create(const TrainOptions& options,
                                                  TrainerParts parts = {}) {
    data_ = std::make_unique<SyntheticData>(
        options.model.vocabulary, options.seq_len, options.global_batch);
    parts.data = data_.get();
    return Trainer::Create(options, *world_, device_, std::move(parts));
  }

  CpuDevice device_;
  const std::unique_ptr<comm::Communicator> world_ =
      comm::NewSelfCommunicator();
  std::unique_ptr<SyntheticData> data_;
};

TEST(RecentRates, TheMedianIsThatOfTheLastSteps) {
  RecentRates rates;
  EXPECT_EQ(rates.Median(), 0.0);
  rates.Add(3.0);
  EXPECT_EQ(rates.Median(), 3.0);
  rates.Add(1.0);
  rates.Add(2.0);
  EXPECT_EQ(rates.Median(), 2.0);
  // As many again as are kept: the first three are forgotten, and then half.
  for (int64_t i = 0; i < RecentRates::kWindow; ++i) rates.Add(10.0);
  EXPECT_EQ(rates.Median(), 10.0);
  for (int64_t i = 0; i < RecentRates::kWindow / 2 + 1; ++i) rates.Add(20.0);
  EXPECT_EQ(rates.Median(), 20.0);
  for (int64_t i = 0; i < RecentRates::kWindow / 2 + 1; ++i) rates.Add(5.0);
  EXPECT_EQ(rates.Median(), 5.0);
}

// What is kept of a step must not grow with their number.
TEST_F(TrainerTest, TheLongestRunStarts) {
  TrainOptions options = SmallRun();
  options.steps = int64_t{1} << 36;
  ASSERT_TRUE(Validate(options).ok()) << Validate(options);
  const auto trainer = Create(options);
  ASSERT_TRUE(trainer.ok()) << trainer.status();
  EXPECT_TRUE((*trainer)->Step().ok());
}

TEST_F(TrainerTest, RefusesBatchesThatAreNotWhatItAskedFor) {
  const std::vector<std::pair<std::string, std::function<void(Batch&)>>> cases =
      {
          // As many positions as asked for, but not the same ones.
          {"2 sequences of length 24 and an index for each, but the data "
           "source gave 1 of length 48 and 2 indices",
           [](Batch& b) {
             b.sequences = 1;
             b.sequence_length = 48;
           }},
          {"gave 3 of length 24", [](Batch& b) { b.sequences = 3; }},
          {"gave 2 of length 25", [](Batch& b) { b.sequence_length = 25; }},
          {"and 1 indices", [](Batch& b) { b.sequence_index.resize(1); }},
          {"gave 47, 48 and 48", [](Batch& b) { b.ids.resize(47); }},
          {"gave 48, 48 and 49", [](Batch& b) { b.valid.resize(49); }},
          {"position 3 of sequence 1 has 2",
           [](Batch& b) {
             if (b.sequence_index[1] == 1) b.valid[24 + 3] = 2;
           }},
          {"position 23 of sequence 1 has id 48",
           [](Batch& b) {
             if (b.sequence_index[1] == 1) b.ids[24 + 23] = 48;
           }},
          {"label -1", [](Batch& b) { b.labels[0] = -1; }},
      };
  for (const auto& [part, edit] : cases) {
    const auto trainer = Create(SmallRun());
    ASSERT_TRUE(trainer.ok()) << trainer.status();
    data_->edit = edit;
    const absl::Status status = (*trainer)->Step().status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << part;
    EXPECT_THAT(std::string(status.message()), HasSubstr(part));
  }
}

// A loss whose gradient is not finite.
class BrokenLoss : public Loss {
 public:
  void Evaluate(const Execution& run, const TokenBatch&, const ConstTensorView&,
                const TensorView& loss_sum) const override {
    const double nan = std::numeric_limits<double>::quiet_NaN();
    run.stream.CopyToDevice(loss_sum, &nan);
  }
  void EvaluateWithGradient(const Execution& run, const TokenBatch& batch,
                            const ConstTensorView& hidden, float /*scale*/,
                            const TensorView& loss_sum,
                            const TensorView& dhidden) const override {
    Evaluate(run, batch, hidden, loss_sum);
    const std::vector<float> nan(
        static_cast<size_t>(dhidden.shape().element_count()), std::nanf(""));
    run.stream.CopyToDevice(dhidden, nan.data());
  }
};

TEST_F(TrainerTest, ASkippedStepHasNoGradientNorm) {
  TrainOptions options = SmallRun();
  options.bad_gradient = BadGradient::kSkip;
  TrainerParts parts;
  parts.make_loss = [](const Transformer&) {
    return std::make_unique<BrokenLoss>();
  };
  const auto trainer = Create(options, std::move(parts));
  ASSERT_TRUE(trainer.ok()) << trainer.status();
  const auto metrics = (*trainer)->Step();
  ASSERT_TRUE(metrics.ok()) << metrics.status();
  EXPECT_TRUE(metrics->skipped);
  EXPECT_TRUE(std::isnan(metrics->grad_norm)) << metrics->grad_norm;
}

TrainOptions BiasedRun() {
  TrainOptions options = SmallRun();
  options.model.router.selection_bias = true;
  options.balance.bias_update_rate = 0.125;
  return options;
}

TEST_F(TrainerTest, BiasesFollowTheLoadsOfTheStep) {
  const TrainOptions options = BiasedRun();
  ASSERT_TRUE(Validate(options).ok()) << Validate(options);
  const auto trainer = Create(options);
  ASSERT_TRUE(trainer.ok()) << trainer.status();
  const int64_t experts = options.model.experts;
  std::vector<float> expected(options.model.layers * experts, 0.0f);
  for (int step = 0; step < 3; ++step) {
    ASSERT_TRUE((*trainer)->Step().ok());
    const absl::Span<const int64_t> assigned = (*trainer)->assigned();
    const int64_t share = options.global_batch * options.seq_len *
                          options.model.experts_per_token / experts;
    for (size_t i = 0; i < expected.size(); ++i) {
      if (assigned[i] > share) expected[i] -= 0.125f;
      if (assigned[i] < share) expected[i] += 0.125f;
    }
    ASSERT_TRUE((*trainer)->Evaluate().ok()) << "changes nothing";
    for (int layer = 0; layer < options.model.layers; ++layer) {
      const float* bias =
          (*trainer)->runner().model().selection_bias(layer).data<float>();
      for (int64_t e = 0; e < experts; ++e) {
        EXPECT_EQ(bias[e], expected[layer * experts + e]) << step << " " << e;
      }
    }
  }
}

TEST_F(TrainerTest, ASkippedStepMovesNoBias) {
  TrainOptions options = BiasedRun();
  options.bad_gradient = BadGradient::kSkip;
  TrainerParts parts;
  parts.make_loss = [](const Transformer&) {
    return std::make_unique<BrokenLoss>();
  };
  const auto trainer = Create(options, std::move(parts));
  ASSERT_TRUE(trainer.ok()) << trainer.status();
  const auto metrics = (*trainer)->Step();
  ASSERT_TRUE(metrics.ok()) << metrics.status();
  EXPECT_TRUE(metrics->skipped);
  const float* bias =
      (*trainer)->runner().model().selection_bias(0).data<float>();
  for (int64_t e = 0; e < options.model.experts; ++e) EXPECT_EQ(bias[e], 0.0f);
}

// Keeps the weights that it is given, and is no loss.
class WeightRecorder : public BalanceLoss {
 public:
  explicit WeightRecorder(std::vector<double>& weights) : weights_(weights) {}
  void Compute(const Execution& run, absl::Span<MoeLayer::Decision* const>,
               const TokenBatch&, double weight,
               const TensorView& losses) const override {
    weights_.push_back(weight);
    run.stream.Zero(losses);
  }

 private:
  std::vector<double>& weights_;
};

TEST_F(TrainerTest, BalanceLossesHaveWeightInTrainingOnly) {
  std::vector<double> weights;
  TrainerParts parts;
  parts.balance_loss = std::make_unique<WeightRecorder>(weights);
  const auto trainer = Create(SmallRun(), std::move(parts));
  ASSERT_TRUE(trainer.ok()) << trainer.status();
  ASSERT_TRUE((*trainer)->Step().ok());
  EXPECT_EQ(weights, std::vector<double>(4, 0.25));  // 4 micro-batches
  weights.clear();
  ASSERT_TRUE((*trainer)->Evaluate().ok());
  EXPECT_EQ(weights, std::vector<double>(2, 0.0));  // of 3 sequences
}

// 3 sequences of 100 positions: a chunk of the head, and what is left of it.
TEST_F(TrainerTest, TheFirstStepFindsAllPrimitivesMade) {
  if (!kernels::HasBFloat16Products()) {
    GTEST_SKIP() << "oneDNN makes no products here";
  }
  TrainOptions options = SmallRun();
  options.dtype = DType::kBFloat16;
  options.seq_len = 100;
  options.global_batch = 6;
  options.micro_batch = 3;
  const auto trainer = Create(options);
  ASSERT_TRUE(trainer.ok()) << trainer.status();
  const int64_t prepared = kernels::MatMulPrimitiveCount();
  ASSERT_TRUE((*trainer)->Step().ok());
  EXPECT_EQ(kernels::MatMulPrimitiveCount(), prepared);
}

// A world whose ranks are on the nodes that a test says.
class OnNodes : public comm::Communicator {
 public:
  OnNodes(comm::Communicator& world, const std::vector<int>& nodes)
      : world_(world), members_(world.members()) {
    for (size_t i = 0; i < nodes.size(); ++i) members_[i].node = nodes[i];
  }

  int rank() const override { return world_.rank(); }
  int size() const override { return world_.size(); }
  const std::vector<comm::Member>& members() const override { return members_; }
  comm::Ticket AllReduce(Stream& stream, const TensorView& buffer,
                         comm::ReduceOp op, comm::Caller caller) override {
    return world_.AllReduce(stream, buffer, op, caller);
  }
  comm::Ticket ReduceScatter(Stream& stream, const TensorView& send,
                             const TensorView& recv,
                             absl::Span<const int64_t> counts,
                             comm::ReduceOp op, comm::Caller caller) override {
    return world_.ReduceScatter(stream, send, recv, counts, op, caller);
  }
  comm::Ticket AllGather(Stream& stream, const ConstTensorView& send,
                         const TensorView& recv,
                         absl::Span<const int64_t> counts,
                         comm::Caller caller) override {
    return world_.AllGather(stream, send, recv, counts, caller);
  }
  comm::Ticket AllToAllV(Stream& stream, const ConstTensorView& send,
                         absl::Span<const comm::Block> send_blocks,
                         const TensorView& recv,
                         absl::Span<const comm::Block> recv_blocks,
                         comm::Caller caller) override {
    return world_.AllToAllV(stream, send, send_blocks, recv, recv_blocks,
                            caller);
  }
  comm::Ticket Broadcast(Stream& stream, const TensorView& buffer, int root,
                         comm::Caller caller) override {
    return world_.Broadcast(stream, buffer, root, caller);
  }
  comm::Ticket Barrier(comm::Caller caller) override {
    return world_.Barrier(caller);
  }
  absl::StatusOr<std::unique_ptr<comm::Communicator>> Split(
      int color, int key, const std::string& name) override {
    return world_.Split(color, key, name);
  }
  absl::Status Health() override { return world_.Health(); }
  comm::Ledger& ledger() override { return world_.ledger(); }
  int64_t all_to_all_sent_bytes() const override {
    return world_.all_to_all_sent_bytes();
  }
  [[noreturn]] void Abort(const std::string& message) override {
    world_.Abort(message);
    std::abort();  // the compiler does not see that the call stays away
  }

 private:
  comm::Communicator& world_;
  std::vector<comm::Member> members_;
};

// Groups stay inside the smallest node, not only inside the first.
TEST(TrainerOnNodes, TheWidthIsTheOneOfThePlan) {
  const struct {
    std::vector<int> nodes;
    int width;
  } cases[] = {{{0, 0, 0, 0}, 4}, {{0, 0, 1, 1}, 2}, {{0, 0, 1, 2}, 1}};
  for (const auto& c : cases) {
    std::vector<int> widths(4);
    const absl::Status status =
        comm::RunRanks(4, {}, [&](comm::Communicator& threads) -> absl::Status {
          OnNodes world(threads, c.nodes);
          const TrainOptions options = SmallRun();
          SyntheticData data(options.model.vocabulary, options.seq_len,
                             options.global_batch);
          CpuDevice device;
          TrainerParts parts;
          parts.data = &data;
          SWITCHYARD_ASSIGN_OR_RETURN(
              const std::unique_ptr<Trainer> trainer,
              Trainer::Create(options, world, device, std::move(parts)));
          widths[world.rank()] = trainer->grid().width();
          return absl::OkStatus();
        });
    EXPECT_TRUE(status.ok()) << status;
    EXPECT_THAT(widths, Each(c.width));
  }
}

// Keeps the summary.
class SummaryKeeper : public MetricsSink {
 public:
  absl::Status OnStep(const StepMetrics&) override { return absl::OkStatus(); }
  absl::Status OnEval(const EvalMetrics&) override { return absl::OkStatus(); }
  absl::Status OnEnd(const RunSummary& summary) override {
    this->summary = summary;
    return absl::OkStatus();
  }
  RunSummary summary;
};

// What a whole run took: the fullest rank's tensors, and of the first rank the
// most of them that were activations in use.
struct MemoryOfRun {
  int64_t tensors = 0;
  int64_t used = 0;
};

// `crowded`: all tokens are the same, so all want the same experts.
absl::StatusOr<MemoryOfRun> TrainOn(int ranks, const TrainOptions& options,
                                    bool crowded) {
  MemoryOfRun result;
  SWITCHYARD_RETURN_IF_ERROR(
      comm::RunRanks(ranks, {}, [&](comm::Communicator& world) -> absl::Status {
        SyntheticData data(options.model.vocabulary, options.seq_len,
                           options.global_batch);
        data.edit = [&](Batch& batch) {
          if (crowded) std::fill(batch.ids.begin(), batch.ids.end(), 7);
        };
        SummaryKeeper keeper;
        CpuDevice device;
        TrainerParts parts;
        parts.data = &data;
        parts.sink = &keeper;
        SWITCHYARD_ASSIGN_OR_RETURN(
            const std::unique_ptr<Trainer> trainer,
            Trainer::Create(options, world, device, std::move(parts)));
        SWITCHYARD_RETURN_IF_ERROR(trainer->Run());
        if (world.rank() == 0) {
          result.tensors = keeper.summary.peak_rank_bytes;
          result.used = trainer->runner().activation_peak_bytes();
        }
        return absl::OkStatus();
      }));
  return result;
}

struct MemoryCase {
  const char* name;
  int ranks, width;
  bool crowded;
  const char* capacity_factor;
  bool every_way = false;  // to treat overflow
  void (*edit)(ModelConfig&) = nullptr;
};

// Layers of both kinds, and a shared expert with a gate.
void MixLayers(ModelConfig& model) {
  model.feed_forward.first_k_dense_replace = 1;
  model.feed_forward.dense_intermediate_size = 80;
  model.feed_forward.shared_expert_intermediate_size = 72;
  model.feed_forward.shared_expert_gate = true;
}

class MemoryTest : public ::testing::TestWithParam<MemoryCase> {};

// peak_rank_bytes is what the plan says at most, and a rank that has all
// experts takes exactly what the plan says.
TEST_P(MemoryTest, ARunStaysWithinThePlan) {
  const MemoryCase& c = GetParam();
  for (const DType dtype : {DType::kFloat32, DType::kBFloat16}) {
    for (const Recompute recompute : {Recompute::kNone, Recompute::kBlock}) {
      TrainOptions options = SmallRun();
      options.steps = 2;
      options.warmup_steps = 0;
      options.seq_len = 96;
      options.dtype = dtype;
      options.recompute = recompute;
      if (c.edit != nullptr) c.edit(options.model);
      options.expert_parallel = c.width;
      options.overflow.capacity_factor =
          *CapacityFactor::Parse(c.capacity_factor);
      if (c.every_way) {
        options.overflow.capacity_scope = CapacityScope::kSequence;
        options.overflow.drop_policy = DropPolicy::kProbability;
        options.overflow.renormalize_survivors = true;
        options.overflow.no_token_left_behind = 6;
      }
      ASSERT_TRUE(Validate(options).ok()) << Validate(options);
      const auto layout = ResolveLayout(options, c.ranks, c.ranks);
      ASSERT_TRUE(layout.ok()) << layout.status();
      const RankMemory plan = MakePlan(options, *layout).memory;
      const auto run = TrainOn(c.ranks, options, c.crowded);
      ASSERT_TRUE(run.ok()) << run.status();
      const std::string what =
          absl::StrCat(NameOf(dtype), " ", NameOf(recompute));
      EXPECT_LE(run->tensors, plan.worst()) << what;
      EXPECT_LE(run->used, plan.activations + plan.routed_worst) << what;
      if (c.width > 1) continue;
      // Rows are what the rank's tokens ask for: nothing ever grows. Shards are
      // averages in the plan, and on one rank everything.
      EXPECT_LE(run->tensors, plan.expected() + plan.growth_worst) << what;
      if (c.ranks == 1) {
        EXPECT_EQ(run->tensors, plan.expected()) << what;
      }
      // A bound of use: in these small models it is padding that it is off by.
      EXPECT_GE(run->used, (plan.activations + plan.routed) / 2) << what;
    }
  }
}

// What the balance loss counts, and the forward passes that wait for it.
TEST(MemoryTest, AWindowOfTheBalanceLossIsCounted) {
  for (const Recompute recompute : {Recompute::kNone, Recompute::kBlock}) {
    for (const BalanceScope scope :
         {BalanceScope::kMicroBatch, BalanceScope::kSequence,
          BalanceScope::kWindow, BalanceScope::kGlobal}) {
      TrainOptions options = SmallRun();
      options.steps = 2;
      options.warmup_steps = 0;
      options.seq_len = 96;
      options.expert_parallel = 1;
      options.recompute = recompute;
      options.balance.scope = scope;
      options.balance.window = scope == BalanceScope::kWindow ? 2 : 0;
      const Plan plan = MakePlan(options, {1, 1, 1});
      EXPECT_EQ(plan.rounds_together, scope == BalanceScope::kWindow   ? 2
                                      : scope == BalanceScope::kGlobal ? 4
                                                                       : 1);
      const auto run = TrainOn(1, options, /*crowded=*/false);
      ASSERT_TRUE(run.ok()) << run.status();
      const RankMemory& memory = plan.memory;
      EXPECT_EQ(run->tensors, memory.expected()) << NameOf(scope);
      EXPECT_LE(run->used, memory.activations + memory.routed_worst)
          << NameOf(scope);
      EXPECT_GE(run->used, (memory.activations + memory.routed) / 2)
          << NameOf(scope);
    }
  }
}

TEST(MemoryTest, SigmoidsKeepTheirLogitsAndABiasIsCounted) {
  TrainOptions options = SmallRun();
  options.steps = 2;
  options.warmup_steps = 0;
  options.expert_parallel = 1;
  const auto measure = [&options] {
    const RankMemory plan = MakePlan(options, {1, 1, 1}).memory;
    const auto run = TrainOn(1, options, false);
    EXPECT_TRUE(run.ok()) << run.status();
    EXPECT_EQ(run->tensors, plan.expected());
    EXPECT_LE(run->used, plan.activations + plan.routed_worst);
    return plan;
  };
  const RankMemory plain = measure();
  const ModelConfig& model = options.model;
  const int64_t experts = model.layers * model.experts;
  options.model.router.scoring = kernels::RouterScoring::kSigmoid;
  options.model.router.selection_bias = true;
  const RankMemory biased = measure();
  EXPECT_EQ(biased.weights - plain.weights, 4 * experts);
  EXPECT_EQ(biased.activations - plain.activations,
            4 * experts * options.micro_batch * options.seq_len);
}

// Queries and keys are normalised and projections have biases.
TEST(AttentionMemoryTest, ARunStaysWithinThePlan) {
  for (const QkNorm norm : {QkNorm::kHead, QkNorm::kFull}) {
    for (const Recompute recompute : {Recompute::kNone, Recompute::kBlock}) {
      TrainOptions options = SmallRun();
      options.steps = 2;
      options.warmup_steps = 0;
      options.seq_len = 96;
      options.recompute = recompute;
      options.model.head_dim = 24;  // projections wider than the model
      options.model.attention = {norm, AttentionBias::kAll, /*window=*/10};
      const auto layout = ResolveLayout(options, 1, 1);
      ASSERT_TRUE(layout.ok()) << layout.status();
      const Plan plan = MakePlan(options, *layout);
      const auto run = TrainOn(1, options, /*crowded=*/false);
      ASSERT_TRUE(run.ok()) << run.status();
      EXPECT_EQ(run->tensors, plan.memory.expected());
      EXPECT_LE(run->used, plan.memory.activations + plan.memory.routed);
      EXPECT_GE(run->used, (plan.memory.activations + plan.memory.routed) / 2);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Layouts, MemoryTest,
    ::testing::Values(
        MemoryCase{"alone", 1, 1, false, "0"},
        MemoryCase{"alone_crowded", 1, 1, true, "0"},
        MemoryCase{"alone_capacity", 1, 1, false, "1.25"},
        MemoryCase{"alone_overflow", 1, 1, false, "1.25", true},
        MemoryCase{"two_overflow", 2, 2, true, "1", true},
        MemoryCase{"copies", 2, 1, false, "0"},
        MemoryCase{"two", 2, 2, false, "0"},
        MemoryCase{"two_crowded", 2, 2, true, "0"},
        MemoryCase{"four_crowded", 4, 4, true, "0"},
        MemoryCase{"pairs", 4, 2, true, "0"},
        MemoryCase{"eight_crowded", 8, 8, true, "0"},
        MemoryCase{"two_capacity", 2, 2, true, "1"},
        MemoryCase{"idle", 5, 1, false, "0"},
        MemoryCase{"mixed", 1, 1, false, "0", false, MixLayers},
        MemoryCase{"mixed_crowded", 2, 2, true, "0", false, MixLayers},
        MemoryCase{"dense", 2, 2, false, "0", false,
                   [](ModelConfig& m) {
                     m.feed_forward.first_k_dense_replace = 2;
                     m.intermediate_size = 100;
                   }},
        MemoryCase{
            "two_matrices", 1, 1, false, "0", false,
            [](ModelConfig& m) {
              MixLayers(m);
              m.feed_forward.activation = {kernels::Activation::kRelu, false};
            }}),
    [](const auto& info) { return std::string(info.param.name); });

// The first micro-batch of a real model, with and without recomputation.
TEST(MemoryOfTinyTest, ARunTakesWhatThePlanSays) {
  for (const Recompute recompute : {Recompute::kNone, Recompute::kBlock}) {
    TrainOptions options;
    options.model =
        *ReadModelConfig(SWITCHYARD_SOURCE_DIR "/examples/models/tiny");
    options.seq_len = 256;
    options.global_batch = options.micro_batch = 8;
    options.steps = 1;
    options.recompute = recompute;
    FillDefaults(&options);
    ASSERT_TRUE(Validate(options).ok()) << Validate(options);
    const RankMemory plan = MakePlan(options, {1, 1, 1}).memory;
    const auto run = TrainOn(1, options, /*crowded=*/false);
    ASSERT_TRUE(run.ok()) << run.status();
    EXPECT_EQ(run->tensors, plan.expected());
    EXPECT_EQ(run->tensors, plan.worst());
    EXPECT_GE(run->used, (plan.activations + plan.routed) * 85 / 100);
    EXPECT_LE(run->used, plan.activations + plan.routed);
  }
}

}  // namespace
}  // namespace switchyard::testing
