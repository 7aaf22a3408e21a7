// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "training_loop.h"

#include <numeric>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "settings.h"
#include "switchyard/base/status.h"
#include "switchyard/runtime/nn/weights_checksum.h"
#include "switchyard/runtime/parallel/agreement.h"
#include "switchyard/runtime/parallel/arithmetic.h"

namespace custom_trainer {

using switchyard::ArenaScope;
using switchyard::Batch;
using switchyard::DataSource;
using switchyard::DType;
using switchyard::Execution;
using switchyard::GradientReport;
using switchyard::Grid;
using switchyard::ModelConfig;
using switchyard::MoeLayer;
using switchyard::Shape;
using switchyard::ShardedAdamW;
using switchyard::TensorView;
using switchyard::TokenBatch;
using switchyard::Transformer;

namespace comm = switchyard::comm;

namespace {

constexpr int64_t kTokensOfStep = kGlobalBatch * kSequenceLength;

switchyard::ScheduleShape Schedule() {
  switchyard::ScheduleShape shape;
  shape.peak = kLearningRate;
  shape.min_ratio = kMinLearningRateRatio;
  shape.warmup_steps = kWarmupSteps;
  shape.steps = kSteps;
  return shape;
}

switchyard::AdamWOptions OptimizerOptions() {
  switchyard::AdamWOptions options;
  options.weight_decay = kWeightDecay;
  options.clip_norm = kClipNorm;
  options.fraction_bits = kFractionBits;
  return options;
}

}  // namespace

absl::StatusOr<std::unique_ptr<TrainingLoop>> TrainingLoop::Create(
    const ModelConfig& model, comm::Communicator& world, DataSource& data) {
  // As many ranks as possible share out the experts.
  const int experts = static_cast<int>(model.experts);
  SWITCHYARD_ASSIGN_OR_RETURN(
      Grid grid, Grid::Create(world, std::gcd(experts, world.size()), experts));
  // Ranks on unlike processors compute alike, or say that they cannot.
  SWITCHYARD_RETURN_IF_ERROR(
      switchyard::AgreeOnInstructionSet(world, /*cap=*/"").status());
  std::unique_ptr<TrainingLoop> loop(
      new TrainingLoop(model, std::move(grid), data));
  SWITCHYARD_RETURN_IF_ERROR(switchyard::CompareFingerprints(
      world, switchyard::ArithmeticFingerprint(*loop->stream_, model,
                                               DType::kFloat32)));
  return loop;
}

TrainingLoop::TrainingLoop(const ModelConfig& model, Grid grid,
                           DataSource& data)
    : config_(model),
      data_(data),
      stream_(device_.NewStream()),
      arena_(device_),
      decision_arena_(device_),
      host_arena_(device_),
      // The sum of all micro-batches' gradients must fit 64 bits.
      format_(switchyard::kernels::FixedPoint::ForMicroBatches(kFractionBits,
                                                               kMicroBatches)),
      grid_(std::move(grid)),
      store_(grid_, DType::kFloat32),
      balance_loss_(model.balance_loss_coef),
      schedule_(Schedule()),
      loss_storage_(device_, DType::kFloat64, {kMicroBatches}),
      loss_sums_(loss_storage_.View(DType::kFloat64, {kMicroBatches})) {
  Transformer::Declare(store_, model);
  store_.Allocate(device_);
  store_.Initialize(*stream_, kSeed);
  switchyard::TransformerOptions options;
  options.sequence_length = kSequenceLength;
  model_ =
      std::make_unique<Transformer>(*stream_, store_, grid_, model, options);
  model_->Prepare(kMicroBatch * kSequenceLength);
  loss_ = std::make_unique<CrossEntropy>(model_->head());
  optimizer_ = std::make_unique<ShardedAdamW>(*stream_, grid_, store_,
                                              OptimizerOptions(), kSeed);
}

TokenBatch TrainingLoop::ToDevice(const Execution& run, const Batch* batch) {
  const int64_t tokens = batch == nullptr ? 0 : kMicroBatch * kSequenceLength;
  const TensorView ids = run.New(DType::kInt32, {tokens});
  const TensorView labels = run.New(DType::kInt32, {tokens});
  const TensorView valid = run.New(DType::kUInt8, {tokens});
  if (batch != nullptr) {
    run.stream.CopyToDevice(ids, batch->ids.data());
    run.stream.CopyToDevice(labels, batch->labels.data());
    run.stream.CopyToDevice(valid, batch->valid.data());
  }
  return {ids, labels, valid};
}

void TrainingLoop::ComputeBalanceLoss(const Execution& run,
                                      const Transformer::Saved& saved,
                                      const TokenBatch& tokens) {
  std::vector<MoeLayer::Decision*> decisions;
  for (int layer : model_->expert_layers()) {
    decisions.push_back(&saved.blocks[layer].decision);
  }
  // The micro-batch's share of the step's tokens.
  const double weight = static_cast<double>(tokens.ids.dim(0)) /
                        static_cast<double>(kTokensOfStep);
  const int64_t layers = static_cast<int64_t>(decisions.size());
  const TensorView losses =
      run.New(DType::kFloat64, {layers, 2});  // not reported
  balance_loss_.Compute(run, decisions, tokens, weight, losses);
}

absl::Status TrainingLoop::RunMicroBatch(int64_t micro_batch) {
  const Execution run{*stream_,    arena_,  decision_arena_,
                      host_arena_, format_, &grid_.world().ledger(),
                      step_ + 1};
  ArenaScope activations(arena_);
  ArenaScope decisions(decision_arena_);
  ArenaScope tables(host_arena_);

  // A rank without a micro-batch takes part with no tokens: the others may
  // choose its experts.
  const bool present = micro_batch < kMicroBatches;
  const TokenBatch tokens = ToDevice(run, present ? &batch_ : nullptr);
  const TensorView loss_sum =
      present ? loss_sums_.Rows(micro_batch, micro_batch + 1)
              : run.New(DType::kFloat64, {1});

  SWITCHYARD_ASSIGN_OR_RETURN(Transformer::Saved saved,
                              model_->Forward(run, tokens));
  ComputeBalanceLoss(run, saved, tokens);
  const TensorView dhidden =
      run.New(saved.hidden().dtype(), saved.hidden().shape());
  constexpr double kScale = 1.0 / static_cast<double>(kTokensOfStep);
  loss_->EvaluateWithGradient(run, tokens, saved.hidden(),
                              static_cast<float>(kScale), loss_sum, dhidden);
  const double z_gradient =
      config_.router_z_loss_coef / static_cast<double>(kTokensOfStep);
  SWITCHYARD_RETURN_IF_ERROR(
      model_->Backward(run, saved, static_cast<float>(z_gradient), dhidden));
  stream_->Wait();
  return absl::OkStatus();
}

absl::StatusOr<double> TrainingLoop::MeanLoss() {
  // Each micro-batch has one rank: all other addends are zero.
  SWITCHYARD_RETURN_IF_ERROR(grid_.world()
                                 .AllReduce(*stream_, loss_sums_,
                                            comm::ReduceOp::kSum,
                                            {/*layer=*/-1, "losses"})
                                 .Wait());
  std::vector<double> sums(kMicroBatches);
  stream_->CopyToHost(sums.data(), loss_sums_);
  stream_->Wait();
  return std::accumulate(sums.begin(), sums.end(), 0.0) /
         static_cast<double>(kTokensOfStep);
}

absl::Status TrainingLoop::ApplyGradient(StepReport& report) {
  SWITCHYARD_ASSIGN_OR_RETURN(const GradientReport gradient,
                              optimizer_->ReduceGradients());
  if (gradient.refused > 0) {
    return absl::OutOfRangeError(
        absl::StrCat("step ", report.step, ": the gradient of ",
                     gradient.parameter, " is not finite or too large"));
  }
  report.grad_norm = gradient.norm;
  report.learning_rate = schedule_.LearningRate(step_);
  return optimizer_->Update(report.learning_rate, gradient.norm);
}

absl::StatusOr<StepReport> TrainingLoop::Step() {
  const comm::Communicator& world = grid_.world();
  StepReport report;
  report.step = step_ + 1;
  store_.ZeroGradients(*stream_);
  stream_->Zero(loss_sums_);
  // Rounds of one micro-batch for each rank. Who computes which one changes no
  // bit.
  for (int64_t first = 0; first < kMicroBatches; first += world.size()) {
    const int64_t mine = first + world.rank();
    absl::Status loaded;
    if (mine < kMicroBatches) {
      loaded = data_.Fill(step_, mine * kMicroBatch, kMicroBatch, &batch_);
    }
    SWITCHYARD_RETURN_IF_ERROR(
        switchyard::AgreeOnStatus(grid_.world(), loaded));
    SWITCHYARD_RETURN_IF_ERROR(RunMicroBatch(mine));
  }
  SWITCHYARD_ASSIGN_OR_RETURN(report.loss, MeanLoss());
  SWITCHYARD_RETURN_IF_ERROR(ApplyGradient(report));
  ++step_;
  return report;
}

absl::StatusOr<std::string> TrainingLoop::WeightsChecksum() {
  SWITCHYARD_ASSIGN_OR_RETURN(
      const uint64_t checksum,
      switchyard::WeightsChecksum(*stream_, grid_, store_));
  return absl::StrCat(absl::Hex(checksum, absl::kZeroPad16));
}

}  // namespace custom_trainer
