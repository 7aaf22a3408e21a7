// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/train/recent_rates.h"

#include <algorithm>
#include <vector>

namespace switchyard {

double RecentRates::Median() const {
  const int64_t kept = std::min(count_, kWindow);
  if (kept == 0) return 0.0;
  std::vector<double> values(rates_.begin(), rates_.begin() + kept);
  std::nth_element(values.begin(), values.begin() + kept / 2, values.end());
  return values[kept / 2];
}

}  // namespace switchyard
