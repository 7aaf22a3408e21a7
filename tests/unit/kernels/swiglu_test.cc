// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/swiglu.h"

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "gtest/gtest.h"
#include "switchyard/base/cpu/cpu_device.h"
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

// From |gate| = 87.7 on e^-|gate| counts as zero; with |up| up to 200 this
// loses at most 87.7 · e^-87.7 · 200.
constexpr double kUnderflow = 1.5e-34;

struct Inputs : ActivationInputs {
  double gate(int64_t row, int64_t column) const {
    return inner[row * 2 * width + column];
  }
  double up(int64_t row, int64_t column) const {
    return inner[row * 2 * width + width + column];
  }
};

Inputs RandomInputs(int64_t rows, int64_t width, DType dtype,
                    double range = 8.0) {
  return {{rows, width, 2 * width, dtype,
           RandomValues(1, rows * 2 * width, -range, range, dtype),
           RandomValues(2, rows * width, -1, 1, dtype)}};
}

void BothPasses(Stream& stream, const ActivationTensors& t) {
  SwiGlu(stream, t.inner, t.act);
  SwiGluBackward(stream, t.inner, t.dact, t.dinner);
}

Values Forward(const Inputs& in) {
  Values act;
  for (int64_t r = 0; r < in.rows; ++r) {
    for (int64_t c = 0; c < in.width; ++c) {
      const double gate = in.gate(r, c);
      act.push_back(gate * Sigmoid(gate) * in.up(r, c));
    }
  }
  return act;
}

struct Gradients {
  Values dgate_up;
  Values tolerance;
};

// The sigmoid and its complement err by 9 u each (4 u of the exponential, 2 u
// passed on through the sum, u each of the sum, the quotient and the product).
// dup takes two products more. In dgate the parts of 1 + gate · (1 - sigmoid)
// may cancel, so its bound is in their magnitudes: 9 u for the sigmoid, 9 u for
// the complement, and six roundings.
Gradients Backward(const Inputs& in) {
  Gradients result{Values(in.inner.size()), Values(in.inner.size())};
  const double rounding = in.dtype == DType::kBFloat16 ? 1.01 * 0x1p-8 : 0;
  for (int64_t r = 0; r < in.rows; ++r) {
    for (int64_t c = 0; c < in.width; ++c) {
      const double gate = in.gate(r, c);
      const double sigmoid = Sigmoid(gate), complement = Sigmoid(-gate);
      const double dact = in.dact[r * in.width + c];
      const double outer = dact * in.up(r, c) * sigmoid;
      const double dgate = outer * (1 + gate * complement);
      const double dup = dact * gate * sigmoid;
      const int64_t i = r * 2 * in.width + c;
      result.dgate_up[i] = dgate;
      result.dgate_up[i + in.width] = dup;
      result.tolerance[i] =
          24 * u * std::abs(outer) * (1 + std::abs(gate) * complement) +
          rounding * std::abs(dgate) + kUnderflow;
      result.tolerance[i + in.width] =
          (11 * u + rounding) * std::abs(dup) + kUnderflow;
    }
  }
  return result;
}

TEST(SwiGluTest, AgreesWithDoubles) {
  AnyDevice device(2);
  const auto stream = device.NewStream();
  for (const int64_t rows : {0, 1, 5}) {
    for (const int64_t width : {0, 1, 7, 8, 31, 32, 33, 1001, 20000}) {
      for (const DType dtype : {DType::kFloat32, DType::kBFloat16}) {
        for (const Layout layout : {Layout(), Layout::Strided(3, 1)}) {
          const Inputs in = RandomInputs(rows, width, dtype);
          const ActivationTensors t(device, in, layout);
          BothPasses(*stream, t);
          // In place.
          SwiGluBackward(*stream, t.inner, t.dact, t.inner);
          stream->Wait();
          // As dup in Backward.
          const double rounding =
              dtype == DType::kBFloat16 ? 1.01 * UnitRoundoff(dtype) : 0;
          EXPECT_TRUE(AllNear(t.act.Read(), Forward(in), kUnderflow,
                              11 * u + rounding));
          const Gradients expected = Backward(in);
          EXPECT_TRUE(
              AllNear(t.dinner.Read(), expected.dgate_up, expected.tolerance));
          EXPECT_TRUE(SameBits(t.inner, t.dinner));
        }
      }
    }
  }
}

TEST(SwiGluTest, HoldsForGatesOfEverySize) {
  AnyDevice device;
  const auto stream = device.NewStream();
  for (const double range : {1e-30, 1e-3, 1.0, 30.0, 200.0, 1e10}) {
    const Inputs in = RandomInputs(3, 999, DType::kFloat32, range);
    const ActivationTensors t(device, in);
    BothPasses(*stream, t);
    stream->Wait();
    EXPECT_TRUE(AllNear(t.act.Read(), Forward(in), kUnderflow, 11 * u))
        << range;
    const Gradients expected = Backward(in);
    EXPECT_TRUE(AllNear(t.dinner.Read(), expected.dgate_up, expected.tolerance))
        << range;
  }
}

TEST(SwiGluTest, BadValuesStayBad) {
  AnyDevice device;
  const auto stream = device.NewStream();
  const double inf = std::numeric_limits<double>::infinity();
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const Values gates_and_ups = {nan, 1, inf, 1, nan, 2};
  const ActivationTensors t(
      device, {1, 3, 6, DType::kFloat32, gates_and_ups, {1, 1, 1}});
  BothPasses(*stream, t);
  stream->Wait();
  const Values y = t.act.Read(), dx = t.dinner.Read();
  EXPECT_TRUE(std::isnan(y[0]) && std::isnan(y[1]));
  EXPECT_EQ(y[2], inf);
  EXPECT_TRUE(std::isnan(dx[0]) && std::isnan(dx[1]) && std::isnan(dx[3]));
}

TEST(SwiGluBackwardTest, OracleIsTheDerivative) {
  SWITCHYARD_CPU_ONLY();
  Inputs in = RandomInputs(2, 9, DType::kFloat32);
  const Gradients gradients = Backward(in);
  const auto loss = [&] {
    const Values act = Forward(in);
    double total = 0;
    for (size_t i = 0; i < act.size(); ++i) total += act[i] * in.dact[i];
    return total;
  };
  // The third derivative is below 8.
  for (size_t i = 0; i < in.inner.size(); ++i) {
    EXPECT_NEAR(gradients.dgate_up[i], Slope(in.inner[i], loss), 3e-9);
  }
}

TEST(SwiGluTest, GivesTheSameBitsOnAnyNumberOfThreads) {
  const Inputs in = RandomInputs(123, 776, DType::kBFloat16);
  ExpectSameBitsOnAnyNumberOfThreads([&](Device& device, Layout layout) {
    const auto stream = device.NewStream();
    const ActivationTensors t(device, in, layout);
    BothPasses(*stream, t);
    stream->Wait();
    return t.Results();
  });
}

TEST(SwiGluDeathTest, WrongOperandsAreBugs) {
  SWITCHYARD_CPU_ONLY();
  CpuDevice device;
  const auto stream = device.NewStream();
  TestTensor odd(device, DType::kFloat32, {2, 5});
  TestTensor even(device, DType::kFloat32, {2, 6});
  EXPECT_DEATH(SwiGlu(*stream, odd, even), "gate and up of one width");
  EXPECT_DEATH(SwiGlu(*stream, even, even),
               "expected act to be fp32 \\[2, 3\\]");
}

}  // namespace
}  // namespace switchyard::kernels
