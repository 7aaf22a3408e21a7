// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/swiglu.h"

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "gtest/gtest.h"
#include "switchyard/base/cpu/cpu_device.h"
#include "switchyard/base/guarded/guarded_device.h"
#include "switchyard/tests/support/compare.h"
#include "switchyard/tests/support/random_values.h"
#include "switchyard/tests/support/rounding.h"
#include "switchyard/tests/support/test_tensor.h"

namespace switchyard::kernels {
namespace {

using switchyard::testing::AllNear;
using switchyard::testing::Layout;
using switchyard::testing::RandomValues;
using switchyard::testing::SameBits;
using switchyard::testing::TestTensor;
using switchyard::testing::UnitRoundoff;

using Values = std::vector<double>;

constexpr double u = 0x1p-24;  // of fp32
// From |gate| = 87.7 on e^-|gate| counts as zero; with |up| up to 200 this
// loses at most 87.7 · e^-87.7 · 200.
constexpr double kUnderflow = 1.5e-34;

double Sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

struct Inputs {
  int64_t rows, width;
  DType dtype;
  Values gate_up, dact;

  double gate(int64_t row, int64_t column) const {
    return gate_up[row * 2 * width + column];
  }
  double up(int64_t row, int64_t column) const {
    return gate_up[row * 2 * width + width + column];
  }
};

Inputs RandomInputs(int64_t rows, int64_t width, DType dtype,
                    double range = 8.0) {
  return {rows, width, dtype,
          RandomValues(1, rows * 2 * width, -range, range, dtype),
          RandomValues(2, rows * width, -1, 1, dtype)};
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
  Gradients result{Values(in.gate_up.size()), Values(in.gate_up.size())};
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
  CpuDevice device(2);
  const auto stream = device.NewStream();
  for (const int64_t rows : {0, 1, 5}) {
    for (const int64_t width : {0, 1, 7, 8, 31, 32, 33, 1001, 20000}) {
      for (const DType dtype : {DType::kFloat32, DType::kBFloat16}) {
        for (const Layout layout : {Layout(), Layout::Strided(3, 1)}) {
          const Inputs in = RandomInputs(rows, width, dtype);
          const Shape both = {rows, 2 * width}, one = {rows, width};
          TestTensor gate_up(device, dtype, both, in.gate_up, layout);
          TestTensor dact(device, dtype, one, in.dact, layout);
          TestTensor act(device, dtype, one, layout);
          TestTensor dgate_up(device, dtype, both, layout);
          SwiGlu(*stream, gate_up, act);
          SwiGluBackward(*stream, gate_up, dact, dgate_up);
          SwiGluBackward(*stream, gate_up, dact, gate_up);
          stream->Wait();
          // As dup in Backward.
          const double rounding =
              dtype == DType::kBFloat16 ? 1.01 * UnitRoundoff(dtype) : 0;
          EXPECT_TRUE(
              AllNear(act.Read(), Forward(in), kUnderflow, 11 * u + rounding));
          const Gradients expected = Backward(in);
          EXPECT_TRUE(
              AllNear(dgate_up.Read(), expected.dgate_up, expected.tolerance));
          EXPECT_TRUE(SameBits(gate_up, dgate_up));
        }
      }
    }
  }
}

TEST(SwiGluTest, HoldsForGatesOfEverySize) {
  CpuDevice device;
  const auto stream = device.NewStream();
  for (const double range : {1e-30, 1e-3, 1.0, 30.0, 200.0, 1e10}) {
    const Inputs in = RandomInputs(3, 999, DType::kFloat32, range);
    TestTensor gate_up(device, in.dtype, {3, 1998}, in.gate_up);
    TestTensor dact(device, in.dtype, {3, 999}, in.dact);
    TestTensor act(device, in.dtype, {3, 999});
    TestTensor dgate_up(device, in.dtype, {3, 1998});
    SwiGlu(*stream, gate_up, act);
    SwiGluBackward(*stream, gate_up, dact, dgate_up);
    stream->Wait();
    EXPECT_TRUE(AllNear(act.Read(), Forward(in), kUnderflow, 11 * u)) << range;
    const Gradients expected = Backward(in);
    EXPECT_TRUE(AllNear(dgate_up.Read(), expected.dgate_up, expected.tolerance))
        << range;
  }
}

TEST(SwiGluTest, BadValuesStayBad) {
  CpuDevice device;
  const auto stream = device.NewStream();
  const double inf = std::numeric_limits<double>::infinity();
  const double nan = std::numeric_limits<double>::quiet_NaN();
  // gates, then ups
  TestTensor gate_up(device, DType::kFloat32, {1, 6}, {nan, 1, inf, 1, nan, 2});
  TestTensor act(device, DType::kFloat32, {1, 3}, {0, 0, 0});
  TestTensor dact(device, DType::kFloat32, {1, 3}, {1, 1, 1});
  TestTensor dgate_up(device, DType::kFloat32, {1, 6}, Values(6, 0.0));
  SwiGlu(*stream, gate_up, act);
  SwiGluBackward(*stream, gate_up, dact, dgate_up);
  stream->Wait();
  const Values y = act.Read(), dx = dgate_up.Read();
  EXPECT_TRUE(std::isnan(y[0]) && std::isnan(y[1]));
  EXPECT_EQ(y[2], inf);
  EXPECT_TRUE(std::isnan(dx[0]) && std::isnan(dx[1]) && std::isnan(dx[3]));
}

TEST(SwiGluBackwardTest, OracleIsTheDerivative) {
  Inputs in = RandomInputs(2, 9, DType::kFloat32);
  const Gradients gradients = Backward(in);
  const auto loss = [&] {
    const Values act = Forward(in);
    double total = 0;
    for (size_t i = 0; i < act.size(); ++i) total += act[i] * in.dact[i];
    return total;
  };
  // Central differences err by h²/6 of the third derivative (below 8 here) and
  // by 1e-14 / h of rounding.
  const double h = 1e-5;
  for (size_t i = 0; i < in.gate_up.size(); ++i) {
    const double kept = in.gate_up[i];
    in.gate_up[i] = kept + h;
    const double above = loss();
    in.gate_up[i] = kept - h;
    const double below = loss();
    in.gate_up[i] = kept;
    EXPECT_NEAR(gradients.dgate_up[i], (above - below) / (2 * h), 3e-9);
  }
}

TEST(SwiGluTest, GivesTheSameBitsOnAnyNumberOfThreads) {
  const Inputs in = RandomInputs(123, 777, DType::kBFloat16);
  const auto run = [&](Device& device, TestTensor& act, TestTensor& dgate_up) {
    const auto stream = device.NewStream();
    TestTensor gate_up(device, in.dtype, {in.rows, 2 * in.width}, in.gate_up);
    TestTensor dact(device, in.dtype, {in.rows, in.width}, in.dact);
    SwiGlu(*stream, gate_up, act);
    SwiGluBackward(*stream, gate_up, dact, dgate_up);
    stream->Wait();
  };
  GuardedDevice one(1);
  TestTensor act(one, in.dtype, {in.rows, in.width});
  TestTensor dgate_up(one, in.dtype, {in.rows, 2 * in.width});
  run(one, act, dgate_up);
  for (const int threads : {2, 3}) {
    CpuDevice device(threads);
    const Layout layout = Layout::Strided(1, 3);
    TestTensor other(device, in.dtype, {in.rows, in.width}, layout);
    TestTensor dother(device, in.dtype, {in.rows, 2 * in.width}, layout);
    run(device, other, dother);
    EXPECT_TRUE(SameBits(act, other));
    EXPECT_TRUE(SameBits(dgate_up, dother));
  }
}

TEST(SwiGluDeathTest, WrongOperandsAreBugs) {
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
