// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/comm/options.h"

#include "absl/strings/str_cat.h"

namespace switchyard::comm {

absl::Status CheckOptions(const Options& options) {
  // Written so that NaN fails.
  if (!(options.timeout_seconds > 0 &&
        options.timeout_seconds <= kMaxTimeoutSeconds)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "timeout_seconds is ", options.timeout_seconds,
        "; give a number above 0 and at most ", kMaxTimeoutSeconds));
  }
  constexpr int64_t kMaxElements = std::numeric_limits<int32_t>::max();
  if (options.max_call_elements < 1 ||
      options.max_call_elements > kMaxElements) {
    return absl::InvalidArgumentError(
        absl::StrCat("max_call_elements is ", options.max_call_elements,
                     "; give a number from 1 to ", kMaxElements));
  }
  return absl::OkStatus();
}

}  // namespace switchyard::comm
