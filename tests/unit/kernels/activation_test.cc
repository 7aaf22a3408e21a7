// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/activation.h"

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "switchyard/base/cpu/cpu_device.h"
#include "switchyard/kernels/swiglu.h"
#include "switchyard/tests/support/any_device.h"
#include "switchyard/tests/support/compare.h"
#include "switchyard/tests/support/random_values.h"
#include "switchyard/tests/support/rounding.h"
#include "switchyard/tests/support/test_tensor.h"
#include "switchyard/tests/unit/kernels/elementwise_runs.h"

namespace switchyard::kernels {
namespace {

using switchyard::testing::AllNear;
using switchyard::testing::AnyDevice;
using switchyard::testing::Layout;
using switchyard::testing::RandomValues;
using switchyard::testing::SameBits;
using switchyard::testing::TestTensor;
using switchyard::testing::UnitRoundoff;

constexpr double u = 0x1p-24;  // of fp32

// A function's value and slope, and how far fp32 may be from them.
struct Point {
  double value, slope;
  double value_error, slope_error;
};

// As SwiGlu's: 9 u for the sigmoid and its complement each.
Point Silu(double a) {
  const double s = Sigmoid(a), c = Sigmoid(-a);
  return {a * s, s * (1 + a * c), 11 * u * std::abs(a * s),
          24 * u * s * (1 + std::abs(a) * c)};
}

// The exponential of -a²/2 errs by 4 u and by what its argument does, u · a²/2
// (a/2 is exact). The scaled tail: 2e-8 (u/3) of the polynomial itself; the
// quotient w by 2 u, so 2.5 · 2 · w · 2 u + u <= 5 u in t, by whose slope, at
// most 0.62 of it, the polynomial moves 3.1 u; Horner's scheme by 3 u (the sum
// of its coefficients' magnitudes is 1.3 times the value at most); 3 u for w
// and two products. Together below 14 + a²/2. For a > 0 the normal distribution
// is 1 - tail, which is at least half: no worse. One more product.
Point Gelu(double a) {
  const double normal = 0.5 * std::erfc(-a / std::sqrt(2.0));
  const double density = std::exp(-a * a / 2) / std::sqrt(2 * std::acos(-1.0));
  const double error = (15 + a * a / 2) * u;
  return {a * normal, normal + a * density, error * std::abs(a) * normal,
          (error + 2 * u) * (normal + std::abs(a) * density)};
}

// y, the sigmoid's argument, has an error of 5 u (square, two constants, the
// fused sum, the product); the sigmoid passes on y times that in its smaller
// side.
Point GeluTanh(double a) {
  const double scale = 2 * std::sqrt(2 / std::acos(-1.0));
  const double y = scale * (a + 0.044715 * a * a * a);
  const double dy = scale * (1 + 3 * 0.044715 * a * a);
  const double s = Sigmoid(y), c = Sigmoid(-y);
  const double error = (11 + 5 * std::abs(y)) * u;
  const double bend = std::abs(a) * dy * c;
  return {a * s, s * (1 + a * dy * c), error * std::abs(a * s),
          s * (error + 2 * u + (2 * error + 6 * u) * bend)};
}

Point Relu(double a) { return {std::max(a, 0.0), a > 0 ? 1.0 : 0.0, 0, 0}; }

Point At(Activation function, double a) {
  switch (function) {
    case Activation::kSilu:
      return Silu(a);
    case Activation::kGelu:
      return Gelu(a);
    case Activation::kGeluTanh:
      return GeluTanh(a);
    case Activation::kRelu:
      return Relu(a);
  }
  return {};
}

struct Inputs : ActivationInputs {
  ActivationKind kind;
};

Inputs MakeInputs(ActivationKind kind, DType dtype, int64_t rows, int64_t width,
                  double range) {
  const int64_t inner = kind.InnerWidth(width);
  return {{rows, width, inner, dtype,
           RandomValues(1, rows * inner, -range, range, dtype),
           RandomValues(2, rows * width, -1, 1, dtype)},
          kind};
}

void BothPasses(Stream& stream, ActivationKind kind,
                const ActivationTensors& t) {
  Activate(stream, kind, t.inner, t.act);
  ActivateBackward(stream, kind, t.inner, t.dact, t.dinner);
}

struct Expected {
  Values act, act_error, dinner, dinner_error;
};

// Below e^-87 the exponential is 0; elements are at most `range`.
constexpr double kUnderflow = 1e-32;

Expected Oracle(const Inputs& in) {
  const double rounding =
      in.dtype == DType::kBFloat16 ? 1.01 * UnitRoundoff(in.dtype) : 0;
  Expected e;
  e.dinner.resize(in.inner.size());
  e.dinner_error.resize(in.inner.size());
  for (int64_t r = 0; r < in.rows; ++r) {
    for (int64_t c = 0; c < in.width; ++c) {
      const int64_t i = r * in.inner_width + c;
      const Point f = At(in.kind.function, in.inner[i]);
      const double up = in.kind.gated ? in.inner[i + in.width] : 1.0;
      const double dact = in.dact[r * in.width + c];
      const auto bound = [&](double value, double error) {
        return error + (2 * u + rounding) * std::abs(value) + kUnderflow;
      };
      e.act.push_back(f.value * up);
      e.act_error.push_back(bound(e.act.back(), f.value_error * std::abs(up)));
      e.dinner[i] = dact * up * f.slope;
      e.dinner_error[i] =
          bound(e.dinner[i], f.slope_error * std::abs(dact * up));
      if (!in.kind.gated) continue;
      e.dinner[i + in.width] = dact * f.value;
      e.dinner_error[i + in.width] =
          bound(dact * f.value, f.value_error * std::abs(dact));
    }
  }
  return e;
}

std::string NameOf(ActivationKind kind) {
  const char* names[] = {"Silu", "Gelu", "GeluTanh", "Relu"};
  return std::string(kind.gated ? "Gated" : "") +
         names[static_cast<int>(kind.function)];
}

class ActivationTest : public ::testing::TestWithParam<ActivationKind> {};

TEST_P(ActivationTest, AgreesWithDoubles) {
  AnyDevice device;
  const auto stream = device.NewStream();
  for (const double range : {1e-3, 1.0, 6.0, 15.0, 1e3}) {
    for (const int64_t width : {0, 1, 7, 31, 32, 33, 1001}) {
      for (const DType dtype : {DType::kFloat32, DType::kBFloat16}) {
        const Inputs in = MakeInputs(GetParam(), dtype, 3, width, range);
        const Expected e = Oracle(in);
        // Rows of 1 and 33 elements aligned: something is left at their ends.
        for (const Layout layout :
             {Layout(), Layout::Strided(3, 1), Layout::Strided(7, 0)}) {
          const ActivationTensors t(device, in, layout);
          BothPasses(*stream, in.kind, t);
          // In place.
          ActivateBackward(*stream, in.kind, t.inner, t.dact, t.inner);
          stream->Wait();
          EXPECT_TRUE(AllNear(t.act.Read(), e.act, e.act_error)) << range;
          EXPECT_TRUE(AllNear(t.dinner.Read(), e.dinner, e.dinner_error))
              << range;
          EXPECT_TRUE(SameBits(t.inner, t.dinner));
        }
      }
    }
  }
}

// The oracle's slopes are those of its values: the third derivative is below
// 10, and a corner is met nowhere.
TEST_P(ActivationTest, OracleIsTheDerivative) {
  SWITCHYARD_CPU_ONLY();
  for (double a = -8.05; a < 8; a += 0.1) {
    double x = a;
    EXPECT_NEAR(At(GetParam().function, a).slope,
                Slope(x, [&] { return At(GetParam().function, x).value; }),
                5e-9)
        << a;
  }
}

TEST_P(ActivationTest, GivesTheSameBitsOnAnyNumberOfThreads) {
  const Inputs in = MakeInputs(GetParam(), DType::kBFloat16, 123, 776, 5.0);
  ExpectSameBitsOnAnyNumberOfThreads([&](Device& device, Layout layout) {
    const auto stream = device.NewStream();
    const ActivationTensors t(device, in, layout);
    BothPasses(*stream, in.kind, t);
    stream->Wait();
    return t.Results();
  });
}

TEST_P(ActivationTest, BadValuesStayBadAndLargeOnesGood) {
  AnyDevice device;
  const auto stream = device.NewStream();
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const ActivationKind kind = {GetParam().function, /*gated=*/false};
  const Values x = {nan, 1e20, -1e20, 3e38, -3e38, 0.0};
  const ActivationTensors t(device,
                            {1, 6, 6, DType::kFloat32, x, Values(6, 1.0)});
  BothPasses(*stream, kind, t);
  stream->Wait();
  const Values y = t.act.Read(), dx = t.dinner.Read();
  EXPECT_TRUE(std::isnan(y[0]));
  for (const int positive : {1, 3}) {
    EXPECT_EQ(y[positive], static_cast<float>(x[positive]));
    EXPECT_EQ(dx[positive], 1.0);
    EXPECT_EQ(y[positive + 1], 0.0);
    EXPECT_EQ(dx[positive + 1], 0.0);
  }
  EXPECT_EQ(y[5], 0.0);
  EXPECT_EQ(dx[5], kind.function == Activation::kRelu ? 0.0 : 0.5);
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, ActivationTest,
    ::testing::Values(ActivationKind{Activation::kSilu, false},
                      ActivationKind{Activation::kGelu, false},
                      ActivationKind{Activation::kGelu, true},
                      ActivationKind{Activation::kGeluTanh, false},
                      ActivationKind{Activation::kGeluTanh, true},
                      ActivationKind{Activation::kRelu, false},
                      ActivationKind{Activation::kRelu, true}),
    [](const auto& info) { return NameOf(info.param); });

TEST(ActivationTest, GatedSiluIsSwiGlu) {
  AnyDevice device;
  const auto stream = device.NewStream();
  const Inputs in = MakeInputs({}, DType::kFloat32, 4, 100, 4.0);
  const ActivationTensors t(device, in), expected(device, in);
  BothPasses(*stream, in.kind, t);
  SwiGlu(*stream, expected.inner, expected.act);
  SwiGluBackward(*stream, expected.inner, expected.dact, expected.dinner);
  stream->Wait();
  EXPECT_TRUE(SameBits(t.act, expected.act));
  EXPECT_TRUE(SameBits(t.dinner, expected.dinner));
}

TEST(ActivationDeathTest, WrongOperandsAreBugs) {
  SWITCHYARD_CPU_ONLY();
  CpuDevice device;
  const auto stream = device.NewStream();
  TestTensor inner(device, DType::kFloat32, {2, 6});
  TestTensor act(device, DType::kFloat32, {2, 6});
  EXPECT_DEATH(Activate(*stream, {Activation::kRelu, true}, inner, act),
               "expected inner to be fp32 \\[2, 12\\]");
}

}  // namespace
}  // namespace switchyard::kernels
