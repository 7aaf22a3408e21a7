// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/fixed_point.h"

#include <cmath>
#include <cstring>
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
using switchyard::testing::AnyDevice;
using switchyard::testing::Layout;
using switchyard::testing::RandomValues;
using switchyard::testing::SameBits;
using switchyard::testing::TestTensor;

// Fixed-point sums and their refused counter, both zero at first.
struct Sums {
  Sums(Device& device, const Shape& shape, Layout layout = {})
      : sum(device, DType::kInt64, shape,
            std::vector<double>(shape.element_count(), 0.0), layout),
        refused(device, DType::kInt64, {1}, {0.0}) {}
  GradientSum view() const { return {sum.view(), refused.view()}; }
  TestTensor sum;
  TestTensor refused;
};

// llrint in a double holds every product of an fp32 number and a power of two,
// so this is the exact answer.
int64_t Exact(float leaf, int fraction_bits) {
  return std::llrint(std::ldexp(static_cast<double>(leaf), fraction_bits));
}

// Magnitudes over the whole range: 2^-50 (rounds to zero) to 2^18.
std::vector<double> WideValues(uint64_t seed, int64_t count) {
  std::vector<double> values = RandomValues(seed, count);
  const std::vector<double> exponents =
      RandomValues(seed + 1, count, -50.0, 18.0);
  for (int64_t i = 0; i < count; ++i) {
    values[i] = static_cast<float>(values[i] * std::exp2(exponents[i]));
  }
  return values;
}

TEST(FixedPointTest, RoundsToNearestEvenAtEveryLengthAndLayout) {
  AnyDevice device(2);
  const auto stream = device.NewStream();
  for (const int64_t count :
       {0, 1, 3, 7, 8, 9, 31, 32, 33, 1000, 1025, 40000}) {
    for (const Layout layout : {Layout(), Layout::Strided(3, 1)}) {
      const std::vector<double> small = RandomValues(count, 2 * count);
      for (const auto& values : {small, WideValues(count + 7, 2 * count)}) {
        TestTensor leaf(device, DType::kFloat32, {2, count}, values, layout);
        Sums sums(device, {2, count}, layout);
        AddToFixedPoint(*stream, leaf, {}, sums.view());
        AddToFixedPoint(*stream, leaf, {}, sums.view());
        stream->Wait();
        std::vector<uint64_t> expected;
        for (double value : values) {
          expected.push_back(2 * Exact(static_cast<float>(value), 44));
        }
        EXPECT_EQ(sums.sum.Bits(), expected) << count;
        EXPECT_EQ(sums.refused.Read()[0], 0);
      }
    }
  }
}

TEST(FixedPointTest, TiesGoToTheEvenInteger) {
  AnyDevice device;
  const auto stream = device.NewStream();
  const float half_unit = std::ldexp(1.0f, -45);
  std::vector<double> values;
  std::vector<uint64_t> expected;
  for (int odd = -7; odd <= 7; odd += 2) {
    values.push_back(odd * half_unit);
    // Half of 1 and 3: between 0 and 1, and 1 and 2.
    expected.push_back(static_cast<uint64_t>(std::llrint(odd / 2.0)));
  }
  TestTensor leaf(device, DType::kFloat32, {8}, values);
  Sums sums(device, {8});
  AddToFixedPoint(*stream, leaf, {}, sums.view());
  stream->Wait();
  EXPECT_EQ(sums.sum.Bits(), expected);
}

TEST(FixedPointTest, RefusesAndCountsWhatIsNotFiniteOrTooLarge) {
  AnyDevice device(2);
  const auto stream = device.NewStream();
  const float limit = 131072.0f;
  const float below = std::nextafter(limit, 0.0f);
  const double inf = std::numeric_limits<double>::infinity();
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const std::vector<double> values = {below, limit, -below, -limit, inf,
                                      -inf,  nan,   1.0,    0.0,    -3.5};
  TestTensor leaf(device, DType::kFloat32, {10}, values);
  Sums sums(device, {10});
  AddToFixedPoint(*stream, leaf, {44, limit}, sums.view());
  stream->Wait();
  const uint64_t big = Exact(below, 44);
  const std::vector<uint64_t> expected = {
      big, 0, ~big + 1,          0, 0,
      0,   0, uint64_t{1} << 44, 0, static_cast<uint64_t>(Exact(-3.5f, 44))};
  EXPECT_EQ(sums.sum.Bits(), expected);
  EXPECT_EQ(sums.refused.Read()[0], 5);
}

TEST(FixedPointTest, SumsHaveNoOrder) {
  AnyDevice device;
  const auto stream = device.NewStream();
  const int64_t count = 1000;
  Sums forward(device, {count}), backward(device, {count});
  for (int i = 0; i < 4; ++i) {
    TestTensor up(device, DType::kFloat32, {count}, WideValues(i, count));
    TestTensor down(device, DType::kFloat32, {count}, WideValues(3 - i, count));
    AddToFixedPoint(*stream, up, {44, 131072.0f}, forward.view());
    AddToFixedPoint(*stream, down, {44, 131072.0f}, backward.view());
  }
  stream->Wait();
  EXPECT_TRUE(SameBits(forward.sum, backward.sum));
}

TEST(FixedPointTest, OtherUnits) {
  AnyDevice device(1, AnyDevice::kGuarded);
  const auto stream = device.NewStream();
  for (const int bits : {0, 20, 50, 62}) {
    const float limit = std::ldexp(1.0f, 63 - bits);
    std::vector<double> values = RandomValues(bits, 100, -limit, limit);
    for (double& value : values) {
      if (std::abs(value) >= limit) value = 0.0;
    }
    TestTensor leaf(device, DType::kFloat32, {100}, values);
    Sums sums(device, {100});
    AddToFixedPoint(*stream, leaf, {bits, limit}, sums.view());
    stream->Wait();
    std::vector<uint64_t> expected;
    for (double value : values) {
      expected.push_back(Exact(static_cast<float>(value), bits));
    }
    EXPECT_EQ(sums.sum.Bits(), expected) << bits;
    EXPECT_EQ(sums.refused.Read()[0], 0) << bits;
  }
}

// Rounds an integer to fp32 once. (A conversion through double rounds twice.)
double RoundedOnce(int64_t value, int fraction_bits) {
  return std::ldexp(static_cast<float>(value), -fraction_bits);
}

TEST(FixedPointTest, SumsComeBackRoundedOnce) {
  AnyDevice device(2);
  const auto stream = device.NewStream();
  std::vector<int64_t> sums = {0, 1, -1, INT64_MAX, INT64_MIN, INT64_MIN + 1};
  for (const int exponent : {24, 30, 52, 53, 54, 60, 62}) {
    const int64_t power = int64_t{1} << exponent;
    const int64_t half_ulp = power >> 24;  // in fp32
    for (const int64_t off : {-1, 0, 1}) {
      for (const int64_t sign : {-1, 1}) {
        sums.push_back(sign * (power + half_ulp + off));
        sums.push_back(sign * (power + 3 * half_ulp + off));
        sums.push_back(sign * (power + off));
      }
    }
  }
  const int64_t count = sums.size();
  TestTensor sum(device, DType::kInt64, {count});
  stream->CopyToDevice(sum, sums.data());
  TestTensor values(device, DType::kFloat32, {count}, Layout::Strided(0, 1));
  FromFixedPoint(*stream, sum, {}, values);
  stream->Wait();
  std::vector<double> expected;
  for (int64_t value : sums) expected.push_back(RoundedOnce(value, 44));
  EXPECT_TRUE(AllEqual(values.Read(), expected));
}

// Sums in fp32.
TEST(FixedPointTest, AGpuAddsInFp32Too) {
  SWITCHYARD_CUDA_ONLY();
  AnyDevice device;
  const auto stream = device.NewStream();
  for (const int64_t count : {0, 1, 31, 32, 33, 1001}) {
    for (const Layout layout : {Layout(), Layout::Strided(3, 1)}) {
      const Shape shape = {2, count};
      std::vector<double> values = WideValues(count, 2 * count);
      const std::vector<double> before = RandomValues(5, 2 * count);
      std::vector<double> expected = before;
      for (size_t i = 0; i < values.size(); ++i) {
        if (i % 7 == 3) values[i] = std::numeric_limits<double>::infinity();
        if (i % 7 == 5) values[i] = std::numeric_limits<double>::quiet_NaN();
        if (!std::isfinite(values[i])) continue;
        const float sum =
            static_cast<float>(expected[i]) + static_cast<float>(values[i]);
        expected[i] = sum;
      }
      TestTensor leaf(device, DType::kFloat32, shape, values, layout);
      TestTensor sum(device, DType::kFloat32, shape, before, layout);
      TestTensor refused(device, DType::kInt64, {1}, {10.0});
      TestTensor read(device, DType::kFloat32, shape);
      AddToFixedPoint(*stream, leaf, {}, {sum.view(), refused.view()});
      FromFixedPoint(*stream, sum, {}, read);
      stream->Wait();
      EXPECT_TRUE(AllEqual(sum.Read(), expected)) << count;
      EXPECT_TRUE(AllEqual(read.Read(), expected)) << count;
      const int64_t size = 2 * count;
      EXPECT_EQ(refused.Read()[0], 10 + (size + 3) / 7 + (size + 1) / 7);
    }
  }
}

TEST(FixedPointTest, TheSumOfAllMicroBatchesFits) {
  SWITCHYARD_CPU_ONLY();
  EXPECT_EQ(FixedPoint::ForMicroBatches(44, 1).limit, 524288.0f);
  EXPECT_EQ(FixedPoint::ForMicroBatches(44, 4).limit, 131072.0f);
  EXPECT_EQ(FixedPoint::ForMicroBatches(50, 1).limit, 8192.0f);
  for (const int bits : {0, 44, 58, 62}) {
    for (const int64_t count : {1, 3, 7, 1000, 1 << 24}) {
      const FixedPoint format = FixedPoint::ForMicroBatches(bits, count);
      EXPECT_EQ(format.fraction_bits, bits);
      // The largest leaf that is let in: a long double holds its sum exactly.
      const float largest = std::nextafter(format.limit, 0.0f);
      const long double sum = static_cast<long double>(largest) *
                              static_cast<long double>(int64_t{1} << bits) *
                              static_cast<long double>(count);
      EXPECT_LT(sum, 0x1p63L) << bits << " " << count;
      EXPECT_GT(sum, 0x1p62L) << bits << " " << count;
    }
  }
}

TEST(FixedPointTest, WrongOperandsAreBugs) {
  SWITCHYARD_CPU_ONLY();
  CpuDevice device;
  const auto stream = device.NewStream();
  TestTensor leaf(device, DType::kFloat32, {4}, {1, 2, 3, 4});
  Sums five(device, {5}), four(device, {4});
  EXPECT_DEATH(AddToFixedPoint(*stream, leaf, {}, five.view()),
               "expected \\[4\\], found \\[5\\]");
  TestTensor narrow(device, DType::kFloat32, {4}, {0, 0, 0, 0});
  EXPECT_DEATH(
      AddToFixedPoint(*stream, leaf, {}, {narrow.view(), four.refused.view()}),
      "expected int64, found fp32")
      << "on the CPU";
  EXPECT_DEATH(AddToFixedPoint(*stream, leaf, {44, 1e6f}, four.view()),
               "44 bits, limit");
}

}  // namespace
}  // namespace switchyard::kernels
