// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/sigmoid_gate.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>
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
using switchyard::testing::TestTensor;
using switchyard::testing::UnitRoundoff;

constexpr double u = 0x1p-24;  // of fp32

struct Case {
  int64_t tokens, in, width;
  DType dtype;
  Values x, weight, value, y, dy, dx;
};

Case MakeCase(int64_t tokens, int64_t in, int64_t width, DType dtype) {
  return {tokens,
          in,
          width,
          dtype,
          RandomValues(1, tokens * in, -1, 1, dtype),
          RandomValues(2, in, -1, 1, dtype),
          RandomValues(3, tokens * width, -1, 1, dtype),
          RandomValues(4, tokens * width, -1, 1, dtype),
          RandomValues(5, tokens * width, -1, 1, dtype),
          RandomValues(6, tokens * in, -1, 1, dtype)};
}

double Logit(const Case& c, int64_t t) {
  double logit = 0.0;
  for (int64_t i = 0; i < c.in; ++i) logit += c.x[t * c.in + i] * c.weight[i];
  return logit;
}

struct Result {
  Values y, logits, dvalue, dlogits, dx;
};

Result Oracle(const Case& c) {
  Result r = {c.y, {}, Values(c.value.size()), {}, c.dx};
  for (int64_t t = 0; t < c.tokens; ++t) {
    r.logits.push_back(Logit(c, t));
    const double open = Sigmoid(r.logits.back());
    double dot = 0.0;
    for (int64_t i = t * c.width; i < (t + 1) * c.width; ++i) {
      r.y[i] += open * c.value[i];
      r.dvalue[i] = open * c.dy[i];
      dot += c.dy[i] * c.value[i];
    }
    r.dlogits.push_back(dot * open * Sigmoid(-r.logits.back()));
    for (int64_t i = 0; i < c.in; ++i) {
      r.dx[t * c.in + i] += r.dlogits.back() * c.weight[i];
    }
  }
  return r;
}

struct Tensors {
  Tensors(Device& device, const Case& c, Layout layout)
      : x(device, c.dtype, {c.tokens, c.in}, c.x, layout),
        weight(device, c.dtype, {1, c.in}, c.weight),
        value(device, c.dtype, {c.tokens, c.width}, c.value, layout),
        dy(device, c.dtype, {c.tokens, c.width}, c.dy, layout),
        y(device, c.dtype, {c.tokens, c.width}, c.y, layout),
        logits(device, DType::kFloat32, {c.tokens}),
        dvalue(device, c.dtype, {c.tokens, c.width}),
        dlogits(device, c.dtype, {c.tokens, 1}),
        dx(device, c.dtype, {c.tokens, c.in}, c.dx, layout) {}
  TestTensor x, weight, value, dy, y, logits, dvalue, dlogits, dx;
};

void BothPasses(Stream& stream, const Tensors& t, const TensorView& dvalue) {
  SigmoidGate(stream, {t.x, t.weight, t.value, t.logits, t.y});
  SigmoidGateBackward(
      stream, {t.dy, t.value, t.weight, t.logits, dvalue, t.dlogits, t.dx});
}

// Dots of n terms below 1 err by n u each at most; the sigmoid has a slope of
// at most 1/4 and 9 u of its own; bf16 rounds once more.
TEST(SigmoidGateTest, AgreesWithDoubles) {
  AnyDevice device(2);
  const auto stream = device.NewStream();
  for (const DType dtype : {DType::kFloat32, DType::kBFloat16}) {
    for (const int64_t tokens : {0, 1, 70}) {
      for (const auto& [in, width] : {std::pair<int64_t, int64_t>{4, 1},
                                      {36, 33},
                                      {64, 200},
                                      {17, 1003}}) {
        const Case c = MakeCase(tokens, in, width, dtype);
        for (const Layout layout : {Layout(), Layout::Strided(2, 1)}) {
          const Tensors t(device, c, layout);
          BothPasses(*stream, t, t.dvalue);
          stream->Wait();
          const Result expected = Oracle(c);
          const double n = static_cast<double>(std::max(c.in, c.width));
          const double rounding = 1.01 * UnitRoundoff(dtype);
          EXPECT_TRUE(AllNear(t.logits.Read(), expected.logits, n * n * u, 0));
          const double gate = n * n * u / 4 + 20 * u;
          EXPECT_TRUE(AllNear(t.y.Read(), expected.y, gate, rounding));
          EXPECT_TRUE(
              AllNear(t.dvalue.Read(), expected.dvalue, gate, rounding));
          const double dlogit = n * (n * u + 2 * gate);
          EXPECT_TRUE(
              AllNear(t.dlogits.Read(), expected.dlogits, dlogit, rounding));
          EXPECT_TRUE(
              AllNear(t.dx.Read(), expected.dx, dlogit + n * u, rounding));
        }
      }
    }
  }
}

TEST(SigmoidGateTest, OracleIsTheDerivative) {
  SWITCHYARD_CPU_ONLY();
  Case c = MakeCase(2, 5, 4, DType::kFloat32);
  c.dx.assign(c.dx.size(), 0.0);
  const Result gradients = Oracle(c);
  const auto loss = [&] {
    const Values y = Oracle(c).y;
    double sum = 0.0;
    for (size_t i = 0; i < y.size(); ++i) sum += y[i] * c.dy[i];
    return sum;
  };
  // The third derivative is below 1.
  const auto slope = [&](double& variable) { return Slope(variable, loss); };
  for (size_t i = 0; i < c.x.size(); ++i) {
    EXPECT_NEAR(gradients.dx[i], slope(c.x[i]), 1e-9);
  }
  for (size_t i = 0; i < c.value.size(); ++i) {
    EXPECT_NEAR(gradients.dvalue[i], slope(c.value[i]), 1e-9);
  }
  for (int64_t i = 0; i < c.in; ++i) {
    double dweight = 0.0;
    for (int64_t t = 0; t < c.tokens; ++t) {
      dweight += gradients.dlogits[t] * c.x[t * c.in + i];
    }
    EXPECT_NEAR(dweight, slope(c.weight[i]), 1e-9);
  }
}

TEST(SigmoidGateTest, GivesTheSameBitsOnAnyNumberOfThreads) {
  const Case c = MakeCase(200, 80, 64, DType::kBFloat16);
  ExpectSameBitsOnAnyNumberOfThreads([&](Device& device, Layout layout) {
    const auto stream = device.NewStream();
    const Tensors t(device, c, layout);
    BothPasses(*stream, t, t.value);  // in place
    stream->Wait();
    std::vector<uint64_t> bits = t.y.Bits();
    for (const TestTensor* result : {&t.value, &t.dlogits, &t.dx}) {
      const std::vector<uint64_t> more = result->Bits();
      bits.insert(bits.end(), more.begin(), more.end());
    }
    return bits;
  });
}

TEST(SigmoidGateDeathTest, WrongOperandsAreBugs) {
  SWITCHYARD_CPU_ONLY();
  CpuDevice device;
  const auto stream = device.NewStream();
  TestTensor x(device, DType::kFloat32, {2, 3});
  TestTensor weight(device, DType::kFloat32, {1, 4});
  TestTensor logits(device, DType::kFloat32, {2});
  EXPECT_DEATH(SigmoidGate(*stream, {x, weight, x, logits, x}),
               "expected weight to be fp32 \\[1, 3\\]");
}

}  // namespace
}  // namespace switchyard::kernels
