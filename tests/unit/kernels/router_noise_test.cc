// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Random numbers on a router's input and logits, against their formulas:
// kernels/{router_jitter,gumbel_noise}.h.
#include <cmath>
#include <cstdint>
#include <vector>

#include "gtest/gtest.h"
#include "switchyard/base/philox.h"
#include "switchyard/kernels/gumbel_noise.h"
#include "switchyard/kernels/router_jitter.h"
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
constexpr uint64_t kKey = 0x123456789abcdef0;
// Beyond 32 bits: both words of the counter count.
constexpr int64_t kFirstToken = (int64_t{5} << 32) + 7;
constexpr int64_t kWidths[] = {1, 3, 8, 17, 31, 32, 33, 64, 100, 1003};
// Packed; neither first element nor rows aligned; rows of odd length that are.
const Layout kLayouts[] = {Layout(), Layout::Strided(3, 1),
                           Layout::Strided(3, 0)};

double UnitOf(int64_t token, int64_t element, uint32_t purpose) {
  const uint32_t word = Philox4x32(
      kKey, {static_cast<uint32_t>(element / 4), static_cast<uint32_t>(token),
             static_cast<uint32_t>(token >> 32), purpose})[element % 4];
  return (static_cast<double>(word >> 9) + 0.5) * 0x1p-23;
}

TEST(RouterJitterTest, MultipliesByTheFormulasFactors) {
  for (const int64_t width : kWidths) {
    for (const int64_t tokens : {0, 1, 70}) {
      const Values x = RandomValues(3, tokens * width);
      Values expected;
      for (int64_t i = 0; i < tokens * width; ++i) {
        const double u =
            UnitOf(kFirstToken + i / width, i % width, /*purpose=*/0x6a697474);
        expected.push_back(static_cast<float>(x[i]) * (0.7 + 0.6 * u));
      }
      for (const int threads : {1, 2}) {
        for (const Layout layout : kLayouts) {
          AnyDevice device(threads);
          const auto stream = device.NewStream();
          const TestTensor in(device, kFloat, {tokens, width}, x, layout);
          TestTensor out(device, kFloat, {tokens, width}, layout);
          RouterJitter(*stream, {in, out, 0.3, kKey, kFirstToken});
          stream->Wait();
          // Three roundings of numbers up to 1.3 |x|.
          EXPECT_TRUE(AllNear(out.Read(), expected, 3e-7, 0.0));
          // In place, as for the gradient: the same factors.
          TestTensor place(device, kFloat, {tokens, width}, x);
          RouterJitter(*stream, {place, place, 0.3, kKey, kFirstToken});
          stream->Wait();
          EXPECT_TRUE(AllEqual(place.Read(), out.Read()));
        }
      }
    }
  }
}

TEST(GumbelNoiseTest, IsTheFormula) {
  for (const int64_t width : kWidths) {
    for (const int64_t tokens : {0, 1, 70}) {
      Values expected;
      for (int64_t i = 0; i < tokens * width; ++i) {
        const double u =
            UnitOf(kFirstToken + i / width, i % width, /*purpose=*/0x67756d62);
        expected.push_back(-std::log(-std::log(u)));
      }
      for (const Layout layout : kLayouts) {
        AnyDevice device;
        const auto stream = device.NewStream();
        TestTensor noise(device, kFloat, {tokens, width}, layout);
        GumbelNoise(*stream, {noise, kKey, kFirstToken});
        stream->Wait();
        // Near u = 1 the inner logarithm, near 0 the outer one, lose what fp32
        // has of them; both are good to about 1e-6 of 1.
        EXPECT_TRUE(AllNear(noise.Read(), expected, 2e-6, 2e-6));
      }
    }
  }
}

}  // namespace
}  // namespace switchyard::kernels
