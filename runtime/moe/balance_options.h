// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// What keeps the experts' loads level in training. Names are those of flags.
// balance_loss.h has the formulas.
#ifndef SWITCHYARD_RUNTIME_MOE_BALANCE_OPTIONS_H_
#define SWITCHYARD_RUNTIME_MOE_BALANCE_OPTIONS_H_

#include <cstdint>

#include "absl/status/status.h"
#include "switchyard/runtime/nn/model_config.h"

namespace switchyard {

// Which assignments its fractions count.
enum class BalanceLossKind {
  kSwitch,     // all k choices of a layer
  kGshard,     // first choices of a layer
  kHfMixtral,  // all k choices of all layers together
};

// What its fractions are taken over.
enum class BalanceScope {
  kMicroBatch,
  kSequence,
  kWindow,  // balance_window micro-batches, by index
  kGlobal,  // the global batch
};

struct BalanceOptions {
  BalanceLossKind loss = BalanceLossKind::kSwitch;
  BalanceScope scope = BalanceScope::kMicroBatch;
  int64_t window = 0;  // --balance_window: micro-batches; divides the batch's

  // --device_balance_loss_coef, --communication_balance_loss_coef:
  // DeepSeek-V2's over the model's device groups. 0: off.
  double device_coefficient = 0.0;
  double communication_coefficient = 0.0;

  // --bias_update_rate: gamma of the biases that routers choose by
  // (kernels/bias_update.h). 0: they stay.
  double bias_update_rate = 0.0;
};

// The names that flags use.
const char* NameOf(BalanceLossKind kind);
const char* NameOf(BalanceScope scope);

// One sentence that names the flag.
absl::Status Validate(const BalanceOptions& options, const ModelConfig& model);
// The same for a global batch of so many micro-batches.
absl::Status CheckBalanceWindow(const BalanceOptions& options,
                                int64_t micro_batches);

// Micro-batches whose counts are added before a loss is computed; 0: each has
// its own.
int64_t CountedTogether(const BalanceOptions& options, int64_t micro_batches);

// Rounds of a step whose forward passes run before the first backward pass: the
// smallest groups that no window of `window` micro-batches straddles (the last
// group of a step may be smaller). 1 for a window of 0.
int64_t RoundsTogether(int64_t window, int64_t micro_batches, int64_t ranks);

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_MOE_BALANCE_OPTIONS_H_
