// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// CUDA's arithmetic and bit intrinsics. Those that round in a stated way do so
// here; the fast approximations (__expf, ...) are exact functions rounded once.
#ifndef SWITCHYARD_TESTS_EMULATION_ARITHMETIC_H_
#define SWITCHYARD_TESTS_EMULATION_ARITHMETIC_H_

#include <math.h>  // the functions of <cmath>, in the global namespace too

#include <bit>
#include <cmath>
#include <cstdint>

#define SWITCHYARD_EMULATION_MIN_MAX(T)            \
  inline T min(T a, T b) { return b < a ? b : a; } \
  inline T max(T a, T b) { return a < b ? b : a; }
SWITCHYARD_EMULATION_MIN_MAX(int)
SWITCHYARD_EMULATION_MIN_MAX(unsigned)
SWITCHYARD_EMULATION_MIN_MAX(long)
SWITCHYARD_EMULATION_MIN_MAX(unsigned long)
SWITCHYARD_EMULATION_MIN_MAX(long long)
SWITCHYARD_EMULATION_MIN_MAX(unsigned long long)
#undef SWITCHYARD_EMULATION_MIN_MAX
// The number, where one is NaN.
inline float min(float a, float b) { return std::fmin(a, b); }
inline float max(float a, float b) { return std::fmax(a, b); }
inline double min(double a, double b) { return std::fmin(a, b); }
inline double max(double a, double b) { return std::fmax(a, b); }

inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fsub_rn(float a, float b) { return a - b; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fdiv_rn(float a, float b) { return a / b; }
inline float __fmaf_rn(float a, float b, float c) { return std::fma(a, b, c); }
inline float __frcp_rn(float a) { return 1.0f / a; }
inline float __fsqrt_rn(float a) { return std::sqrt(a); }
inline float __frsqrt_rn(float a) {
  // Double precision decides every rounding to float but for exact ties, and
  // 1 / sqrt(a) has none.
  return static_cast<float>(1.0 / std::sqrt(static_cast<double>(a)));
}
inline double __dadd_rn(double a, double b) { return a + b; }
inline double __dsub_rn(double a, double b) { return a - b; }
inline double __dmul_rn(double a, double b) { return a * b; }
inline double __ddiv_rn(double a, double b) { return a / b; }
inline double __dsqrt_rn(double a) { return std::sqrt(a); }
inline double __fma_rn(double a, double b, double c) {
  return std::fma(a, b, c);
}
inline float rsqrtf(float a) { return __frsqrt_rn(a); }
inline double rsqrt(double a) { return 1.0 / std::sqrt(a); }
inline float __saturatef(float a) { return std::fmin(std::fmax(a, 0.f), 1.f); }
inline float __expf(float a) { return std::exp(a); }
inline float __exp10f(float a) { return std::pow(10.0f, a); }
inline float __logf(float a) { return std::log(a); }
inline float __log2f(float a) { return std::log2(a); }
inline float __powf(float a, float b) { return std::pow(a, b); }
inline float __sinf(float a) { return std::sin(a); }
inline float __cosf(float a) { return std::cos(a); }
inline float __fdividef(float a, float b) { return a / b; }

namespace switchyard::emulation {

// CUDA's conversions saturate, and NaN becomes 0 (32 bits) or the least value
// (64 bits).
template <typename Integer, typename Float>
Integer SaturatingCast(Float value) {
  constexpr auto kLeast =
      static_cast<Integer>(1ull << (8 * sizeof(Integer) - 1));
  constexpr auto kMost = static_cast<Integer>(~kLeast);
  if (std::isnan(value)) return sizeof(Integer) == 4 ? 0 : kLeast;
  if (value <= static_cast<Float>(kLeast)) return kLeast;
  if (value >= -static_cast<Float>(kLeast)) return kMost;
  return static_cast<Integer>(value);
}

}  // namespace switchyard::emulation

inline int __float2int_rn(float a) {
  return switchyard::emulation::SaturatingCast<int>(std::nearbyint(a));
}
inline int __float2int_rz(float a) {
  return switchyard::emulation::SaturatingCast<int>(std::trunc(a));
}
inline int __float2int_rd(float a) {
  return switchyard::emulation::SaturatingCast<int>(std::floor(a));
}
inline long long __float2ll_rn(float a) {
  return switchyard::emulation::SaturatingCast<long long>(std::nearbyint(a));
}
inline long long __double2ll_rn(double a) {
  return switchyard::emulation::SaturatingCast<long long>(std::nearbyint(a));
}
inline int __double2int_rn(double a) {
  return switchyard::emulation::SaturatingCast<int>(std::nearbyint(a));
}
inline double __ll2double_rn(long long a) { return static_cast<double>(a); }
inline float __ll2float_rn(long long a) { return static_cast<float>(a); }
inline float __int2float_rn(int a) { return static_cast<float>(a); }
inline float __uint2float_rn(unsigned a) { return static_cast<float>(a); }
inline double __int2double_rn(int a) { return a; }
inline float __double2float_rn(double a) { return static_cast<float>(a); }

inline unsigned __umulhi(unsigned a, unsigned b) {
  return static_cast<unsigned>((uint64_t{a} * b) >> 32);
}
inline int __mulhi(int a, int b) {
  return static_cast<int>((int64_t{a} * b) >> 32);
}
inline unsigned long long __umul64hi(unsigned long long a,
                                     unsigned long long b) {
  return static_cast<unsigned long long>(
      (static_cast<unsigned __int128>(a) * b) >> 64);
}
inline int __ffs(int a) { return __builtin_ffs(a); }
inline int __ffsll(long long a) { return __builtin_ffsll(a); }
inline int __popc(unsigned a) { return std::popcount(a); }
inline int __popcll(unsigned long long a) { return std::popcount(a); }
inline int __clz(int a) { return std::countl_zero(static_cast<unsigned>(a)); }
inline int __clzll(long long a) {
  return std::countl_zero(static_cast<unsigned long long>(a));
}
inline unsigned __brev(unsigned a) {
  a = (a >> 16) | (a << 16);
  a = ((a & 0xff00ff00u) >> 8) | ((a & 0x00ff00ffu) << 8);
  a = ((a & 0xf0f0f0f0u) >> 4) | ((a & 0x0f0f0f0fu) << 4);
  a = ((a & 0xccccccccu) >> 2) | ((a & 0x33333333u) << 2);
  return ((a & 0xaaaaaaaau) >> 1) | ((a & 0x55555555u) << 1);
}
// The mode that replicates the sign bit of the byte (selector bit 3) too.
inline unsigned __byte_perm(unsigned x, unsigned y, unsigned selector) {
  const uint64_t bytes = (uint64_t{y} << 32) | x;
  unsigned result = 0;
  for (int i = 0; i < 4; ++i) {
    const unsigned choice = (selector >> (4 * i)) & 0xf;
    unsigned byte = (bytes >> (8 * (choice & 7))) & 0xff;
    if (choice & 8) byte = byte & 0x80 ? 0xff : 0;
    result |= byte << (8 * i);
  }
  return result;
}
inline unsigned __funnelshift_l(unsigned low, unsigned high, unsigned shift) {
  const uint64_t both = (uint64_t{high} << 32) | low;
  return static_cast<unsigned>((both << (shift & 31)) >> 32);
}
inline unsigned __funnelshift_r(unsigned low, unsigned high, unsigned shift) {
  const uint64_t both = (uint64_t{high} << 32) | low;
  return static_cast<unsigned>(both >> (shift & 31));
}

inline int __float_as_int(float a) { return std::bit_cast<int>(a); }
inline unsigned __float_as_uint(float a) { return std::bit_cast<unsigned>(a); }
inline float __int_as_float(int a) { return std::bit_cast<float>(a); }
inline float __uint_as_float(unsigned a) { return std::bit_cast<float>(a); }
inline long long __double_as_longlong(double a) {
  return std::bit_cast<long long>(a);
}
inline double __longlong_as_double(long long a) {
  return std::bit_cast<double>(a);
}

#endif  // SWITCHYARD_TESTS_EMULATION_ARITHMETIC_H_
