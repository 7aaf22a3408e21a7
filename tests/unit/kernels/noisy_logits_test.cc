// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/noisy_logits.h"

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "gtest/gtest.h"
#include "switchyard/base/cpu/cpu_device.h"
#include "switchyard/tests/support/any_device.h"
#include "switchyard/tests/support/compare.h"
#include "switchyard/tests/support/random_values.h"
#include "switchyard/tests/support/test_tensor.h"

namespace switchyard::kernels {
namespace {

using switchyard::testing::AllEqual;
using switchyard::testing::AllNear;
using switchyard::testing::AnyDevice;
using switchyard::testing::Layout;
using switchyard::testing::RandomValues;
using switchyard::testing::TestTensor;

using Values = std::vector<double>;

constexpr DType kFloat = DType::kFloat32;
constexpr double u = 0x1p-24;

double Softplus(double x) {
  return std::fmax(x, 0.0) + std::log1p(std::exp(-std::fabs(x)));
}
double Sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

struct Case {
  Shape shape;
  Values noise, width, logits, dh;
};

Case MakeCase(int64_t tokens, int64_t experts) {
  const int64_t count = tokens * experts;
  return {{tokens, experts},
          RandomValues(1, count, -5, 5),
          RandomValues(2, count, -30, 30),
          RandomValues(3, count, -4, 4),
          RandomValues(4, count, -1, 1)};
}

// The exponential errs by 2 ulp, ln(1 + e) and the sum by a few more: below 16
// u of a softplus, and of a sigmoid. One rounding of h, or of a product.
TEST(NoisyLogitsTest, AgreesWithDoubles) {
  for (const int64_t tokens : {0, 1, 70}) {
    for (const int64_t experts : {1, 3, 8, 31, 64, 300}) {
      for (const Layout& layout :
           {Layout(), Layout::Strided(3, 1), Layout::Strided(1, 0)}) {
        AnyDevice device(2);
        const auto stream = device.NewStream();
        const Case c = MakeCase(tokens, experts);
        TestTensor noise(device, kFloat, c.shape, c.noise, layout);
        TestTensor width(device, kFloat, c.shape, c.width, layout);
        TestTensor logits(device, kFloat, c.shape, c.logits, layout);
        TestTensor slope(device, kFloat, c.shape, layout);
        TestTensor dh(device, kFloat, c.shape, c.dh, layout);
        TestTensor dwidth(device, kFloat, c.shape, layout);
        NoisyLogits(*stream, {noise, width, logits, slope});
        NoisyLogitsBackward(*stream, {slope, dh, dwidth});
        stream->Wait();
        Values h, h_error, s, s_error, d, d_error;
        for (size_t i = 0; i < c.noise.size(); ++i) {
          const double add = c.noise[i] * Softplus(c.width[i]);
          h.push_back(c.logits[i] + add);
          h_error.push_back(16 * u * std::fabs(add) + u * std::fabs(h.back()));
          s.push_back(c.noise[i] * Sigmoid(c.width[i]));
          s_error.push_back(17 * u * std::fabs(s.back()));
          d.push_back(c.dh[i] * s.back());
          d_error.push_back(18 * u * std::fabs(d.back()));
        }
        EXPECT_TRUE(AllNear(logits.Read(), h, h_error));
        EXPECT_TRUE(AllNear(slope.Read(), s, s_error));
        EXPECT_TRUE(AllNear(dwidth.Read(), d, d_error));
      }
    }
  }
}

TEST(NoisyLogitsTest, ItsSlopeMayReplaceTheNoise) {
  AnyDevice device(2);
  const auto stream = device.NewStream();
  const Case c = MakeCase(9, 7);
  TestTensor noise(device, kFloat, c.shape, c.noise);
  TestTensor width(device, kFloat, c.shape, c.width);
  TestTensor logits(device, kFloat, c.shape, c.logits);
  TestTensor slope(device, kFloat, c.shape);
  NoisyLogits(*stream, {noise, width, logits, slope});
  TestTensor again(device, kFloat, c.shape, c.logits);
  NoisyLogits(*stream, {noise, width, again, noise});
  stream->Wait();
  EXPECT_TRUE(AllEqual(again.Read(), logits.Read()));
  EXPECT_TRUE(AllEqual(noise.Read(), slope.Read()));
}

// A width of -100 is no noise, one of 100 noise of that size; a bad one is
// seen.
TEST(NoisyLogitsTest, ExtremeWidths) {
  AnyDevice device(1);
  const auto stream = device.NewStream();
  const double nan = std::numeric_limits<double>::quiet_NaN();
  TestTensor noise(device, kFloat, {1, 3}, {2, -2, 1});
  TestTensor width(device, kFloat, {1, 3}, {-100, 100, nan});
  TestTensor logits(device, kFloat, {1, 3}, {1, 1, 1});
  TestTensor slope(device, kFloat, {1, 3});
  NoisyLogits(*stream, {noise, width, logits, slope});
  stream->Wait();
  EXPECT_EQ(logits.Read()[0], 1.0);
  EXPECT_EQ(logits.Read()[1], -199.0);
  EXPECT_TRUE(std::isnan(logits.Read()[2]));
  EXPECT_NEAR(slope.Read()[0], 0.0, 1e-37);
  EXPECT_EQ(slope.Read()[1], -2.0);
}

TEST(NoisyLogitsDeathTest, RefusesOtherShapes) {
  SWITCHYARD_CPU_ONLY();
  CpuDevice device(1);
  const auto stream = device.NewStream();
  TestTensor good(device, kFloat, {2, 3}), bad(device, kFloat, {3, 2});
  EXPECT_DEATH(NoisyLogits(*stream, {bad, good, good, good}),
               "expected noise to be fp32 \\[2, 3\\], found fp32 \\[3, 2\\]");
}

}  // namespace
}  // namespace switchyard::kernels
