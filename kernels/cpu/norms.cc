// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Element i of a chunk belongs to sum i mod 16; nothing is fused. So the bits
// do not depend on the width of vectors.
#include "switchyard/kernels/cpu/norms.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "switchyard/kernels/cpu/norms.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace switchyard::kernels::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

constexpr size_t kSums = 16;

using D = hn::CappedTag<double, kSums>;
using Integers = hn::Rebind<int64_t, D>;
constexpr size_t kVectors = kSums / hn::MaxLanes(D());

// Adds the squares of 16 elements to 16 sums.
HWY_INLINE void AddSquares(const int64_t* gradient,
                           hn::Vec<D> (&sums)[kVectors]) {
  const D d;
  for (size_t v = 0; v < kVectors; ++v) {
    const auto g = hn::ConvertTo(
        d, hn::LoadU(Integers(), gradient + v * hn::MaxLanes(D())));
    sums[v] = hn::Add(sums[v], hn::Mul(g, g));
  }
}

// In units of the gradient's own. The last, partial group is filled up with
// zeros, which change no sum.
double SumOfSquaresOfChunk(const int64_t* gradient, int64_t count) {
  const D d;
  constexpr int64_t kStep = kSums;
  hn::Vec<D> sums[kVectors];
  for (auto& sum : sums) sum = hn::Zero(d);
  int64_t i = 0;
  for (; i + kStep <= count; i += kStep) AddSquares(gradient + i, sums);
  int64_t rest[kSums] = {};
  std::copy(gradient + i, gradient + count, rest);
  AddSquares(rest, sums);
  double lanes[kSums];
  for (size_t v = 0; v < kVectors; ++v) {
    hn::StoreU(sums[v], d, lanes + v * hn::MaxLanes(D()));
  }
  double total = 0;
  for (const double lane : lanes) total += lane;
  return total;
}

}  // namespace switchyard::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "switchyard/base/cpu/parallel_for.h"
#include "switchyard/kernels/cpu/dispatch.h"

namespace switchyard::kernels::cpu {

HWY_EXPORT(SumOfSquaresOfChunk);

void SumOfSquares(const SumOfSquaresArgs& args, int threads) {
  const auto sum_of_squares = SWITCHYARD_DISPATCH(SumOfSquaresOfChunk);
  // A power of two: to scale the sum is to scale its terms.
  const double scale = std::ldexp(1.0, -2 * args.fraction_bits);
  double* result = args.result.data<double>();
  ParallelFor(
      threads, static_cast<int64_t>(args.chunks.size()), [&](int64_t i) {
        const ConstTensorView& chunk = args.chunks[i];
        result[args.places[i]] = scale * sum_of_squares(chunk.data<int64_t>(),
                                                        chunk.element_count());
      });
}

}  // namespace switchyard::kernels::cpu
#endif  // HWY_ONCE
