// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The limit that products are held against, and a clock.
#ifndef SWITCHYARD_BENCH_PEAK_H_
#define SWITCHYARD_BENCH_PEAK_H_

#include <chrono>

namespace switchyard::bench {

inline double Seconds() {
  return std::chrono::duration<double>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

// fp32 operations a second that one core makes in a loop of fused
// multiply-adds in registers, with the widest vectors: the best of several
// runs of a millisecond.
double FloatPeak();

}  // namespace switchyard::bench

#endif  // SWITCHYARD_BENCH_PEAK_H_
