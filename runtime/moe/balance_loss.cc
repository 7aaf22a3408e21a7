// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/moe/balance_loss.h"

#include "switchyard/kernels/balance_loss.h"

namespace switchyard {

void SwitchBalanceLoss::Compute(const Execution& run,
                                absl::Span<MoeLayer::Decision* const> decisions,
                                const TokenBatch& batch, double weight,
                                const TensorView& losses) const {
  for (size_t layer = 0; layer < decisions.size(); ++layer) {
    const RouterOutput& router = decisions[layer]->router;
    kernels::BalanceLossArgs args;
    args.probabilities = router.probabilities;
    args.logsumexp = router.logsumexp;
    args.experts = router.experts;
    args.valid = batch.valid;
    args.balance_weight = coefficient_ * weight;
    const int64_t row = static_cast<int64_t>(layer);
    args.losses = losses.Rows(row, row + 1).Reshaped({2});
    args.balance_gradient =
        run.New(DType::kFloat32, {router.probabilities.dim(1)});
    kernels::BalanceLoss(run.stream, args);
    decisions[layer]->balance_gradient = args.balance_gradient;
  }
}

}  // namespace switchyard
