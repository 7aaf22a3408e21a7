// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <cstdint>
#include <vector>

#include "gtest/gtest.h"
#include "switchyard/base/cpu/cpu_device.h"
#include "switchyard/base/philox.h"
#include "switchyard/kernels/elementwise.h"
#include "switchyard/tests/support/any_device.h"
#include "switchyard/tests/support/compare.h"
#include "switchyard/tests/support/test_tensor.h"

namespace switchyard::kernels {
namespace {

using switchyard::testing::AllNear;
using switchyard::testing::AnyDevice;
using switchyard::testing::Layout;
using switchyard::testing::SameBits;
using switchyard::testing::TestTensor;

using Values = std::vector<double>;

// Box-Muller with the C library's functions.
double Oracle(uint64_t key, int64_t element, uint32_t draw = 0) {
  const uint64_t counter = static_cast<uint64_t>(element) / 4;
  const PhiloxCounter words =
      Philox4x32(key, {static_cast<uint32_t>(counter),
                       static_cast<uint32_t>(counter >> 32), 0x6e6f726d, draw});
  const int64_t pair = element % 4 / 2;
  const double u = (words[2 * pair] + 0.5) / 4294967296.0;
  const double angle = 2 * std::acos(-1.0) * words[2 * pair + 1] / 4294967296.0;
  const double radius = std::sqrt(-2 * std::log(u));
  return radius * (element % 2 == 0 ? std::cos(angle) : std::sin(angle));
}

Values Make(Device& device, uint64_t key, int64_t first, int64_t count,
            float stddev, Layout layout = {}) {
  const auto stream = device.NewStream();
  TestTensor y(device, DType::kFloat32, {count}, layout);
  Normal(*stream, {key, first, stddev, y});
  stream->Wait();
  return y.Read();
}

// In double both sides err by less than 1e-14 (2 pi w is rounded in the
// oracle, and radius is below 7); fp32 rounds once more, by 2^-24 of the value.
TEST(NormalTest, AgreesWithTheCLibrary) {
  AnyDevice device(2);
  for (const int64_t first :
       {int64_t{0}, int64_t{5}, int64_t{1} << 34, (int64_t{1} << 40) + 3}) {
    for (const int64_t count : {0, 1, 3, 31, 32, 33, 1000, 20001}) {
      for (const int64_t offset : {0, 1}) {
        const uint64_t key = MixKey(7, "test");
        Values expected;
        for (int64_t i = 0; i < count; ++i) {
          expected.push_back(0.02f * Oracle(key, first + i));
        }
        EXPECT_TRUE(AllNear(
            Make(device, key, first, count, 0.02f, Layout::Strided(0, offset)),
            expected, 0.02 * 1e-14, 0x1.01p-24));
      }
    }
  }
}

// No fused operations: every instruction set gives these bits.
TEST(NormalTest, ItsBitsAreTheSameOnEveryInstructionSet) {
  AnyDevice device;
  const auto stream = device.NewStream();
  const int64_t count = 200000;
  TestTensor y(device, DType::kFloat32, {count});
  Normal(*stream, {12345, 0, 1.0f, y});
  stream->Wait();
  uint64_t hash = 0;
  for (const uint64_t bits : y.Bits()) hash = (hash ^ bits) * 0x100000001b3;
  EXPECT_EQ(hash, 5074621011767171667u);
}

TEST(NormalTest, CutsLayoutsAndThreadsDoNotMatter) {
  const int64_t rows = 40, columns = 1003;
  const uint64_t key = 99;
  AnyDevice one(1, AnyDevice::kGuarded);
  TestTensor whole(one, DType::kFloat32, {rows, columns});
  const auto stream = one.NewStream();
  Normal(*stream, {key, 17, 0.5f, whole});
  stream->Wait();
  for (const int threads : {1, 2, 3}) {
    AnyDevice device(threads);
    const auto other = device.NewStream();
    TestTensor strided(device, DType::kFloat32, {rows, columns},
                       Layout::Strided(5, 3));
    Normal(*other, {key, 17, 0.5f, strided});
    TestTensor cut(device, DType::kFloat32, {rows * columns});
    // In ranges of 1, 2, 3, ... elements.
    int64_t begin = 0;
    for (int64_t length = 1; begin < rows * columns; ++length) {
      const int64_t end = std::min(begin + length, rows * columns);
      Normal(*other, {key, 17 + begin, 0.5f, cut.view().Rows(begin, end)});
      begin = end;
    }
    other->Wait();
    EXPECT_TRUE(SameBits(whole, strided));
    EXPECT_EQ(whole.Bits(), cut.Bits());
  }
}

// Bounds are five standard deviations of each statistic of n independent
// standard normal numbers.
TEST(NormalTest, IsNormal) {
  AnyDevice device(2);
  const int64_t n = 1 << 20;
  const Values values = Make(device, 3, 0, n, 1.0f);
  double mean = 0, square = 0, fourth = 0, product = 0;
  int64_t beyond2 = 0, beyond4 = 0;
  for (int64_t i = 0; i < n; ++i) {
    const double x = values[i];
    mean += x;
    square += x * x;
    fourth += x * x * x * x;
    product += x * values[(i + 1) % n];
    beyond2 += std::abs(x) > 2;
    beyond4 += std::abs(x) > 4;
  }
  const double root = std::sqrt(static_cast<double>(n));
  EXPECT_NEAR(mean / n, 0, 5 / root);
  EXPECT_NEAR(square / n, 1, 5 * std::sqrt(2) / root);
  EXPECT_NEAR(fourth / n, 3, 5 * std::sqrt(96) / root);
  EXPECT_NEAR(product / n, 0, 5 / root);
  const auto expect_tail = [&](int64_t found, double bound) {
    const double share = std::erfc(bound / std::sqrt(2));
    EXPECT_NEAR(static_cast<double>(found), share * n,
                5 * std::sqrt(share * n));
  };
  expect_tail(beyond2, 2);
  expect_tail(beyond4, 4);
}

// An element is the first of its draws within the cut, whatever its neighbours
// are; none of the 20,000 is so near to a cut that the oracle's error matters.
TEST(NormalTest, NumbersBeyondTheCutAreDrawnAgain) {
  AnyDevice device(2);
  const auto stream = device.NewStream();
  const int64_t count = 20000;
  for (const float cut : {1.0f, 2.0f, 3.0f}) {
    TestTensor y(device, DType::kFloat32, {count}, Layout::Strided(0, 1));
    Normal(*stream, {8, 3, 0.5f, y.view().Rows(0, 7), cut});
    Normal(*stream, {8, 10, 0.5f, y.view().Rows(7, count), cut});
    stream->Wait();
    Values expected;
    int again = 0;
    for (int64_t i = 0; i < count; ++i) {
      uint32_t draw = 0;
      while (std::abs(Oracle(8, 3 + i, draw)) > cut) ++draw;
      again += draw > 0;
      expected.push_back(0.5 * Oracle(8, 3 + i, draw));
    }
    EXPECT_TRUE(AllNear(y.Read(), expected, 1e-14, 0x1.01p-24)) << cut;
    const double share = std::erfc(cut / std::sqrt(2.0));
    EXPECT_NEAR(again, share * count, 5 * std::sqrt(share * count));
  }
}

// The deviation that elementwise.h states, with five standard deviations of an
// estimate from n numbers.
TEST(NormalTest, CutNumbersHaveTheStatedDeviation) {
  AnyDevice device(2);
  const auto stream = device.NewStream();
  const int64_t n = 1 << 18;
  for (const auto& [cut, deviation] :
       {std::pair<float, double>{2.0f, 0.8796}, {3.0f, 0.9866}}) {
    TestTensor y(device, DType::kFloat32, {n});
    Normal(*stream, {4, 0, 1.0f, y, cut});
    stream->Wait();
    double square = 0.0;
    for (double value : y.Read()) square += value * value;
    EXPECT_NEAR(std::sqrt(square / n), deviation,
                5 / std::sqrt(2.0 * n) + 1e-4);
  }
}

TEST(NormalTest, KeysGiveUnrelatedNumbers) {
  AnyDevice device;
  const int64_t n = 1 << 16;
  const Values a = Make(device, 1, 0, n, 1.0f);
  const Values b = Make(device, 2, 0, n, 1.0f);
  double product = 0;
  for (int64_t i = 0; i < n; ++i) product += a[i] * b[i];
  EXPECT_NEAR(product / n, 0, 5 / std::sqrt(static_cast<double>(n)));
}

}  // namespace
}  // namespace switchyard::kernels
