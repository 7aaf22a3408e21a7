// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/cpu/bias_update.h"

#include <cstdint>
#include <numeric>

#include "switchyard/base/cpu/floating_point_mode.h"

namespace switchyard::kernels::cpu {

void BiasUpdate(const BiasUpdateArgs& args) {
  const ScopedFloatingPointMode mode;
  const int64_t experts = args.bias.dim(0);
  const int64_t* counts = args.counts.data<int64_t>();
  float* bias = args.bias.data<float>();
  const int64_t total = std::accumulate(counts, counts + experts, int64_t{0});
  // counts_e · E might not fit: an integer is above total / E if it is above
  // the quotient rounded down, and below it if below the one rounded up.
  const int64_t floor = total / experts;
  const int64_t ceiling = floor + (total % experts != 0 ? 1 : 0);
  for (int64_t e = 0; e < experts; ++e) {
    if (counts[e] > floor) {
      bias[e] -= args.rate;
    } else if (counts[e] < ceiling) {
      bias[e] += args.rate;
    }
  }
}

}  // namespace switchyard::kernels::cpu
