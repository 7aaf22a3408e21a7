// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/train/model_runner.h"

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
  result.moe.capacity = ExpertCapacity(options);
  return result;
}

}  // namespace

ModelRunner::ModelRunner(const TrainOptions& options, const Grid& grid,
                         Device& device, const RouterFactory& routers)
    : options_(options),
      ledger_(grid.world().ledger()),
      stream_(device.NewStream()),
      // What an even load needs at once, so that a run whose load stays near it
      // never grows and the plan can say what it takes.
      arena_(device, FirstBytes(ActivationPeak(
                         options, EvenRows(options, grid.width())))),
      decision_arena_(device, FirstBytes(DecisionPeak(options))),
      host_arena_(host_),
      deferred_(static_cast<int>(options.model.layers)),
      format_(kernels::FixedPoint::ForMicroBatches(
          static_cast<int>(options.fraction_bits),
          options.global_batch / options.micro_batch)),
      store_(grid, options.dtype) {
  Transformer::Declare(store_, options.model, routers);
  store_.Allocate(device);
  store_.Initialize(*stream_, options.seed);
  model_ = std::make_unique<Transformer>(*stream_, store_, grid, options.model,
                                         ModelOptions(options, routers));
  model_->Prepare(options.micro_batch * options.seq_len);
  loss_ = std::make_unique<NextTokenLoss>(model_->head());
  balance_loss_ =
      std::make_unique<SwitchBalanceLoss>(options.model.balance_loss_coef);
}

void ModelRunner::SetLoss(std::unique_ptr<Loss> loss) {
  if (loss != nullptr) loss_ = std::move(loss);
}

void ModelRunner::SetBalanceLoss(std::unique_ptr<BalanceLoss> loss) {
  if (loss != nullptr) balance_loss_ = std::move(loss);
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
    const TensorView replayed =
        run.New(DType::kInt32,
                {model_->layers() * tokens, options_.model.experts_per_token});
    run.stream.CopyToDevice(replayed, batch->experts.data());
    result.replayed = replayed;
  }
  return result;
}

absl::Span<MoeLayer::Decision* const> ModelRunner::DecisionsOf(
    const Execution& run, const Transformer::Saved& saved) const {
  const absl::Span<MoeLayer::Decision*> decisions =
      run.NewHost<MoeLayer::Decision*>(model_->layers());
  for (int layer = 0; layer < model_->layers(); ++layer) {
    decisions[layer] = &saved.blocks[layer].decision;
  }
  return decisions;
}

void ModelRunner::Record(const Execution& run,
                         absl::Span<MoeLayer::Decision* const> decisions,
                         const TokenBatch& batch, double weight,
                         const TensorView& router_losses,
                         StepStatistics& statistics) {
  for (int layer = 0; layer < model_->layers(); ++layer) {
    statistics.AddRouting(layer, decisions[layer]->routing);
  }
  const Execution keep{run.stream,     run.decision_arena, run.decision_arena,
                       run.host_arena, run.format,         nullptr,
                       step_,          options_.seed};
  balance_loss_->Compute(keep, decisions, batch, weight, router_losses);
}

void ModelRunner::Describe(absl::Span<MoeLayer::Decision* const> decisions,
                           const TokenBatch& batch,
                           const StepStatistics& statistics) {
  for (int layer = 0; layer < model_->layers(); ++layer) {
    const RouterOutput& router = decisions[layer]->router;
    kernels::RoutingStatistics(
        *stream_, {.probabilities = router.probabilities,
                   .experts = router.experts,
                   .valid = batch.valid,
                   .sequence_length = options_.seq_len,
                   .entropy = statistics.EntropySlot(batch.micro_batch, layer),
                   .pairs = statistics.PairSlot(layer)});
  }
}

absl::Status ModelRunner::Backward(const Execution& run,
                                   const TokenBatch& tokens,
                                   Transformer::Saved& saved,
                                   const TensorView& loss_slot,
                                   const StepStatistics& statistics) {
  const auto share_of = [](double value, int64_t count) {
    return count > 0 ? static_cast<float>(value / static_cast<double>(count))
                     : 0.0f;
  };
  const TensorView dhidden =
      run.New(saved.hidden().dtype(), saved.hidden().shape());
  loss_->EvaluateWithGradient(run, tokens, saved.hidden(),
                              share_of(1.0, statistics.total_labels()),
                              loss_slot, dhidden);
  return model_->Backward(
      run, saved,
      share_of(options_.model.router_z_loss_coef, statistics.total_valid()),
      dhidden);
}

absl::Status ModelRunner::RunInScopes(Pass pass, const Batch* batch,
                                      int64_t index, StepStatistics& statistics,
                                      BackwardListener* listener) {
  const Execution run{*stream_, arena_,    decision_arena_, host_arena_,
                      format_,  &ledger_,  step_,           options_.seed,
                      listener, &deferred_};
  ArenaScope activations(arena_);
  ArenaScope decisions(decision_arena_);
  ArenaScope tables(host_arena_);
  const bool present = batch != nullptr;
  TokenBatch tokens = ToDevice(run, pass, batch);
  tokens.micro_batch = index;
  tokens.training = pass == Pass::kTrain;
  const TensorView loss_slot =
      present ? statistics.LossSlot(index) : run.New(DType::kFloat64, {1});
  const TensorView router_slot =
      present ? statistics.RouterLossSlot(index)
              : run.New(DType::kFloat64, {model_->layers(), 2});
  // An evaluation has no gradient, and does not know the tokens of other ranks.
  const int64_t total_valid = statistics.total_valid();
  const double weight = pass == Pass::kTrain && present && total_valid > 0
                            ? static_cast<double>(statistics.valid(index)) /
                                  static_cast<double>(total_valid)
                            : 0.0;

  SWITCHYARD_ASSIGN_OR_RETURN(Transformer::Saved saved,
                              model_->Forward(run, tokens));
  const absl::Span<MoeLayer::Decision* const> decided = DecisionsOf(run, saved);
  Record(run, decided, tokens, weight, router_slot, statistics);
  if (present && tokens.training) {
    if (ReportsLayers(options_, step_)) {
      Describe(decided, tokens, statistics);
    }
    if (trace_ != nullptr) trace_->Keep(tokens.micro_batch, decided);
  }
  run.At(-1, "loss");
  if (pass == Pass::kTrain) {
    SWITCHYARD_RETURN_IF_ERROR(
        Backward(run, tokens, saved, loss_slot, statistics));
  } else {
    loss_->Evaluate(run, tokens, saved.hidden(), loss_slot);
  }
  stream_->Wait();
  return absl::OkStatus();
}

absl::Status ModelRunner::Run(Pass pass, const Batch* batch, int64_t index,
                              StepStatistics& statistics,
                              BackwardListener* listener) {
  SWITCHYARD_RETURN_IF_ERROR(
      RunInScopes(pass, batch, index, statistics, listener));
  arena_.Compact();
  decision_arena_.Compact();
  host_arena_.Compact();
  return absl::OkStatus();
}

}  // namespace switchyard
