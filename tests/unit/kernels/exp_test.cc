// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// What exp-inl.h promises, on the widest instruction set that is not capped.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "switchyard/tests/unit/kernels/exp_test.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "switchyard/kernels/cpu/exp-inl.h"

HWY_BEFORE_NAMESPACE();
namespace switchyard::kernels::cpu::HWY_NAMESPACE {

// y[i] = f(x[i]); `count` is a multiple of 16.
template <typename Function>
void Map(const float* x, int64_t count, float* y, const Function& f) {
  const hn::ScalableTag<float> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  for (int64_t i = 0; i < count; i += lanes) {
    hn::StoreU(f(d, hn::LoadU(d, x + i)), d, y + i);
  }
}

void MapExp(const float* x, int64_t count, float* y) {
  Map(x, count, y, [](auto d, auto v) HWY_ATTR { return VectorExp(d, v); });
}
void MapExp2(const float* x, int64_t count, float* y) {
  Map(x, count, y, [](auto d, auto v) HWY_ATTR { return VectorExp2(d, v); });
}
void MapLog(const float* x, int64_t count, float* y) {
  Map(x, count, y, [](auto d, auto v) HWY_ATTR { return VectorLog(d, v); });
}

}  // namespace switchyard::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "switchyard/kernels/cpu/dispatch.h"

namespace switchyard::kernels::cpu {
namespace {

HWY_EXPORT(MapExp);
HWY_EXPORT(MapExp2);
HWY_EXPORT(MapLog);

using Floats = std::vector<float>;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

template <typename Function>
Floats Mapped(const Function& function, Floats x) {
  const size_t count = x.size();
  x.resize((count + 15) / 16 * 16);
  Floats y(x.size());
  function(x.data(), static_cast<int64_t>(x.size()), y.data());
  y.resize(count);
  return y;
}
Floats Exp(const Floats& x) { return Mapped(SWITCHYARD_DISPATCH(MapExp), x); }
Floats Exp2(const Floats& x) { return Mapped(SWITCHYARD_DISPATCH(MapExp2), x); }
Floats Log(const Floats& x) { return Mapped(SWITCHYARD_DISPATCH(MapLog), x); }

// Every 4999th number in [low, high], and both ends.
Floats Numbers(float low, float high) {
  Floats numbers = {low, high};
  for (uint32_t bits = 0; bits < 0xFF800000u; bits += 4999) {
    float x;
    std::memcpy(&x, &bits, sizeof(x));
    if (x >= low && x <= high) numbers.push_back(x);
    if (bits > 0xFF800000u - 4999) break;
  }
  return numbers;
}

// |actual - expected| in units of the last place of fp32 at `expected`.
double ErrorInUlp(double actual, double expected) {
  const int exponent = std::max(std::ilogb(expected), -126);
  return std::abs(actual - expected) / std::ldexp(1.0, exponent - 23);
}

TEST(ExpTest, Exp2IsWithinTwoUlp) {
  // Below -126 the scale is no normal number.
  const Floats x = Numbers(-126.0f, 127.49f), y = Exp2(x);
  for (size_t i = 0; i < x.size(); ++i) {
    EXPECT_LE(ErrorInUlp(y[i], std::exp2(static_cast<double>(x[i]))), 2)
        << x[i];
  }
}

TEST(ExpTest, ExpIsWithinTwoUlp) {
  const Floats x = Numbers(-87.3f, 88.3f), y = Exp(x);
  for (size_t i = 0; i < x.size(); ++i) {
    EXPECT_LE(ErrorInUlp(y[i], std::exp(static_cast<double>(x[i]))), 2) << x[i];
  }
}

TEST(ExpTest, PowersOfTwoAndOneAreExact) {
  EXPECT_EQ(Exp2({0, 1, -1, 10, -126, 127, -0.0f}),
            (Floats{1, 2, 0.5, 1024, 0x1p-126f, 0x1p127f, 1}));
  EXPECT_EQ(Exp({0, -0.0f}), (Floats{1, 1}));
}

TEST(ExpTest, EndsOfTheRange) {
  // Denormal results are zero, not something near it.
  EXPECT_EQ(Exp2({-126.51f, -127, -1e30f, -kInfinity}), Floats(4, 0.0f));
  EXPECT_EQ(Exp({-87.7f, -88, -104, -1e30f, -kInfinity}), Floats(5, 0.0f));
  EXPECT_EQ(Exp({88.73f, 100, 1e30f, kInfinity}), Floats(4, kInfinity));
}

TEST(ExpTest, NanStays) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const Floats& y :
       {Exp({nan, -nan, 1}), Exp2({nan, -nan, 1}), Log({nan, -nan, 1})}) {
    EXPECT_TRUE(std::isnan(y[0]));
    EXPECT_TRUE(std::isnan(y[1]));
    EXPECT_FALSE(std::isnan(y[2]));  // a neighbour
  }
}

TEST(ExpTest, LogIsWithinFourUlp) {
  // Where the result is not near zero, at which Highway promises none.
  for (const auto& [low, high] :
       {std::pair(0x1p-126f, 0.9f), std::pair(1.1f, 3e38f)}) {
    const Floats x = Numbers(low, high), y = Log(x);
    for (size_t i = 0; i < x.size(); ++i) {
      EXPECT_LE(ErrorInUlp(y[i], std::log(static_cast<double>(x[i]))), 4)
          << x[i];
    }
  }
}

}  // namespace
}  // namespace switchyard::kernels::cpu
#endif  // HWY_ONCE
