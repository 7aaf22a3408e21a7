// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/moe/moe_layer.h"

#include <utility>

#include "switchyard/base/status.h"
#include "switchyard/kernels/elementwise.h"
#include "switchyard/kernels/permute.h"

namespace switchyard {
namespace {

std::string MixturePrefix(const std::string& layer_prefix) {
  return layer_prefix + ".block_sparse_moe";
}

}  // namespace

void MoeLayer::Declare(ParameterStore& store, const ModelConfig& config,
                       const std::string& prefix,
                       const RouterFactory& routers) {
  routers.Declare(store, config, MixturePrefix(prefix));
  ExpertBank::Declare(store, config, MixturePrefix(prefix));
}

MoeLayer::MoeLayer(const ParameterStore& store, const Grid& grid,
                   const ModelConfig& config, const MoeOptions& options,
                   int layer, const std::string& prefix)
    : layer_(layer),
      router_(options.routers->Make(store, config, MixturePrefix(prefix))),
      dispatcher_(grid, layer, options.max_rows_per_rank),
      experts_(store, grid, config, MixturePrefix(prefix)),
      capacity_(options.capacity) {}

ConstTensorView MoeLayer::RouterInput(const Execution& run,
                                      const ConstTensorView& input) const {
  if (input.dtype() == DType::kFloat32) return input;
  const TensorView wide = run.New(DType::kFloat32, input.shape());
  kernels::Cast(run.stream, input, wide);
  return wide;
}

TokenBatch MoeLayer::OfLayer(const TokenBatch& batch) const {
  TokenBatch result = batch;
  if (batch.replayed.defined()) {
    const int64_t tokens = batch.ids.dim(0);
    result.replayed =
        batch.replayed.Rows(layer_ * tokens, (layer_ + 1) * tokens);
  }
  return result;
}

absl::StatusOr<MoeLayer::Decision> MoeLayer::Decide(
    const Execution& run, const ConstTensorView& input,
    const TokenBatch& batch) const {
  ArenaScope scratch(run.arena);
  const ConstTensorView router_input = RouterInput(run, input);
  const Execution keep{
      run.stream, run.decision_arena, run.decision_arena, run.host_arena,
      run.format, run.ledger,         run.step,           run.seed};
  Decision decision;
  decision.router = router_->Forward(keep, router_input, OfLayer(batch));
  SWITCHYARD_RETURN_IF_ERROR(dispatcher_.Plan(
      keep, decision.router, batch.valid, capacity_, decision.routing));
  return decision;
}

absl::StatusOr<MoeLayer::Saved> MoeLayer::Forward(
    const Execution& run, const Decision& decision,
    const ConstTensorView& input, const TensorView& output) const {
  const Routing& routing = decision.routing;
  Saved saved;
  saved.input = input;
  SWITCHYARD_ASSIGN_OR_RETURN(
      const TensorView rows,
      dispatcher_.Dispatch(run, routing, input, ConstTensorView(), "dispatch"));
  const TensorView results =
      dispatcher_.NewBuffer(run, routing, input.dtype(), input.dim(1));
  saved.experts = experts_.Forward(run, routing.segments, rows, results);
  SWITCHYARD_RETURN_IF_ERROR(TokenDispatcher::Finish(
      run, dispatcher_.Return(run, routing, results, "combine")));
  saved.expert_output = results;
  kernels::Unpermute(run.stream, {.buffer = results,
                                  .rows = routing.rows,
                                  .gates = decision.router.gates,
                                  .y = output});
  return saved;
}

absl::Status MoeLayer::BackwardThroughExperts(const Execution& run,
                                              const Decision& decision,
                                              const Saved& saved,
                                              const ConstTensorView& doutput,
                                              const TensorView& dinput) const {
  const Routing& routing = decision.routing;
  ArenaScope scratch(run.arena);
  SWITCHYARD_ASSIGN_OR_RETURN(
      const TensorView drows,
      dispatcher_.Dispatch(run, routing, doutput, decision.router.gates,
                           "combine backward"));
  const TensorView dresults =
      dispatcher_.NewBuffer(run, routing, doutput.dtype(), doutput.dim(1));
  experts_.BackwardInput(run, routing.segments, saved.experts, drows, dresults);
  comm::Ticket returning =
      dispatcher_.Return(run, routing, dresults, "dispatch backward");
  // While the rows travel.
  experts_.BackwardWeights(run, routing.segments, saved.experts, drows);
  SWITCHYARD_RETURN_IF_ERROR(
      TokenDispatcher::Finish(run, std::move(returning)));
  kernels::Unpermute(run.stream, {.buffer = dresults,
                                  .rows = routing.rows,
                                  .gates = ConstTensorView(),
                                  .y = dinput});
  return absl::OkStatus();
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
  const TensorView dgates =
      run.New(DType::kFloat32, decision.router.gates.shape());
  kernels::GateGradient(run.stream, {.dy = doutput,
                                     .buffer = saved.expert_output,
                                     .rows = decision.routing.rows,
                                     .dgates = dgates});
  gradients.dgates = dgates;
  gradients.batch = batch;
  gradients.balance_gradient = decision.balance_gradient;
  gradients.z_gradient = z_gradient;
  SWITCHYARD_RETURN_IF_ERROR(
      BackwardThroughExperts(run, decision, saved, doutput, dinput));

  const TensorView router_dinput = run.New(DType::kFloat32, shape);
  router_->Backward(run, RouterInput(run, saved.input), decision.router,
                    gradients, router_dinput);
  TensorView addend = router_dinput;
  if (dtype != DType::kFloat32) {
    addend = run.New(dtype, shape);
    kernels::Cast(run.stream, router_dinput, addend);
  }
  kernels::Add(run.stream, dinput, addend, dinput);
  return dinput;
}

}  // namespace switchyard
