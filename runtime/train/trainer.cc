// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/train/trainer.h"

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "switchyard/base/status.h"
#include "switchyard/kernels/bias_update.h"
#include "switchyard/runtime/nn/weights_checksum.h"
#include "switchyard/runtime/parallel/agreement.h"
#include "switchyard/runtime/parallel/arithmetic.h"
#include "switchyard/runtime/plan/rank_layout.h"
#include "switchyard/runtime/train/batch_check.h"
#include "switchyard/runtime/train/evaluation.h"
#include "switchyard/runtime/train/routing_files.h"
#include "switchyard/runtime/train/same_run.h"

namespace switchyard {
namespace {

double Now() {
  return std::chrono::duration<double>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

std::unique_ptr<LearningRateSchedule> MakeSchedule(
    const TrainOptions& options) {
  ScheduleShape shape;
  shape.peak = options.lr;
  shape.min_ratio = options.min_lr_ratio;
  shape.warmup_steps = options.warmup_steps;
  shape.steps = options.steps;
  shape.decay_fraction = options.decay_fraction;
  switch (options.schedule) {
    case Schedule::kCosine:
      return std::make_unique<CosineSchedule>(shape);
    case Schedule::kConstant:
      return std::make_unique<ConstantSchedule>(shape);
    case Schedule::kWarmupStableDecay:
      return std::make_unique<WarmupStableDecaySchedule>(shape);
  }
  return nullptr;
}

AdamWOptions OptimizerOptions(const TrainOptions& options) {
  AdamWOptions result;
  result.beta1 = options.beta1;
  result.beta2 = options.beta2;
  result.eps = options.adam_eps;
  result.weight_decay = options.weight_decay;
  result.decay_norms = options.decay_norms;
  result.clip_norm = options.clip_norm;
  result.fraction_bits = static_cast<int>(options.fraction_bits);
  return result;
}

int64_t Rounds(int64_t micro_batches, int ranks) {
  return (micro_batches + ranks - 1) / ranks;
}

int64_t ResidentPeakBytes() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return int64_t{usage.ru_maxrss} * 1024;
}

// Routers of somebody else's may have none.
absl::Status CheckBiases(const TrainOptions& options,
                         const Transformer& model) {
  if (options.balance.bias_update_rate == 0.0) return absl::OkStatus();
  for (const int layer : model.expert_layers()) {
    if (model.selection_bias(layer).defined()) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        "expected a router with a selection bias in every layer for "
        "--bias_update_rate, found none in layer ",
        layer, "; let Router::selection_bias return one or set the flag to 0"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Trainer>> Trainer::Create(
    const TrainOptions& options, comm::Communicator& world, Device& device,
    TrainerParts parts) {
  SWITCHYARD_CHECK(parts.data != nullptr);
  SWITCHYARD_CHECK(options.device == device.kind())
      << NameOf(options.device) << " in the options, " << device.name();
  SWITCHYARD_RETURN_IF_ERROR(CheckSameRun(world, options, *parts.data));
  SWITCHYARD_ASSIGN_OR_RETURN(const RankLayout layout,
                              ResolveLayout(options, world.members()));
  SWITCHYARD_ASSIGN_OR_RETURN(
      Grid grid, Grid::Create(world, static_cast<int>(layout.expert_parallel),
                              static_cast<int>(options.model.experts)));
  SWITCHYARD_RETURN_IF_ERROR(
      AgreeOnInstructionSet(world, options.isa).status());
  std::unique_ptr<Trainer> trainer(
      new Trainer(options, std::make_unique<Grid>(std::move(grid)), device,
                  std::move(parts)));
  SWITCHYARD_RETURN_IF_ERROR(CheckBiases(options, trainer->runner_.model()));
  Stream& stream = trainer->runner_.stream();
  trainer->arithmetic_ =
      ArithmeticFingerprint(stream, options.model, options.dtype);
  SWITCHYARD_RETURN_IF_ERROR(CompareFingerprints(world, trainer->arithmetic_));
  SWITCHYARD_RETURN_IF_ERROR(trainer->OpenRouting());
  return trainer;
}

Trainer::Trainer(const TrainOptions& options, std::unique_ptr<Grid> grid,
                 Device& device, TrainerParts parts)
    : options_(options),
      grid_(std::move(grid)),
      parts_(std::move(parts)),
      runner_(options, *grid_, device,
              parts_.routers != nullptr ? *parts_.routers : ModelRouters()),
      optimizer_(runner_.stream(), *grid_, runner_.store(),
                 OptimizerOptions(options), options.seed),
      statistics_(runner_.stream(), grid_->world(),
                  options.global_batch / options.micro_batch,
                  static_cast<int>(ExpertLayerCount(options.model)),
                  static_cast<int>(options.model.experts)),
      layers_(static_cast<size_t>(ExpertLayerCount(options.model))),
      bias_ranges_(runner_.stream(), runner_.model()) {
  for (size_t i = 0; i < layers_.size(); ++i) {
    layers_[i].layer = runner_.model().expert_layers()[i];
  }
  if (parts_.schedule == nullptr) parts_.schedule = MakeSchedule(options);
  if (parts_.make_loss) runner_.SetLoss(parts_.make_loss(runner_.model()));
  runner_.SetBalanceLoss(std::move(parts_.balance_loss));
  const int64_t micro_batches = options.global_batch / options.micro_batch;
  batches_.resize(Rounds(micro_batches, grid_->world().size()));
  rounds_.resize(batches_.size());
}

absl::Status Trainer::OpenRouting() {
  comm::Communicator& world = grid_->world();
  SWITCHYARD_ASSIGN_OR_RETURN(replay_, OpenReplay(options_, world));
  if (options_.routing_trace.empty()) return absl::OkStatus();
  auto trace = RoutingTrace::Create(options_, world, runner_.stream());
  SWITCHYARD_RETURN_IF_ERROR(Share(trace.status()));
  trace_ = *std::move(trace);
  runner_.SetTrace(trace_.get());
  return absl::OkStatus();
}

absl::Status Trainer::Load(int64_t micro_batch, Batch& batch) {
  SWITCHYARD_RETURN_IF_ERROR(parts_.data->Fill(
      step_, micro_batch * options_.micro_batch, options_.micro_batch, &batch));
  if (replay_ != nullptr) {
    SWITCHYARD_RETURN_IF_ERROR(
        replay_->Read(step_ + 1, micro_batch, &batch.experts));
  }
  SWITCHYARD_RETURN_IF_ERROR(CheckBatch(batch, options_));
  CountTokens(batch, micro_batch, statistics_);
  return absl::OkStatus();
}

void Trainer::Defer(const absl::Status& status) { deferred_.Update(status); }

absl::Status Trainer::Share(const absl::Status& status) {
  return AgreeOnStatus(grid_->world(), status);
}

absl::Status Trainer::LoadBatches() {
  const comm::Communicator& world = grid_->world();
  const int64_t micro_batches = options_.global_batch / options_.micro_batch;
  statistics_.Clear();
  absl::Status status = deferred_;
  for (size_t round = 0; round < batches_.size() && status.ok(); ++round) {
    const int64_t index =
        static_cast<int64_t>(round) * world.size() + world.rank();
    if (index < micro_batches) status = Load(index, batches_[round]);
  }
  SWITCHYARD_RETURN_IF_ERROR(statistics_.ShareTokens(!status.ok()));
  if (statistics_.any_rank_failed()) return Share(status);
  return absl::OkStatus();
}

absl::Status Trainer::RunMicroBatches() {
  const comm::Communicator& world = grid_->world();
  const int64_t micro_batches = options_.global_batch / options_.micro_batch;
  runner_.store().ZeroGradients(runner_.stream());
  for (size_t round = 0; round < batches_.size(); ++round) {
    const int64_t index =
        static_cast<int64_t>(round) * world.size() + world.rank();
    rounds_[round] = {index < micro_batches ? &batches_[round] : nullptr,
                      index};
  }
  const size_t together = static_cast<size_t>(runner_.rounds_together());
  for (size_t begin = 0; begin < rounds_.size(); begin += together) {
    const size_t count = std::min(together, rounds_.size() - begin);
    const bool last = begin + count == rounds_.size();
    SWITCHYARD_RETURN_IF_ERROR(
        runner_.Train(absl::MakeConstSpan(rounds_).subspan(begin, count),
                      statistics_, last ? &optimizer_ : nullptr));
  }
  return absl::OkStatus();
}

absl::Status Trainer::ApplyGradient(StepMetrics& metrics) {
  comm::Ledger& ledger = grid_->world().ledger();
  ledger.SetPosition(step_ + 1, -1, "gradients");
  SWITCHYARD_ASSIGN_OR_RETURN(const GradientReport report,
                              optimizer_.ReduceGradients());
  ledger.SetPosition(step_ + 1, -1, "update");
  metrics.grad_norm = report.norm;
  metrics.learning_rate = parts_.schedule->LearningRate(step_);
  if (report.refused == 0) {
    return optimizer_.Update(metrics.learning_rate, report.norm);
  }
  if (options_.bad_gradient == BadGradient::kSkip) {
    metrics.skipped = true;
    // Of what was not refused there is a norm, but not of the gradient.
    metrics.grad_norm = std::numeric_limits<double>::quiet_NaN();
    return absl::OkStatus();
  }
  return absl::OutOfRangeError(absl::StrCat(
      "step ", step_ + 1, ": every gradient must be finite and small, but ",
      report.refused, " elements are not, first in ", report.parameter,
      report.rank < 0 ? "" : absl::StrCat(" on rank ", report.rank),
      "; lower --lr, set --clip_norm, or go on without such steps with "
      "--bad_gradient skip"));
}

void Trainer::UpdateBiases() {
  const float rate = static_cast<float>(options_.balance.bias_update_rate);
  if (rate == 0.0f) return;
  const Transformer& model = runner_.model();
  int row = 0;
  for (const int layer : model.expert_layers()) {
    kernels::BiasUpdate(runner_.stream(), {statistics_.AssignedView(row), rate,
                                           model.selection_bias(layer)});
    ++row;
  }
  runner_.stream().Wait();
}

absl::StatusOr<StepMetrics> Trainer::Step() {
  const double start = Now();
  runner_.SetStep(step_ + 1);
  SWITCHYARD_RETURN_IF_ERROR(LoadBatches());
  SWITCHYARD_RETURN_IF_ERROR(RunMicroBatches());
  if (trace_ != nullptr) {
    SWITCHYARD_RETURN_IF_ERROR(trace_->Write(step_ + 1, &deferred_));
  }
  SWITCHYARD_RETURN_IF_ERROR(statistics_.ShareResults());
  StepMetrics metrics;
  metrics.step = step_ + 1;
  SWITCHYARD_RETURN_IF_ERROR(ApplyGradient(metrics));
  // A skipped step changes nothing: its loads may be those of broken logits.
  if (!metrics.skipped) UpdateBiases();
  const int64_t labels = statistics_.total_labels();
  if (labels > 0) {
    metrics.loss = statistics_.loss_sum() / static_cast<double>(labels);
  }
  metrics.balance_loss = statistics_.balance();
  metrics.z_loss = statistics_.z();
  if (options_.balance.device_coefficient > 0.0) {
    metrics.device_balance_loss = statistics_.device_balance();
  }
  if (options_.balance.communication_coefficient > 0.0) {
    metrics.communication_balance_loss = statistics_.communication_balance();
  }
  metrics.tokens = statistics_.total_valid();
  metrics.dropped = statistics_.dropped();
  metrics.max_load = statistics_.max_load();
  metrics.dropped_share = statistics_.dropped_share();
  metrics.dead_experts = statistics_.dead_experts();
  if (ReportsLayers(options_, metrics.step)) {
    FillLayerMetrics(statistics_, options_, absl::MakeSpan(layers_));
    bias_ranges_.Fill(absl::MakeSpan(layers_));
    metrics.layers = layers_;
  }
  metrics.step_seconds = Now() - start;
  metrics.tokens_per_second =
      static_cast<double>(metrics.tokens) / metrics.step_seconds;
  ++step_;
  return metrics;
}

absl::StatusOr<EvalMetrics> Trainer::Evaluate() {
  SWITCHYARD_ASSIGN_OR_RETURN(
      EvalMetrics metrics,
      switchyard::Evaluate(options_, grid_->world(), runner_, *parts_.data));
  metrics.step = step_;
  return metrics;
}

absl::StatusOr<uint64_t> Trainer::WeightsChecksum() {
  return switchyard::WeightsChecksum(runner_.stream(), *grid_, runner_.store());
}

absl::Status Trainer::VisitState(StateVisitor& visitor) {
  SWITCHYARD_RETURN_IF_ERROR(visitor.Visit("step", &step_));
  for (const std::unique_ptr<StateTensor>& state : runner_.store().states()) {
    const int64_t count = state->shape.element_count();
    SWITCHYARD_RETURN_IF_ERROR(visitor.Visit(
        {state->name, state->shape, 0, state->values.Reshaped({count}),
         /*owned=*/grid_->world().rank() == 0}));
  }
  return optimizer_.VisitState(visitor);
}

void Trainer::Report(const EvalMetrics& metrics) {
  if (!summary_.first_eval) summary_.first_eval = metrics;
  summary_.last_eval = metrics;
  if (reports()) Defer(parts_.sink->OnEval(metrics));
}

void Trainer::Report(const StepMetrics& metrics) {
  rates_.Add(metrics.tokens_per_second);
  summary_.dropped += metrics.dropped;
  summary_.skipped_steps += metrics.skipped ? 1 : 0;
  summary_.last_max_load = metrics.max_load;
  if (reports()) Defer(parts_.sink->OnStep(metrics));
}

absl::Status Trainer::RunSteps() {
  while (step_ < LastStep(options_)) {
    if (EvaluatesAfter(options_, step_)) {
      SWITCHYARD_ASSIGN_OR_RETURN(const EvalMetrics metrics, Evaluate());
      Report(metrics);
    }
    if (parts_.before_step) Defer(parts_.before_step(step_));
    SWITCHYARD_ASSIGN_OR_RETURN(const StepMetrics metrics, Step());
    Report(metrics);
    if (parts_.after_step) Defer(parts_.after_step(step_));
  }
  if (EvaluatesAfter(options_, step_)) {
    SWITCHYARD_ASSIGN_OR_RETURN(const EvalMetrics metrics, Evaluate());
    Report(metrics);
  }
  return Share(deferred_);
}

absl::Status Trainer::Finish() {
  SWITCHYARD_ASSIGN_OR_RETURN(const uint64_t checksum, WeightsChecksum());
  int64_t tensors = runner_.activation_bytes();
  for (const ParameterGroup& group : runner_.store().groups()) {
    tensors += group.weights.byte_count() + group.gradients.byte_count();
  }
  for (const std::unique_ptr<StateTensor>& state : runner_.store().states()) {
    tensors += state->values.byte_count();
  }
  tensors += optimizer_.state_bytes();
  std::vector<int64_t> bytes = {tensors, ResidentPeakBytes()};
  Storage storage(runner_.stream().device(), DType::kInt64, {2});
  const TensorView view = storage.View(DType::kInt64, {2});
  runner_.stream().CopyToDevice(view, bytes.data());
  SWITCHYARD_RETURN_IF_ERROR(grid_->world()
                                 .AllReduce(runner_.stream(), view,
                                            comm::ReduceOp::kMax,
                                            {-1, "memory"})
                                 .Wait());
  runner_.stream().CopyToHost(bytes.data(), view);
  SWITCHYARD_RETURN_IF_ERROR(
      comm::WaitForResults(runner_.stream(), grid_->world()));
  summary_.steps = step_;
  summary_.median_tokens_per_second = rates_.Median();
  summary_.peak_rank_bytes = bytes[0];
  summary_.peak_resident_bytes = bytes[1];
  summary_.weights_checksum =
      absl::StrCat(absl::Hex(checksum, absl::kZeroPad16));
  return Share(reports() ? parts_.sink->OnEnd(summary_) : absl::OkStatus());
}

absl::Status Trainer::Run() {
  const double start = Now();
  SWITCHYARD_RETURN_IF_ERROR(RunSteps());
  summary_.seconds = Now() - start;
  return Finish();
}

}  // namespace switchyard
