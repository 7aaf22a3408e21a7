// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The same double arithmetic as on the CPU (kernels/cpu/normal.cc, which says
// where it comes from), operation by operation: the bits are the same. Bound by
// it; weights are made once.
#include <cstdint>

#include "switchyard/kernels/cpu/normal.h"
#include "switchyard/kernels/cuda/elements.cuh"
#include "switchyard/kernels/cuda/elementwise.h"
#include "switchyard/kernels/cuda/philox.cuh"

namespace switchyard::kernels::cuda {
namespace {

constexpr int kBlock = 256;

// ((c[n-1] x + c[n-2]) x + ...) x + c[0]
template <int kCount>
__device__ __forceinline__ double Polynomial(
    double x, const double (&coefficients)[kCount]) {
  double sum = coefficients[kCount - 1];
#pragma unroll
  for (int i = kCount - 2; i >= 0; --i) sum = sum * x + coefficients[i];
  return sum;
}

// ln x of normal positive x: x = 2^k m with m in [sqrt(1/2), sqrt(2)).
__device__ __forceinline__ double NaturalLogarithm(double x) {
  constexpr double kOdd[] = {6.666666666666735130e-01, 3.999999999940941908e-01,
                             2.857142874366239149e-01, 2.222219843214978396e-01,
                             1.818357216161805012e-01, 1.531383769920937332e-01,
                             1.479819860511658591e-01};
  constexpr int64_t kRootHalf = 0x3FE6A09E667F3BCD;
  const int64_t shifted = __double_as_longlong(x) - kRootHalf;
  const double k = static_cast<double>(static_cast<int>(shifted >> 52));
  const int64_t mantissa = shifted & 0x000FFFFFFFFFFFFF;
  const double f = __longlong_as_double(mantissa + kRootHalf) - 1.0;
  const double s = f / (f + 2.0);
  const double z = s * s;
  const double half_square = f * f * 0.5;
  const double series = z * Polynomial(z, kOdd);
  const double low =
      s * (half_square + series) + k * 1.90821492927058770002e-10;
  const double high = k * 6.93147180369123816490e-01;
  return high - (half_square - low - f);
}

// sqrt(-2 ln u) with u = (word + 1/2) / 2^32, which is neither 0 nor 1.
__device__ __forceinline__ double Radius(uint32_t word) {
  const double u = (static_cast<double>(word) + 0.5) * 0x1p-32;
  return sqrt(-2.0 * NaturalLogarithm(u));
}

struct Direction {
  double cosine, sine;
};

// Of 2 pi word / 2^32: quarter turns are taken off exactly.
__device__ __forceinline__ Direction DirectionOf(uint32_t word) {
  constexpr double kSine[] = {
      -1.66666666666666324348e-01, 8.33333333332248946124e-03,
      -1.98412698298579493134e-04, 2.75573137070700676789e-06,
      -2.50507602534068634195e-08, 1.58969099521155010221e-10};
  constexpr double kCosine[] = {
      4.16666666666666019037e-02, -1.38888888888741095749e-03,
      2.48015872894767294178e-05, -2.75573143513906633035e-07,
      2.08757232129817482790e-09, -1.13596475577881948265e-11};
  const uint64_t turned = uint64_t{word} + (uint64_t{1} << 29);
  const uint64_t quarters = turned >> 30;
  const uint64_t rest = turned & ((uint64_t{1} << 30) - 1);
  const double x =
      (static_cast<double>(rest) - 0x1p29) * (0x1p-32 * 6.283185307179586);
  const double z = x * x;
  const double s = x + x * z * Polynomial(z, kSine);
  const double c = 1.0 - z * 0.5 + z * z * Polynomial(z, kCosine);
  const bool swap = (quarters & 1) != 0;
  const double cosine = swap ? s : c;
  const double sine = swap ? c : s;
  return {(quarters + 1) & 2 ? -cosine : cosine, quarters & 2 ? -sine : sine};
}

// The four standard normal numbers of a counter that was drawn `draw` times
// before.
__device__ __forceinline__ void Draw(uint64_t key, uint64_t counter,
                                     uint32_t draw, double (&z)[4]) {
  const PhiloxWords x = Philox(key, {{static_cast<uint32_t>(counter),
                                      static_cast<uint32_t>(counter >> 32),
                                      cpu::kNormalCounterWord, draw}});
#pragma unroll
  for (int pair = 0; pair < 2; ++pair) {
    const double radius = Radius(x.word[2 * pair]);
    const Direction direction = DirectionOf(x.word[2 * pair + 1]);
    z[2 * pair] = radius * direction.cosine;
    z[2 * pair + 1] = radius * direction.sine;
  }
}

// Draws those beyond `cut` again, until none is.
__device__ void DrawAgain(uint64_t key, uint64_t counter, double cut,
                          double (&z)[4]) {
  for (uint32_t draw = 1;; ++draw) {
    bool inside = true;
#pragma unroll
    for (int i = 0; i < 4; ++i) inside &= fabs(z[i]) <= cut;
    if (inside) return;
    double other[4];
    Draw(key, counter, draw, other);
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      if (fabs(z[i]) > cut) z[i] = other[i];
    }
  }
}

struct Numbers {
  uint64_t key;
  int64_t first_element;
  float stddev, cut;
  Rows<float> y;
  int64_t width, count;  // of a row, of all rows
};

// A thread makes the numbers of one counter.
__global__ void __launch_bounds__(kBlock) NormalKernel(Numbers args) {
  const int64_t counter =
      args.first_element / 4 + int64_t{blockIdx.x} * kBlock + threadIdx.x;
  const int64_t first = 4 * counter - args.first_element;
  if (first >= args.count) return;
  double z[4];
  Draw(args.key, static_cast<uint64_t>(counter), /*draw=*/0, z);
  if (args.cut > 0.0f) {
    DrawAgain(args.key, static_cast<uint64_t>(counter),
              static_cast<double>(args.cut), z);
  }
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const int64_t element = first + i;
    if (element < 0 || element >= args.count) continue;
    args.y[element / args.width][element % args.width] =
        static_cast<float>(z[i] * static_cast<double>(args.stddev));
  }
}

}  // namespace

void Normal(Stream& stream, const NormalArgs& args) {
  const int64_t count = args.y.element_count();
  if (count == 0) return;
  const Numbers numbers = {args.key,
                           args.first_element,
                           args.stddev,
                           args.cut,
                           MutableRowsOf<float>(args.y),
                           args.y.shape().row_element_count(),
                           count};
  const int64_t counters =
      (args.first_element + count + 3) / 4 - args.first_element / 4;
  CudaStream& cuda = CudaStreamOf(stream);
  SWITCHYARD_RUN(NormalKernel,
                 dim3(static_cast<unsigned>((counters + kBlock - 1) / kBlock)),
                 dim3(kBlock), 0, cuda, numbers);
}

}  // namespace switchyard::kernels::cuda
