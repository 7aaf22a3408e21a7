// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/adamw.h"

#include <cmath>
#include <cstdint>
#include <vector>

#include "gtest/gtest.h"
#include "switchyard/base/cpu/cpu_device.h"
#include "switchyard/tests/support/any_device.h"
#include "switchyard/tests/support/compare.h"
#include "switchyard/tests/support/random_values.h"
#include "switchyard/tests/support/rounding.h"
#include "switchyard/tests/support/test_tensor.h"

namespace switchyard::kernels {
namespace {

using switchyard::testing::AllEqual;
using switchyard::testing::AllNear;
using switchyard::testing::AnyDevice;
using switchyard::testing::Layout;
using switchyard::testing::RandomValues;
using switchyard::testing::RoundTo;
using switchyard::testing::SameBits;
using switchyard::testing::TestTensor;

using Values = std::vector<double>;

AdamWSettings SomeSettings() {
  return {.learning_rate = 3e-3f,
          .beta1 = 0.9f,
          .beta2 = 0.95f,
          .eps = 1e-8f,
          .weight_decay = 0.1f,
          .step_size = 0.011f,
          .inverse_sqrt_correction2 = 2.3f,
          .gradient_scale = 0.7f,
          .fraction_bits = 44};
}

// The state of a range of parameters.
struct State {
  State(Device& device, int64_t count, uint64_t seed, DType weight_dtype,
        Layout layout = {})
      : gradient(device, DType::kInt64, {count}, layout),
        master(device, DType::kFloat32, {count}, RandomValues(seed, count),
               layout),
        m(device, DType::kFloat32, {count},
          RandomValues(seed + 1, count, -1e-3, 1e-3), layout),
        v(device, DType::kFloat32, {count},
          RandomValues(seed + 2, count, 0, 1e-6), layout),
        weight(device, weight_dtype, {count}, layout) {
    const Values sign = RandomValues(seed + 3, count);
    const Values exponent = RandomValues(seed + 4, count, 10.0, 44.0);
    for (int64_t i = 0; i < count; ++i) {
      sums.push_back(static_cast<int64_t>(sign[i] * std::exp2(exponent[i])));
    }
    const auto stream = device.NewStream();
    stream->CopyToDevice(gradient, sums.data());
    stream->Wait();
  }
  AdamWArgs Args(const AdamWSettings& settings) const {
    return {gradient, master, m, v, weight, settings};
  }

  std::vector<int64_t> sums;
  TestTensor gradient, master, m, v, weight;
};

double Gradient(int64_t sum, const AdamWSettings& s) {
  const double scale = std::ldexp(double{s.gradient_scale}, -s.fraction_bits);
  return static_cast<float>(static_cast<double>(sum) * scale);
}

struct Expected {
  Values m, v, w, m_error, w_error;
};

// In double, with bounds of what fp32 does to it. With u = 2^-24:
// m: two products (one where they are fused) and a sum: 3 u of the terms.
// v: three products and a sum of positive terms: 4 u.
// direction m / D: m's error, and relatively 2 u + u of the root, 2 u of the
// fused step to D, u of the quotient; one more u for step_size times it.
// w: the decay and the last sum round |w| at most three times.
Expected Oracle(const State& state, const AdamWSettings& s) {
  constexpr double u = 0x1p-24;
  const Values m = state.m.Read(), v = state.v.Read(), w = state.master.Read();
  Expected e;
  for (size_t i = 0; i < m.size(); ++i) {
    const double g = Gradient(state.sums[i], s);
    const double kept = double{s.beta1} * m[i];
    const double added = (1 - double{s.beta1}) * g;
    e.m.push_back(kept + added);
    e.v.push_back(double{s.beta2} * v[i] + (1 - double{s.beta2}) * g * g);
    const double root = std::sqrt(e.v[i]) * s.inverse_sqrt_correction2;
    const double denominator = root + s.eps;
    e.w.push_back(w[i] - double{s.learning_rate} * s.weight_decay * w[i] -
                  s.step_size * e.m[i] / denominator);
    e.m_error.push_back(3 * u * (std::abs(kept) + std::abs(added)));
    e.w_error.push_back(3 * u * std::abs(w[i]) +
                        s.step_size / denominator *
                            (e.m_error[i] + 7 * u * std::abs(e.m[i])));
  }
  return e;
}

TEST(AdamWTest, AgreesWithDoublesAtEveryLengthAndLayout) {
  AnyDevice device(2);
  const auto stream = device.NewStream();
  const AdamWSettings settings = SomeSettings();
  for (const int64_t count : {0, 1, 3, 7, 8, 31, 32, 33, 1000, 40001}) {
    for (const DType dtype : {DType::kFloat32, DType::kBFloat16}) {
      for (const Layout layout : {Layout(), Layout::Strided(0, 1)}) {
        const State state(device, count, count + 5, dtype, layout);
        const Expected expected = Oracle(state, settings);
        AdamW(*stream, state.Args(settings));
        stream->Wait();
        EXPECT_TRUE(AllNear(state.m.Read(), expected.m, expected.m_error));
        EXPECT_TRUE(AllNear(state.v.Read(), expected.v, 0, 4 * 0x1p-24));
        const Values master = state.master.Read();
        EXPECT_TRUE(AllNear(master, expected.w, expected.w_error));
        Values rounded;
        for (const double w : master) rounded.push_back(RoundTo(dtype, w));
        EXPECT_TRUE(AllEqual(state.weight.Read(), rounded));
      }
    }
  }
}

TEST(AdamWTest, FollowsItsFormula) {
  AnyDevice device(1, AnyDevice::kGuarded);
  const auto stream = device.NewStream();
  TestTensor gradient(device, DType::kInt64, {2}, {2.0 * (1 << 20), 0.0});
  TestTensor weight(device, DType::kFloat32, {2}, {1.0, 1.0});
  TestTensor m(device, DType::kFloat32, {2}, {0.0, 3.0});
  TestTensor v(device, DType::kFloat32, {2}, {0.0, 4.0});
  AdamWSettings s;
  s.learning_rate = 0.5f;
  s.beta1 = 0.5f;
  s.beta2 = 0.75f;
  s.eps = 0.25f;
  s.weight_decay = 0.25f;
  s.step_size = 2.0f;
  s.inverse_sqrt_correction2 = 0.75f;
  s.gradient_scale = 2.0f;
  s.fraction_bits = 20;
  AdamW(*stream, {gradient, weight, m, v, weight, s});
  stream->Wait();
  // g = 4: m = 2, v = 4, D = 2 · 0.75 + 0.25 = 1.75; no gradient: m = 1.5,
  // v = 3. Decay takes an eighth.
  EXPECT_TRUE(AllEqual(m.Read(), {2.0, 1.5}));
  EXPECT_TRUE(AllEqual(v.Read(), {4.0, 3.0}));
  EXPECT_TRUE(AllNear(
      weight.Read(),
      {0.875 - 2 * 2 / 1.75, 0.875 - 2 * 1.5 / (std::sqrt(3.0) * 0.75 + 0.25)},
      0, 4 * 0x1p-24));
}

// beta1 = 0 makes m the gradient.
TEST(AdamWTest, ConvertsSumsInDoubleAndRoundsToFloat) {
  AnyDevice device;
  const auto stream = device.NewStream();
  std::vector<int64_t> sums = {0, 1, -1, INT64_MAX, INT64_MIN, INT64_MIN + 1};
  for (int exponent = 20; exponent <= 62; ++exponent) {
    const int64_t power = int64_t{1} << exponent;
    for (const int64_t off : {power >> 24, power >> 25, int64_t{1}}) {
      for (const int64_t sign : {-1, 1}) {
        sums.push_back(sign * (power + off));
        sums.push_back(sign * (power + 3 * off));
        sums.push_back(sign * (power - off));
      }
    }
  }
  for (const float scale : {1.0f, 0.3f}) {
    AdamWSettings s = SomeSettings();
    s.beta1 = 0.0f;
    s.gradient_scale = scale;
    const int64_t count = sums.size();
    State state(device, count, 1, DType::kFloat32);
    stream->CopyToDevice(state.gradient, sums.data());
    AdamW(*stream, state.Args(s));
    stream->Wait();
    Values expected;
    for (const int64_t sum : sums) expected.push_back(Gradient(sum, s));
    EXPECT_TRUE(AllEqual(state.m.Read(), expected));
  }
}

TEST(AdamWTest, CutsAndThreadsDoNotMatter) {
  const int64_t count = 50001;
  const AdamWSettings settings = SomeSettings();
  AnyDevice one(1, AnyDevice::kGuarded);
  const auto stream = one.NewStream();
  const State whole(one, count, 9, DType::kBFloat16);
  AdamW(*stream, whole.Args(settings));
  stream->Wait();
  for (const int threads : {2, 3}) {
    AnyDevice device(threads);
    const auto other = device.NewStream();
    const State cut(device, count, 9, DType::kBFloat16, Layout::Strided(0, 3));
    int64_t begin = 0;
    for (int64_t length = 1; begin < count; length = 3 * length + 1) {
      const int64_t end = std::min(begin + length, count);
      AdamW(*other,
            {cut.gradient.view().Rows(begin, end),
             cut.master.view().Rows(begin, end), cut.m.view().Rows(begin, end),
             cut.v.view().Rows(begin, end), cut.weight.view().Rows(begin, end),
             settings});
      begin = end;
    }
    other->Wait();
    EXPECT_TRUE(SameBits(whole.m, cut.m));
    EXPECT_TRUE(SameBits(whole.v, cut.v));
    EXPECT_TRUE(SameBits(whole.master, cut.master));
    EXPECT_TRUE(SameBits(whole.weight, cut.weight));
  }
}

// Sums in fp32. Numbers of 20 bits behind the point have the same gradient,
// whichever way they are stored.
TEST(AdamWTest, AGpuTakesFp32SumsToo) {
  SWITCHYARD_CUDA_ONLY();
  AnyDevice device;
  const auto stream = device.NewStream();
  AdamWSettings settings = SomeSettings();
  settings.fraction_bits = 20;
  for (const int64_t count : {0, 1, 31, 33, 1001}) {
    for (const DType dtype : {DType::kFloat32, DType::kBFloat16}) {
      for (const Layout layout : {Layout(), Layout::Strided(0, 1)}) {
        const State fixed(device, count, 3, dtype, layout);
        const State narrow(device, count, 3, dtype, layout);
        std::vector<int64_t> sums;
        Values gradients;
        for (int64_t i = 0; i < count; ++i) {
          sums.push_back((i + 1) * 7919 % 2000003 - 1000000);
          gradients.push_back(std::ldexp(static_cast<double>(sums[i]), -20));
        }
        stream->CopyToDevice(fixed.gradient, sums.data());
        const TestTensor gradient(device, DType::kFloat32, {count}, gradients,
                                  layout);
        AdamW(*stream, fixed.Args(settings));
        AdamWArgs args = narrow.Args(settings);
        args.gradient = gradient;
        AdamW(*stream, args);
        stream->Wait();
        EXPECT_TRUE(SameBits(fixed.m, narrow.m));
        EXPECT_TRUE(SameBits(fixed.v, narrow.v));
        EXPECT_TRUE(SameBits(fixed.master, narrow.master));
        EXPECT_TRUE(SameBits(fixed.weight, narrow.weight));
      }
    }
  }
}

TEST(AdamWDeathTest, WrongOperandsAreBugs) {
  SWITCHYARD_CPU_ONLY();
  CpuDevice device;
  const auto stream = device.NewStream();
  const State four(device, 4, 1, DType::kFloat32);
  const State five(device, 5, 1, DType::kFloat32);
  AdamWArgs args = four.Args(SomeSettings());
  args.v = five.v;
  EXPECT_DEATH(AdamW(*stream, args), "expected v to be fp32 \\[4\\]");
  args = four.Args(SomeSettings());
  args.gradient = four.master;
  EXPECT_DEATH(AdamW(*stream, args), "expected gradient to be int64");
}

}  // namespace
}  // namespace switchyard::kernels
