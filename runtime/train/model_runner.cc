// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/train/model_runner.h"

#include <algorithm>
#include <utility>

#include "switchyard/base/status.h"
#include "switchyard/kernels/routing_statistics.h"
#include "switchyard/runtime/plan/activation_memory.h"

namespace switchyard {
namespace {

size_t FirstBytes(const ArenaPeak& peak) {
  return static_cast<size_t>(peak.bytes);
}

TransformerOptions ModelOptions(const TrainOptions& options,
                                const RouterFactory& routers) {
  TransformerOptions result;
  result.moe.routers = &routers;
  result.recompute = options.recompute == Recompute::kBlock;
  result.sequence_length = options.seq_len;
  result.moe.max_rows_per_rank = options.max_rows_per_rank;
  result.moe.overflow = OverflowRuleOf(options, /*training=*/true);
  result.moe.eval_overflow = OverflowRuleOf(options, /*training=*/false);
  result.moe.expert_dropout = options.expert_dropout;
  result.moe.exploration = options.exploration;
  return result;
}

int64_t MicroBatches(const TrainOptions& options) {
  return options.global_batch / options.micro_batch;
}

int64_t Together(const TrainOptions& options, const Grid& grid) {
  const int64_t micro_batches = MicroBatches(options);
  return RoundsTogether(CountedTogether(options.balance, micro_batches),
                        micro_batches, grid.world().size());
}

BalanceLossSettings BalanceOf(const TrainOptions& options) {
  BalanceLossSettings settings;
  settings.kind = options.balance.loss;
  settings.coefficient = options.model.balance_loss_coef;
  if (options.balance.scope == BalanceScope::kSequence) {
    settings.sequence_length = options.seq_len;
  }
  const RouterConfig& router = options.model.router;
  if (options.balance.device_coefficient > 0.0 ||
      options.balance.communication_coefficient > 0.0) {
    settings.device_coefficient = options.balance.device_coefficient;
    settings.communication_coefficient =
        options.balance.communication_coefficient;
    settings.devices = router.device_groups;
    settings.devices_per_token = router.device_groups_per_token;
  }
  settings.counted_together =
      CountedTogether(options.balance, MicroBatches(options));
  return settings;
}

}  // namespace

ModelRunner::ModelRunner(const TrainOptions& options, const Grid& grid,
                         Device& device, const RouterFactory& routers,
                         Gradients gradients)
    : options_(options),
      world_(grid.world()),
      stream_(device.NewStream()),
      // What an even load needs at once, so that a run whose load stays near it
      // never grows and the plan can say what it takes.
      arena_(device,
             FirstBytes(ActivationPeak(options, EvenRows(options, grid.width()),
                                       Together(options, grid)))),
      decision_arena_(
          device, FirstBytes(DecisionPeak(options, Together(options, grid)))),
      host_arena_(host_),
      deferred_(static_cast<int>(options.model.layers)),
      format_(kernels::FixedPoint::ForMicroBatches(
          static_cast<int>(options.fraction_bits),
          options.global_batch / options.micro_batch)),
      store_(grid, options.dtype) {
  Transformer::Declare(store_, options.model, routers);
  if (gradients == Gradients::kYes && SumsFloats(options)) {
    gradients = Gradients::kFloat32;
  }
  store_.Allocate(device, gradients);
  store_.Initialize(*stream_, options.seed);
  model_ = std::make_unique<Transformer>(*stream_, store_, grid, options.model,
                                         ModelOptions(options, routers));
  if (device.kind() == DeviceKind::kCpu) {
    model_->Prepare(options.micro_batch * options.seq_len);
  }
  loss_ = std::make_unique<NextTokenLoss>(model_->head());
  balance_loss_ = std::make_unique<ExpertBalanceLoss>(BalanceOf(options));
}

void ModelRunner::SetLoss(std::unique_ptr<Loss> loss) {
  if (loss != nullptr) loss_ = std::move(loss);
}

void ModelRunner::SetBalanceLoss(std::unique_ptr<BalanceLoss> loss) {
  if (loss != nullptr) balance_loss_ = std::move(loss);
}

int64_t ModelRunner::rounds_together() const {
  return RoundsTogether(balance_loss_->counted_together(),
                        MicroBatches(options_), world_.size());
}

int64_t ModelRunner::activation_bytes() const {
  return static_cast<int64_t>(arena_.reserved_bytes() +
                              decision_arena_.reserved_bytes());
}

int64_t ModelRunner::activation_peak_bytes() const {
  return static_cast<int64_t>(arena_.peak_bytes() +
                              decision_arena_.peak_bytes());
}

int ModelRunner::arena_growth_count() const {
  return arena_.growth_count() + decision_arena_.growth_count() +
         host_arena_.growth_count();
}

TokenBatch ModelRunner::ToDevice(const Execution& run, Pass pass,
                                 const Batch* batch) const {
  const int64_t tokens =
      batch == nullptr ? 0 : batch->sequences * batch->sequence_length;
  const TensorView ids = run.New(DType::kInt32, {tokens});
  const TensorView labels = run.New(DType::kInt32, {tokens});
  const TensorView valid = run.New(DType::kUInt8, {tokens});
  if (batch != nullptr) {
    run.stream.CopyToDevice(ids, batch->ids.data());
    run.stream.CopyToDevice(labels, batch->labels.data());
    run.stream.CopyToDevice(valid, batch->valid.data());
  }
  TokenBatch result = {ids, labels, valid};
  if (batch != nullptr && pass == Pass::kTrain && !batch->experts.empty()) {
    const int64_t layers = static_cast<int64_t>(model_->expert_layers().size());
    const TensorView replayed = run.New(
        DType::kInt32, {layers * tokens, options_.model.experts_per_token});
    run.stream.CopyToDevice(replayed, batch->experts.data());
    result.replayed = replayed;
  }
  return result;
}

Execution ModelRunner::NewExecution(BackwardListener* listener) {
  return {
      .stream = *stream_,
      .arena = arena_,
      .decision_arena = decision_arena_,
      .host_arena = host_arena_,
      .format = format_,
      .ledger = &world_.ledger(),
      .step = step_,
      .seed = options_.seed,
      .listener = listener,
      // A GPU's streams keep it busy; and sums in fp32 have an order.
      .deferred = options_.device == DeviceKind::kCpu ? &deferred_ : nullptr,
      .join_segments = SumsFloats(options_),
      .overlap_chunks = options_.overlap_chunks};
}

Execution ModelRunner::Keeping(const Execution& run) {
  return {run.stream,         run.decision_arena,
          run.decision_arena, run.host_arena,
          run.format,         nullptr,
          run.step,           run.seed};
}

absl::Status ModelRunner::Forward(const Execution& run, Pass pass,
                                  const MicroBatch& round,
                                  StepStatistics& statistics,
                                  Passed& passed) const {
  const bool present = round.batch != nullptr;
  const int64_t layers = static_cast<int64_t>(model_->expert_layers().size());
  passed.tokens = ToDevice(run, pass, round.batch);
  passed.tokens.micro_batch = round.index;
  passed.tokens.training = pass == Pass::kTrain;
  passed.loss_slot = present ? statistics.LossSlot(round.index)
                             : run.New(DType::kFloat64, {1});
  passed.router_losses = present ? statistics.RouterLossSlot(round.index)
                                 : run.New(DType::kFloat64, {layers, 2});
  // An evaluation has no gradient, and does not know the tokens of other ranks.
  const int64_t total_valid = statistics.total_valid();
  if (pass == Pass::kTrain && present && total_valid > 0) {
    passed.weight = static_cast<double>(statistics.valid(round.index)) /
                    static_cast<double>(total_valid);
  }
  SWITCHYARD_ASSIGN_OR_RETURN(passed.saved,
                              model_->Forward(run, passed.tokens));
  passed.decisions = run.NewHost<MoeLayer::Decision*>(layers);
  for (int layer = 0; layer < layers; ++layer) {
    const int block = model_->expert_layers()[layer];
    passed.decisions[layer] = &passed.saved.blocks[block].decision;
    if (present) {
      passed.decisions[layer]->device_losses =
          statistics.DeviceLossSlot(round.index)
              .Rows(layer, layer + 1)
              .Reshaped({2});
    }
  }
  if (present && passed.tokens.training) Report(passed, statistics);
  return absl::OkStatus();
}

void ModelRunner::Report(const Passed& passed,
                         const StepStatistics& statistics) const {
  const int64_t micro_batch = passed.tokens.micro_batch;
  if (trace_ != nullptr) trace_->Keep(micro_batch, passed.decisions);
  if (!ReportsLayers(options_, step_)) return;
  for (size_t i = 0; i < passed.decisions.size(); ++i) {
    const int layer = static_cast<int>(i);
    const RouterOutput& router = passed.decisions[i]->router;
    kernels::RoutingStatistics(
        *stream_, {.probabilities = router.probabilities,
                   .experts = router.experts,
                   .valid = passed.tokens.valid,
                   .sequence_length = options_.seq_len,
                   .entropy = statistics.EntropySlot(micro_batch, layer),
                   .pairs = statistics.PairSlot(layer)});
  }
}

absl::Status ModelRunner::ShareCounts(const Execution& run, Pass pass,
                                      absl::Span<const MicroBatch> rounds,
                                      absl::Span<Passed> passed) {
  const int64_t window = balance_loss_->counted_together();
  if (window == 0 || model_->expert_layers().empty()) return absl::OkStatus();
  const bool training = pass == Pass::kTrain;
  const int64_t ranks = world_.size();
  const int64_t begin = rounds.front().index / ranks * ranks;
  const int64_t end = std::min((rounds.back().index / ranks + 1) * ranks,
                               MicroBatches(options_));
  SWITCHYARD_CHECK(!training || (begin % window == 0 && end % window == 0))
      << "micro-batches " << begin << " to " << end << ", windows of "
      << window;
  // An evaluation counts every micro-batch by itself.
  const int64_t windows = training ? (end - begin) / window : 1;
  const int64_t layers = static_cast<int64_t>(model_->expert_layers().size());
  const Execution keep = Keeping(run);
  const TensorView counts = keep.New(
      DType::kInt64,
      {windows * layers, balance_loss_->count_columns(options_.model)});
  run.stream.Zero(counts);
  for (size_t i = 0; i < rounds.size(); ++i) {
    // A rank without a micro-batch has no token that counts anywhere.
    const bool present = rounds[i].batch != nullptr;
    const int64_t mine =
        training && present ? (rounds[i].index - begin) / window : 0;
    const TensorView rows = counts.Rows(mine * layers, (mine + 1) * layers);
    balance_loss_->Count(keep, passed[i].decisions, passed[i].tokens, rows);
    for (int64_t layer = 0; layer < layers; ++layer) {
      passed[i].decisions[layer]->window_counts = rows.Rows(layer, layer + 1);
    }
  }
  if (!training) return absl::OkStatus();
  return world_
      .AllReduce(run.stream, counts, comm::ReduceOp::kSum,
                 {-1, "balance counts"})
      .Wait();
}

void ModelRunner::ComputeBalanceLoss(const Execution& run,
                                     const Passed& passed) const {
  balance_loss_->Compute(Keeping(run), passed.decisions, passed.tokens,
                         passed.weight, passed.router_losses);
}

absl::Status ModelRunner::Backward(const Execution& run, Passed& passed,
                                   StepStatistics& statistics) {
  const auto share_of = [](double value, int64_t count) {
    return count > 0 ? static_cast<float>(value / static_cast<double>(count))
                     : 0.0f;
  };
  // What it takes is free for the next one, which may only begin when nothing
  // on the stream refers to tables of the host any more.
  ArenaScope activations(arena_);
  ArenaScope decisions(decision_arena_);
  ArenaScope tables(host_arena_);
  const ConstTensorView& hidden = passed.saved.hidden();
  run.At(-1, "loss");
  const TensorView dhidden = run.New(hidden.dtype(), hidden.shape());
  loss_->EvaluateWithGradient(run, passed.tokens, hidden,
                              share_of(1.0, statistics.total_labels()),
                              passed.loss_slot, dhidden);
  SWITCHYARD_RETURN_IF_ERROR(model_->Backward(
      run, passed.saved,
      share_of(options_.model.router_z_loss_coef, statistics.total_valid()),
      dhidden));
  SWITCHYARD_RETURN_IF_ERROR(comm::WaitForResults(*stream_, world_));
  AddRouting(passed, statistics);
  return absl::OkStatus();
}

void ModelRunner::AddRouting(const Passed& passed, StepStatistics& statistics) {
  for (size_t layer = 0; layer < passed.decisions.size(); ++layer) {
    statistics.AddRouting(static_cast<int>(layer),
                          passed.decisions[layer]->routing);
  }
}

absl::Status ModelRunner::RunInScopes(Pass pass,
                                      absl::Span<const MicroBatch> rounds,
                                      StepStatistics& statistics,
                                      BackwardListener* listener) {
  ArenaScope activations(arena_);
  ArenaScope decisions(decision_arena_);
  ArenaScope tables(host_arena_);
  const Execution run = NewExecution(nullptr);
  const absl::Span<Passed> passed =
      run.NewHost<Passed>(static_cast<int64_t>(rounds.size()));
  for (size_t i = 0; i < rounds.size(); ++i) {
    SWITCHYARD_RETURN_IF_ERROR(
        Forward(run, pass, rounds[i], statistics, passed[i]));
  }
  SWITCHYARD_RETURN_IF_ERROR(ShareCounts(run, pass, rounds, passed));
  for (const Passed& one : passed) ComputeBalanceLoss(run, one);
  if (pass == Pass::kEvaluate) {
    run.At(-1, "loss");
    for (const Passed& one : passed) {
      loss_->Evaluate(run, one.tokens, one.saved.hidden(), one.loss_slot);
    }
    SWITCHYARD_RETURN_IF_ERROR(comm::WaitForResults(*stream_, world_));
    for (const Passed& one : passed) AddRouting(one, statistics);
    return absl::OkStatus();
  }
  // In reverse, for the arenas are stacks; sums of gradients have no order.
  for (size_t i = passed.size(); i-- > 0;) {
    SWITCHYARD_RETURN_IF_ERROR(Backward(
        NewExecution(i == 0 ? listener : nullptr), passed[i], statistics));
  }
  return absl::OkStatus();
}

absl::Status ModelRunner::Run(Pass pass, absl::Span<const MicroBatch> rounds,
                              StepStatistics& statistics,
                              BackwardListener* listener) {
  SWITCHYARD_RETURN_IF_ERROR(RunInScopes(pass, rounds, statistics, listener));
  arena_.Compact();
  decision_arena_.Compact();
  host_arena_.Compact();
  return absl::OkStatus();
}

}  // namespace switchyard
