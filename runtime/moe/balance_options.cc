// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/moe/balance_options.h"

#include <algorithm>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "switchyard/base/status.h"

namespace switchyard {

const char* NameOf(BalanceLossKind kind) {
  switch (kind) {
    case BalanceLossKind::kSwitch:
      return "switch";
    case BalanceLossKind::kGshard:
      return "gshard";
    case BalanceLossKind::kHfMixtral:
      return "hf_mixtral";
  }
  return "";
}

const char* NameOf(BalanceScope scope) {
  switch (scope) {
    case BalanceScope::kMicroBatch:
      return "micro_batch";
    case BalanceScope::kSequence:
      return "sequence";
    case BalanceScope::kWindow:
      return "window";
    case BalanceScope::kGlobal:
      return "global";
  }
  return "";
}

namespace {

constexpr double kMostCoefficient = 1e4;
constexpr double kMostRate = 1.0;

absl::Status CheckNumber(const char* flag, double value, double most) {
  // Written so that NaN is out of the range.
  if (value >= 0.0 && value <= most) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("expected --", flag, " between 0 and ", most, ", found ",
                   value, "; correct it"));
}

absl::Status CheckDevices(const BalanceOptions& options,
                          const ModelConfig& model) {
  const bool device = options.device_coefficient > 0.0;
  if (!device && options.communication_coefficient == 0.0) {
    return absl::OkStatus();
  }
  const char* flag =
      device ? "device_balance_loss_coef" : "communication_balance_loss_coef";
  if (model.router.device_groups <= 1) {
    return absl::InvalidArgumentError(absl::StrCat(
        "expected a model with \"n_device_groups\" of two or more for --", flag,
        ", found ", model.router.device_groups,
        "; give the model's experts device groups or set the flag to 0"));
  }
  if (options.loss != BalanceLossKind::kSwitch) {
    return absl::InvalidArgumentError(absl::StrCat(
        "expected --balance_loss switch with --", flag, ", found ",
        NameOf(options.loss),
        ", which counts other assignments; choose switch or set the flag to "
        "0"));
  }
  return absl::OkStatus();
}

absl::Status CheckBias(const BalanceOptions& options,
                       const ModelConfig& model) {
  if (options.bias_update_rate == 0.0 || model.router.selection_bias) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      "expected a model with \"router_bias\" true for --bias_update_rate, "
      "found none; set that key in the model's config or the flag to 0");
}

// A scope costs memory, and means nothing without a loss.
absl::Status CheckScope(const BalanceOptions& options,
                        const ModelConfig& model) {
  const bool any = model.balance_loss_coef > 0.0 ||
                   options.device_coefficient > 0.0 ||
                   options.communication_coefficient > 0.0;
  if (any || options.scope == BalanceScope::kMicroBatch) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "expected a balance loss with --balance_scope ", NameOf(options.scope),
      ", found --balance_loss_coef 0; set a coefficient or leave the scope "
      "out"));
}

absl::Status CheckWindow(const BalanceOptions& options) {
  const bool windowed = options.scope == BalanceScope::kWindow;
  if (windowed && options.window < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("expected --balance_window of 1 or more with "
                     "--balance_scope window, found ",
                     options.window, "; give the micro-batches of a window"));
  }
  if (!windowed && options.window != 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "expected --balance_window only with --balance_scope window, found ",
        options.window, " with --balance_scope ", NameOf(options.scope),
        "; leave it out or choose that scope"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status Validate(const BalanceOptions& options, const ModelConfig& model) {
  SWITCHYARD_RETURN_IF_ERROR(CheckWindow(options));
  SWITCHYARD_RETURN_IF_ERROR(CheckNumber("device_balance_loss_coef",
                                         options.device_coefficient,
                                         kMostCoefficient));
  SWITCHYARD_RETURN_IF_ERROR(CheckNumber("communication_balance_loss_coef",
                                         options.communication_coefficient,
                                         kMostCoefficient));
  SWITCHYARD_RETURN_IF_ERROR(
      CheckNumber("bias_update_rate", options.bias_update_rate, kMostRate));
  SWITCHYARD_RETURN_IF_ERROR(CheckDevices(options, model));
  SWITCHYARD_RETURN_IF_ERROR(CheckScope(options, model));
  return CheckBias(options, model);
}

absl::Status CheckBalanceWindow(const BalanceOptions& options,
                                int64_t micro_batches) {
  if (options.scope != BalanceScope::kWindow ||
      micro_batches % options.window == 0) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "expected --balance_window to divide the micro-batches of a step, found ",
      options.window, " and ", micro_batches,
      "; change it, --micro_batch or --global_batch, or choose "
      "--balance_scope global"));
}

int64_t CountedTogether(const BalanceOptions& options, int64_t micro_batches) {
  switch (options.scope) {
    case BalanceScope::kMicroBatch:
    case BalanceScope::kSequence:
      return 0;
    case BalanceScope::kWindow:
      return options.window;
    case BalanceScope::kGlobal:
      return micro_batches;
  }
  return 0;
}

int64_t RoundsTogether(int64_t window, int64_t micro_batches, int64_t ranks) {
  if (window == 0) return 1;
  const int64_t rounds = (micro_batches + ranks - 1) / ranks;
  return std::min(rounds, window / std::gcd(window, ranks));
}

}  // namespace switchyard
