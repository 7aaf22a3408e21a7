// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The ways that are compared.
#ifndef SWITCHYARD_BENCH_GRADIENT_WAY_H_
#define SWITCHYARD_BENCH_GRADIENT_WAY_H_

namespace switchyard::bench {

enum class GradientWay {
  // Products by segment, sums in 64-bit fixed point: what the library does.
  kLayout,
  // One product over all rows of an expert; its leaf is added in fp32.
  kLeafThenAdd,
  // Likewise, but the product itself adds to the sum: there is no leaf.
  kAccumulate,
};

inline constexpr GradientWay kGradientWays[] = {
    GradientWay::kLayout, GradientWay::kLeafThenAdd, GradientWay::kAccumulate};
inline constexpr int kGradientWayCount = 3;

}  // namespace switchyard::bench

#endif  // SWITCHYARD_BENCH_GRADIENT_WAY_H_
