// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// One Philox counter gives four words w0..w3 and two pairs of normal numbers,
//
//   r = sqrt(-2 ln((w0 + 1/2) / 2^32)),  a = 2 pi w1 / 2^32:  r cos a, r sin a
//
// and likewise from w2, w3. Initial weights should not depend on the
// instruction set, so only operations that IEEE 754 rounds exactly are used, in
// double and none of them fused; one last rounding makes a float of it. The
// polynomials are those of FreeBSD's msun (log, __kernel_sin, __kernel_cos).
#include "switchyard/kernels/cpu/normal.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "switchyard/kernels/cpu/normal.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "switchyard/kernels/cpu/philox-inl.h"

HWY_BEFORE_NAMESPACE();
namespace switchyard::kernels::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::ScalableTag<double>;
using Integers = hn::Rebind<int64_t, D>;
using Words = hn::Rebind<uint64_t, D>;  // 32 random bits in each lane
using Floats = hn::Rebind<float, D>;
using V = hn::Vec<D>;
using W = hn::Vec<Words>;

// ((c[n-1] x + c[n-2]) x + ...) x + c[0]
template <size_t kCount>
HWY_INLINE V Polynomial(V x, const double (&coefficients)[kCount]) {
  const D d;
  V sum = hn::Set(d, coefficients[kCount - 1]);
  for (size_t i = kCount - 1; i-- > 0;) {
    sum = hn::Add(hn::Mul(sum, x), hn::Set(d, coefficients[i]));
  }
  return sum;
}

// An integer in [0, 2^52): placed in the last bits of 2^52.
HWY_INLINE V ToDouble(W integer) {
  const D d;
  const auto bits = hn::Or(integer, hn::Set(Words(), 0x4330000000000000));
  return hn::Sub(hn::BitCast(d, bits), hn::Set(d, 0x1p52));
}

// ln x of normal positive x: x = 2^k m with m in [sqrt(1/2), sqrt(2)).
HWY_INLINE V NaturalLogarithm(V x) {
  constexpr double kOdd[] = {6.666666666666735130e-01, 3.999999999940941908e-01,
                             2.857142874366239149e-01, 2.222219843214978396e-01,
                             1.818357216161805012e-01, 1.531383769920937332e-01,
                             1.479819860511658591e-01};
  const D d;
  const Words dw;
  const auto root_half = hn::Set(dw, 0x3FE6A09E667F3BCD);
  const auto shifted = hn::Sub(hn::BitCast(dw, x), root_half);
  const auto exponent = hn::ShiftRight<52>(hn::BitCast(Integers(), shifted));
  const auto mantissa = hn::And(shifted, hn::Set(dw, 0x000FFFFFFFFFFFFF));
  const V f =
      hn::Sub(hn::BitCast(d, hn::Add(mantissa, root_half)), hn::Set(d, 1.0));
  const V k = hn::ConvertTo(d, exponent);
  const V s = hn::Div(f, hn::Add(f, hn::Set(d, 2.0)));
  const V z = hn::Mul(s, s);
  const V half_square = hn::Mul(hn::Mul(f, f), hn::Set(d, 0.5));
  const V series = hn::Mul(z, Polynomial(z, kOdd));
  const V low = hn::Add(hn::Mul(s, hn::Add(half_square, series)),
                        hn::Mul(k, hn::Set(d, 1.90821492927058770002e-10)));
  const V high = hn::Mul(k, hn::Set(d, 6.93147180369123816490e-01));
  return hn::Sub(high, hn::Sub(hn::Sub(half_square, low), f));
}

// sqrt(-2 ln u) with u = (word + 1/2) / 2^32, which is neither 0 nor 1.
HWY_INLINE V Radius(W word) {
  const D d;
  const V u =
      hn::Mul(hn::Add(ToDouble(word), hn::Set(d, 0.5)), hn::Set(d, 0x1p-32));
  return hn::Sqrt(hn::Mul(hn::Set(d, -2.0), NaturalLogarithm(u)));
}

// cosine, sine of 2 pi word / 2^32: quarter turns are taken off exactly.
HWY_INLINE void CosineAndSine(W word, V& cosine, V& sine) {
  constexpr double kSine[] = {
      -1.66666666666666324348e-01, 8.33333333332248946124e-03,
      -1.98412698298579493134e-04, 2.75573137070700676789e-06,
      -2.50507602534068634195e-08, 1.58969099521155010221e-10};
  constexpr double kCosine[] = {
      4.16666666666666019037e-02, -1.38888888888741095749e-03,
      2.48015872894767294178e-05, -2.75573143513906633035e-07,
      2.08757232129817482790e-09, -1.13596475577881948265e-11};
  const D d;
  const Words dw;
  const W one = hn::Set(dw, 1);
  const W eighth = hn::Set(dw, uint64_t{1} << 29);
  const W turned = hn::Add(word, eighth);
  const W quarters = hn::ShiftRight<30>(turned);
  const W rest = hn::And(turned, hn::Set(dw, (uint64_t{1} << 30) - 1));
  const V x = hn::Mul(hn::Sub(ToDouble(rest), hn::Set(d, 0x1p29)),
                      hn::Set(d, 0x1p-32 * 6.283185307179586));
  const V z = hn::Mul(x, x);
  const V s = hn::Add(x, hn::Mul(hn::Mul(x, z), Polynomial(z, kSine)));
  const V half = hn::Mul(z, hn::Set(d, 0.5));
  const V c = hn::Add(hn::Sub(hn::Set(d, 1.0), half),
                      hn::Mul(hn::Mul(z, z), Polynomial(z, kCosine)));
  const auto swap = hn::RebindMask(d, hn::Eq(hn::And(quarters, one), one));
  const W cosine_sign =
      hn::ShiftLeft<62>(hn::And(hn::Add(quarters, one), hn::Set(dw, 2)));
  const W sine_sign = hn::ShiftLeft<62>(hn::And(quarters, hn::Set(dw, 2)));
  cosine = hn::Xor(hn::IfThenElse(swap, s, c), hn::BitCast(d, cosine_sign));
  sine = hn::Xor(hn::IfThenElse(swap, c, s), hn::BitCast(d, sine_sign));
}

// Four standard normal numbers for each of a vector of counters, whose fourth
// word is `draw`.
HWY_INLINE void DrawVector(uint64_t key, W counters, uint32_t draw, V (&z)[4]) {
  const Words dw;
  W x[4] = {hn::And(counters, hn::Set(dw, 0xFFFFFFFF)),
            hn::ShiftRight<32>(counters), hn::Set(dw, kNormalCounterWord),
            hn::Set(dw, uint64_t{draw})};
  Philox(key, x);
  V cosine0, sine0, cosine1, sine1;
  CosineAndSine(x[1], cosine0, sine0);
  CosineAndSine(x[3], cosine1, sine1);
  const V radius0 = Radius(x[0]);
  const V radius1 = Radius(x[2]);
  z[0] = hn::Mul(radius0, cosine0);
  z[1] = hn::Mul(radius0, sine0);
  z[2] = hn::Mul(radius1, cosine1);
  z[3] = hn::Mul(radius1, sine1);
}

// Draws those beyond `cut` again, until none is.
HWY_INLINE void DrawAgain(uint64_t key, W counters, double cut, V (&z)[4]) {
  const D d;
  const V most = hn::Set(d, cut);
  for (uint32_t draw = 1;; ++draw) {
    bool all_inside = true;
    for (const V& number : z) {
      all_inside &= hn::AllFalse(d, hn::Gt(hn::Abs(number), most));
    }
    if (all_inside) return;
    V other[4];
    DrawVector(key, counters, draw, other);
    for (int i = 0; i < 4; ++i) {
      z[i] = hn::IfThenElse(hn::Gt(hn::Abs(z[i]), most), other[i], z[i]);
    }
  }
}

struct Distribution {
  float stddev;
  float cut;  // 0: none
};

HWY_INLINE hn::Vec<Floats> ToFloat(V normal, float stddev) {
  const D d;
  const V scale = hn::Set(d, static_cast<double>(stddev));
  return hn::DemoteTo(Floats(), hn::Mul(normal, scale));
}

// Four numbers for each of a vector of counters, the first of which is given.
HWY_INLINE void NormalVector(uint64_t key, uint64_t counter,
                             const Distribution& as, float* y) {
  const Words dw;
  const W counters = hn::Add(hn::Set(dw, counter), hn::Iota(dw, 0));
  V z[4];
  DrawVector(key, counters, /*draw=*/0, z);
  if (as.cut > 0.0f) {
    DrawAgain(key, counters, static_cast<double>(as.cut), z);
  }
  hn::StoreInterleaved4(ToFloat(z[0], as.stddev), ToFloat(z[1], as.stddev),
                        ToFloat(z[2], as.stddev), ToFloat(z[3], as.stddev),
                        Floats(), y);
}

// Whole vectors of counters are made in a buffer; a run may begin and end
// anywhere in one.
void NormalRun(uint64_t key, int64_t first_element, int64_t count, float stddev,
               float cut, float* y) {
  constexpr int64_t kStep = 4 * hn::MaxLanes(D());
  HWY_ALIGN float buffer[kStep];
  uint64_t counter = static_cast<uint64_t>(first_element) / 4;
  int64_t skip = first_element % 4;
  for (int64_t i = 0; i < count;) {
    NormalVector(key, counter, {stddev, cut}, buffer);
    const int64_t length = std::min(kStep - skip, count - i);
    std::memcpy(y + i, buffer + skip,
                static_cast<size_t>(length) * sizeof(float));
    i += length;
    counter += kStep / 4;
    skip = 0;
  }
}

}  // namespace switchyard::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "switchyard/kernels/cpu/dispatch.h"
#include "switchyard/kernels/cpu/row_runs.h"

namespace switchyard::kernels::cpu {

HWY_EXPORT(NormalRun);

void Normal(const NormalArgs& args, int threads) {
  const auto run = SWITCHYARD_DISPATCH(NormalRun);
  const TensorView& y = args.y;
  const int64_t width = y.shape().row_element_count();
  ForEachRun(threads, y.dim(0), width, y.contiguous(),
             [&](int64_t row, int64_t column, int64_t count) {
               run(args.key, args.first_element + row * width + column, count,
                   args.stddev, args.cut, ElementAt<float>(y, row, column));
             });
}

}  // namespace switchyard::kernels::cpu
#endif  // HWY_ONCE
