// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/moe/balance_options.h"

#include <algorithm>
#include <numeric>

#include "absl/strings/str_cat.h"

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

absl::Status Validate(const BalanceOptions& options, const ModelConfig&) {
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
