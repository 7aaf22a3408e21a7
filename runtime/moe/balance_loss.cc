// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/moe/balance_loss.h"

#include "switchyard/kernels/balance_loss.h"

namespace switchyard {
namespace {

int64_t Experts(absl::Span<MoeLayer::Decision* const> decisions) {
  return decisions[0]->router.probabilities.dim(1);
}

}  // namespace

int64_t ExpertBalanceLoss::Sequences(const TokenBatch& batch) const {
  const int64_t tokens = batch.valid.dim(0);
  if (settings_.sequence_length == 0 || tokens == 0) return 1;
  return tokens / settings_.sequence_length;
}

int64_t ExpertBalanceLoss::count_columns(const ModelConfig& model) const {
  return model.experts + settings_.devices;
}

void ExpertBalanceLoss::AddCounts(
    const Execution& run, absl::Span<MoeLayer::Decision* const> decisions,
    const TokenBatch& batch, int64_t sequences,
    const TensorView& counts) const {
  for (size_t layer = 0; layer < decisions.size(); ++layer) {
    // Layers that are pooled share the first rows.
    const bool pooled = settings_.kind == BalanceLossKind::kHfMixtral;
    const int64_t row = pooled ? 0 : static_cast<int64_t>(layer) * sequences;
    kernels::ExpertCountsArgs args;
    args.experts = decisions[layer]->router.experts;
    args.valid = batch.valid;
    args.choices = settings_.kind == BalanceLossKind::kGshard ? 1 : 0;
    args.devices = settings_.devices;
    args.counts = counts.Rows(row, row + sequences);
    kernels::ExpertCounts(run.stream, args);
  }
}

void ExpertBalanceLoss::Count(const Execution& run,
                              absl::Span<MoeLayer::Decision* const> decisions,
                              const TokenBatch& batch,
                              const TensorView& counts) const {
  AddCounts(run, decisions, batch, /*sequences=*/1, counts);
}

void ExpertBalanceLoss::Compute(const Execution& run,
                                absl::Span<MoeLayer::Decision* const> decisions,
                                const TokenBatch& batch, double weight,
                                const TensorView& losses) const {
  const int64_t layers = static_cast<int64_t>(decisions.size());
  const int64_t experts = Experts(decisions);
  const int64_t sequences = Sequences(batch);
  const bool pooled = settings_.kind == BalanceLossKind::kHfMixtral;
  const TensorView gradients =
      run.New(DType::kFloat32, {layers * sequences, experts});
  ArenaScope scratch(run.arena);
  TensorView counts;
  if (settings_.counted_together == 0) {
    counts = run.New(DType::kInt64,
                     {layers * sequences, experts + settings_.devices});
    run.stream.Zero(counts);
    AddCounts(run, decisions, batch, sequences, counts);
  }
  for (int64_t layer = 0; layer < layers; ++layer) {
    MoeLayer::Decision& decision = *decisions[layer];
    const double choices = static_cast<double>(decision.router.experts.dim(1));
    const int64_t begin = layer * sequences;
    const int64_t row = pooled ? 0 : begin;
    kernels::BalanceLossArgs args;
    args.probabilities = decision.router.probabilities;
    args.logsumexp = decision.router.logsumexp;
    args.valid = batch.valid;
    args.counts = counts.defined()
                      ? ConstTensorView(counts.Rows(row, row + sequences))
                      : decisions[pooled ? 0 : layer]->window_counts;
    args.balance_weight = settings_.coefficient * weight;
    if (pooled) {
      // With it the objective has c · L at perfect balance, as without pooling.
      args.scale = choices / static_cast<double>(layers);
      args.balance_weight /= args.scale;
    }
    args.device_weight = settings_.device_coefficient * weight;
    args.communication_weight = settings_.communication_coefficient * weight;
    args.counted_choices = choices;
    args.devices_per_token = static_cast<double>(settings_.devices_per_token);
    args.device_losses = decision.device_losses;
    args.losses = losses.Rows(layer, layer + 1).Reshaped({2});
    args.balance_gradient = gradients.Rows(begin, begin + sequences);
    kernels::BalanceLoss(run.stream, args);
    decision.balance_gradient = args.balance_gradient;
  }
}

}  // namespace switchyard
