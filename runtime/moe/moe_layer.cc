// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/moe/moe_layer.h"

#include <utility>

#include "switchyard/base/status.h"
#include "switchyard/kernels/elementwise.h"
#include "switchyard/kernels/permute.h"
#include "switchyard/kernels/survivor_gates.h"

namespace switchyard {
namespace {

std::string MixturePrefix(const std::string& layer_prefix) {
  return layer_prefix + ".block_sparse_moe";
}

// The layer's place among those with experts.
int64_t ExpertLayersBelow(const ModelConfig& config, int layer) {
  int64_t count = 0;
  for (int below = 0; below < layer; ++below) {
    count += HasExperts(config, below) ? 1 : 0;
  }
  return count;
}

}  // namespace

void MoeLayer::Declare(ParameterStore& store, const ModelConfig& config,
                       const std::string& prefix,
                       const RouterFactory& routers) {
  routers.Declare(store, config, MixturePrefix(prefix));
  ExpertBank::Declare(store, config, MixturePrefix(prefix));
  if (SharedWidth(config) > 0) SharedExpert::Declare(store, config, prefix);
}

MoeLayer::MoeLayer(const ParameterStore& store, const Grid& grid,
                   const ModelConfig& config, const MoeOptions& options,
                   int layer, const std::string& prefix)
    : grid_(grid),
      layer_(layer),
      expert_layer_(ExpertLayersBelow(config, layer)),
      expert_count_(config.experts),
      router_(options.routers->Make(store, config, MixturePrefix(prefix))),
      dispatcher_(grid, layer, options.max_rows_per_rank),
      experts_(store, grid, config, MixturePrefix(prefix)),
      shared_(SharedWidth(config) > 0
                  ? std::make_unique<SharedExpert>(store, config, prefix)
                  : nullptr),
      overflow_(options.overflow),
      eval_overflow_(options.eval_overflow),
      expert_dropout_(options.expert_dropout),
      exploration_(options.exploration, layer) {}

ConstTensorView MoeLayer::RouterInput(const Execution& run,
                                      const TokenBatch& batch,
                                      const ConstTensorView& input) const {
  const bool narrow = input.dtype() != DType::kFloat32;
  const bool jitters = exploration_.Jitters(batch);
  if (!narrow && !jitters) return input;
  const TensorView wide = run.New(DType::kFloat32, input.shape());
  if (narrow) kernels::Cast(run.stream, input, wide);
  if (jitters) {
    exploration_.Jitter(run, batch, narrow ? ConstTensorView(wide) : input,
                        wide);
  }
  return wide;
}

TokenBatch MoeLayer::OfLayer(const TokenBatch& batch) const {
  TokenBatch result = batch;
  if (batch.replayed.defined()) {
    const int64_t tokens = batch.ids.dim(0);
    result.replayed = batch.replayed.Rows(expert_layer_ * tokens,
                                          (expert_layer_ + 1) * tokens);
  }
  return result;
}

absl::StatusOr<MoeLayer::Decision> MoeLayer::Decide(
    const Execution& run, const ConstTensorView& input,
    const TokenBatch& batch) const {
  ArenaScope scratch(run.arena);
  const ConstTensorView router_input = RouterInput(run, batch, input);
  TokenBatch of_layer = OfLayer(batch);
  of_layer.selection_noise =
      exploration_.SelectionNoise(run, batch, expert_count_);
  const Execution keep{.stream = run.stream,
                       .arena = run.decision_arena,
                       .decision_arena = run.decision_arena,
                       .host_arena = run.host_arena,
                       .format = run.format,
                       .ledger = run.ledger,
                       .step = run.step,
                       .seed = run.seed,
                       .overlap_chunks = run.overlap_chunks};
  Decision decision;
  decision.router = router_->Forward(keep, router_input, of_layer);
  const OverflowRule& rule = batch.training ? overflow_ : eval_overflow_;
  SWITCHYARD_RETURN_IF_ERROR(dispatcher_.Plan(
      keep, decision.router, batch.valid, rule, decision.routing));
  DecideGates(keep, rule, decision);
  if (batch.training && expert_dropout_ > 0.0) {
    decision.dropout =
        MakeExpertDropout(run, grid_, decision.routing.segments,
                          expert_dropout_, layer_, batch.micro_batch);
  }
  return decision;
}

void MoeLayer::DecideGates(const Execution& run, const OverflowRule& rule,
                           Decision& decision) const {
  decision.placed = decision.router;
  if (rule.more_experts > 0) {
    decision.placed.experts = decision.routing.experts;
    decision.placed.gates =
        router_->GatesOf(run, decision.router, decision.routing.experts);
  }
  decision.gates = decision.placed.gates;
  if (!rule.renormalize_survivors) return;
  const TensorView survivors = run.New(DType::kFloat32, decision.gates.shape());
  kernels::SurvivorGates(run.stream, {.gates = decision.placed.gates,
                                      .experts = decision.placed.experts,
                                      .rows = decision.routing.rows,
                                      .survivors = survivors});
  decision.gates = survivors;
}

absl::StatusOr<MoeLayer::Saved> MoeLayer::Forward(
    const Execution& run, const Decision& decision,
    const ConstTensorView& input, const TensorView& output) const {
  const Routing& routing = decision.routing;
  Saved saved;
  saved.input = input;
  TokenDispatcher::Movement arriving = dispatcher_.StartDispatch(
      run, routing, input, ConstTensorView(), "dispatch");
  // While the rows travel.
  if (shared_ != nullptr) saved.shared = shared_->Forward(run, input);
  TokenDispatcher::Movement returning;
  returning.buffer =
      dispatcher_.NewBuffer(run, routing, input.dtype(), input.dim(1));
  const TensorView& results = returning.buffer;
  saved.experts =
      experts_.Begin(run, routing, arriving.buffer, decision.dropout);
  for (size_t c = 0; c < routing.chunks.size(); ++c) {
    const RoutingChunk& chunk = routing.chunks[c];
    SWITCHYARD_RETURN_IF_ERROR(
        TokenDispatcher::Finish(run, std::move(arriving.tickets[c])));
    experts_.Forward(run, chunk, saved.experts, results);
    returning.tickets[c] = dispatcher_.Return(run, chunk, results, "combine");
  }
  for (comm::Ticket& ticket : returning.tickets) {
    SWITCHYARD_RETURN_IF_ERROR(TokenDispatcher::Finish(run, std::move(ticket)));
  }
  saved.expert_output = results;
  kernels::Unpermute(run.stream, {.buffer = results,
                                  .rows = routing.rows,
                                  .gates = decision.gates,
                                  .y = output});
  if (shared_ != nullptr) shared_->AddTo(run, saved.shared, output);
  return saved;
}

absl::Status MoeLayer::BackwardThroughExperts(
    const Execution& run, const Decision& decision, const Saved& saved,
    const ConstTensorView& doutput, const TensorView& dinput,
    const TensorView& shared_dinput) const {
  const Routing& routing = decision.routing;
  ArenaScope scratch(run.arena);
  TokenDispatcher::Movement arriving = dispatcher_.StartDispatch(
      run, routing, doutput, decision.gates, "combine backward");
  // While the rows travel.
  if (shared_ != nullptr) {
    shared_->Backward(run, saved.shared, doutput, shared_dinput);
  }
  const TensorView& drows = arriving.buffer;
  TokenDispatcher::Movement returning;
  returning.buffer =
      dispatcher_.NewBuffer(run, routing, doutput.dtype(), doutput.dim(1));
  const TensorView& dresults = returning.buffer;
  for (size_t c = 0; c < routing.chunks.size(); ++c) {
    const RoutingChunk& chunk = routing.chunks[c];
    SWITCHYARD_RETURN_IF_ERROR(
        TokenDispatcher::Finish(run, std::move(arriving.tickets[c])));
    experts_.BackwardInput(run, chunk, saved.experts, drows, dresults);
    returning.tickets[c] =
        dispatcher_.Return(run, chunk, dresults, "dispatch backward");
  }
  // While the rows travel.
  experts_.BackwardWeights(run, routing.segments, saved.experts, drows);
  for (comm::Ticket& ticket : returning.tickets) {
    SWITCHYARD_RETURN_IF_ERROR(TokenDispatcher::Finish(run, std::move(ticket)));
  }
  kernels::Unpermute(run.stream, {.buffer = dresults,
                                  .rows = routing.rows,
                                  .gates = ConstTensorView(),
                                  .y = dinput});
  return absl::OkStatus();
}

TensorView MoeLayer::GateGradient(const Execution& run,
                                  const Decision& decision, const Saved& saved,
                                  const ConstTensorView& doutput) const {
  const TensorView dgates = run.New(DType::kFloat32, decision.gates.shape());
  kernels::GateGradient(run.stream, {.dy = doutput,
                                     .buffer = saved.expert_output,
                                     .rows = decision.routing.rows,
                                     .dgates = dgates});
  if (!overflow_.renormalize_survivors) return dgates;
  const TensorView dplaced = run.New(DType::kFloat32, decision.gates.shape());
  kernels::SurvivorGatesBackward(run.stream,
                                 {.gates = decision.placed.gates,
                                  .experts = decision.placed.experts,
                                  .rows = decision.routing.rows,
                                  .dsurvivors = dgates,
                                  .dgates = dplaced});
  return dplaced;
}

TensorView MoeLayer::RouterBackward(const Execution& run,
                                    const Decision& decision,
                                    const ConstTensorView& input,
                                    const RouterGradients& gradients) const {
  const TokenBatch& batch = gradients.batch;
  const TensorView dinput = run.New(DType::kFloat32, input.shape());
  router_->Backward(run, RouterInput(run, batch, input), decision.placed,
                    gradients, dinput);
  if (exploration_.Jitters(batch)) {
    exploration_.Jitter(run, batch, dinput, dinput);
  }
  return dinput;
}

absl::StatusOr<TensorView> MoeLayer::Backward(
    const Execution& run, const Decision& decision, const Saved& saved,
    const TokenBatch& batch, float z_gradient,
    const ConstTensorView& doutput) const {
  const Shape& shape = saved.input.shape();
  const DType dtype = saved.input.dtype();
  const TensorView dinput = run.New(dtype, shape);
  ArenaScope scratch(run.arena);

  RouterGradients gradients;
  gradients.dgates = GateGradient(run, decision, saved, doutput);
  gradients.batch = batch;
  gradients.balance_gradient = decision.balance_gradient;
  gradients.z_gradient = z_gradient;
  const TensorView shared_dinput =
      shared_ != nullptr ? run.New(dtype, shape) : TensorView();
  SWITCHYARD_RETURN_IF_ERROR(BackwardThroughExperts(
      run, decision, saved, doutput, dinput, shared_dinput));
  if (shared_ != nullptr) {
    kernels::Add(run.stream, dinput, shared_dinput, dinput);
  }

  const TensorView router_dinput =
      RouterBackward(run, decision, saved.input, gradients);
  TensorView addend = router_dinput;
  if (dtype != DType::kFloat32) {
    addend = run.New(dtype, shape);
    kernels::Cast(run.stream, router_dinput, addend);
  }
  kernels::Add(run.stream, dinput, addend, dinput);
  return dinput;
}

}  // namespace switchyard
