// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/norms.h"

#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <numeric>
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
using switchyard::testing::RandomIntegers;
using switchyard::testing::RandomValues;
using switchyard::testing::TestTensor;

using Values = std::vector<double>;
using Integers = std::vector<int64_t>;

const Integers kCounts = {0,  1,  3,   15,   16,   17,    31,
                          32, 33, 100, 1000, 1037, 65535, 65536};

Integers SmallIntegers(uint64_t seed, int64_t count) {
  Integers values(count);
  for (int64_t i = 0; i < count; ++i) {
    values[i] = static_cast<int64_t>((seed + i) * 2654435761 % 2001) - 1000;
  }
  return values;
}

// Magnitudes from 1 to 2^62.
Integers WideIntegers(uint64_t seed, int64_t count) {
  const Values signs = RandomValues(seed, count);
  const Values exponents = RandomValues(seed + 1, count, 0.0, 62.0);
  Integers values(count);
  for (int64_t i = 0; i < count; ++i) {
    values[i] = static_cast<int64_t>(signs[i] * std::exp2(exponents[i]));
  }
  return values;
}

Integers InOrder(int64_t count) {
  Integers places(count);
  std::iota(places.begin(), places.end(), 0);
  return places;
}

// Of each chunk, all in one call.
Values Sums(Device& device, const std::vector<Integers>& chunks, int bits,
            Layout layout = {}) {
  const auto stream = device.NewStream();
  std::vector<std::unique_ptr<TestTensor>> tensors;
  std::vector<ConstTensorView> views;
  for (const Integers& chunk : chunks) {
    const Shape shape = {static_cast<int64_t>(chunk.size())};
    tensors.push_back(
        std::make_unique<TestTensor>(device, DType::kInt64, shape, layout));
    stream->CopyToDevice(tensors.back()->view(), chunk.data());
    views.push_back(tensors.back()->view());
  }
  const int64_t count = static_cast<int64_t>(chunks.size());
  TestTensor result(device, DType::kFloat64, {count});
  const Integers places = InOrder(count);
  SumOfSquares(*stream, {views, places, bits, result});
  stream->Wait();
  return result.Read();
}

TEST(SumOfSquaresTest, IsExactForSmallIntegers) {
  AnyDevice device(2);
  std::vector<Integers> chunks;
  Values expected;
  for (const int64_t count : kCounts) {
    chunks.push_back(SmallIntegers(count, count));
    int64_t sum = 0;  // below 65536 · 10^6 < 2^53
    for (const int64_t value : chunks.back()) sum += value * value;
    expected.push_back(static_cast<double>(sum));
  }
  EXPECT_TRUE(AllEqual(Sums(device, chunks, 0), expected));
  for (double& sum : expected) sum = std::ldexp(sum, -88);
  EXPECT_TRUE(AllEqual(Sums(device, chunks, 44), expected));
  EXPECT_TRUE(
      AllEqual(Sums(device, chunks, 44, Layout::Strided(0, 1)), expected));
}

// All terms are positive. Each of the 16 sums takes count / 16 + 1 additions
// and 16 more join them; a conversion (twice in a square) and the square are
// rounded, too. One rounding is 2^-53 of a number.
TEST(SumOfSquaresTest, AgreesWithExtendedPrecision) {
  AnyDevice device(2);
  for (const int64_t count : kCounts) {
    const Integers chunk = WideIntegers(count, count);
    long double sum = 0;
    for (const int64_t value : chunk) {
      sum += static_cast<long double>(value) * value;
    }
    const double expected = static_cast<double>(std::ldexp(sum, -88));
    const double roundings = static_cast<double>(count) / 16 + 21;
    EXPECT_TRUE(
        AllNear(Sums(device, {chunk}, 44), {expected}, 0, roundings * 0x1p-53))
        << count;
  }
}

// The same order of additions, without vectors: equal on every instruction set.
double SixteenSums(const Integers& chunk) {
  double sums[16] = {};
  for (size_t i = 0; i < chunk.size(); ++i) {
    const double g = static_cast<double>(chunk[i]);
    sums[i % 16] += g * g;
  }
  double total = 0;
  for (const double sum : sums) total += sum;
  return std::ldexp(total, -88);
}

TEST(SumOfSquaresTest, BitsDependOnNothingButTheChunk) {
  SWITCHYARD_CPU_ONLY();
  std::vector<Integers> chunks;
  Values expected;
  for (const int64_t count : kCounts) {
    chunks.push_back(WideIntegers(count, count));
    expected.push_back(SixteenSums(chunks.back()));
  }
  for (const int threads : {1, 2, 3}) {
    AnyDevice guarded(threads, AnyDevice::kGuarded);
    EXPECT_TRUE(AllEqual(Sums(guarded, chunks, 44), expected));
  }
}

TEST(SumOfSquaresTest, ChunksDoNotInfluenceEachOther) {
  AnyDevice device(2);
  std::vector<Integers> chunks;
  Values alone;
  for (const int64_t count : kCounts) {
    chunks.push_back(WideIntegers(count, count));
    alone.push_back(Sums(device, {chunks.back()}, 44)[0]);
  }
  EXPECT_TRUE(AllEqual(Sums(device, chunks, 44), alone));
  EXPECT_TRUE(AllEqual(Sums(device, chunks, 44, Layout::Strided(0, 1)), alone));
}

// Sums in fp32: squares of small integers are exact.
TEST(SumOfSquaresTest, AGpuTakesFp32Too) {
  SWITCHYARD_CUDA_ONLY();
  AnyDevice device;
  const auto stream = device.NewStream();
  const double inf = std::numeric_limits<double>::infinity();
  const double nan = std::numeric_limits<double>::quiet_NaN();
  std::vector<TestTensor> tensors;
  Values expected;
  for (const int64_t count : {0, 1, 33, 1000, 65536}) {
    Values values;
    double sum = 0;
    for (const int64_t value : SmallIntegers(count, count)) {
      values.push_back(static_cast<double>(value));
      sum += values.back() * values.back();
    }
    expected.push_back(sum);
    tensors.emplace_back(device, DType::kFloat32, Shape{count}, values,
                         Layout::Strided(0, 1));
  }
  tensors.emplace_back(device, DType::kFloat32, Shape{2}, Values{1.0, -inf});
  tensors.emplace_back(device, DType::kFloat32, Shape{2}, Values{1.0, nan});
  std::vector<ConstTensorView> views(tensors.begin(), tensors.end());
  const int64_t count = static_cast<int64_t>(views.size());
  TestTensor result(device, DType::kFloat64, {count});
  const Integers places = InOrder(count);
  SumOfSquares(*stream, {views, places, 44, result});
  stream->Wait();
  Values sums = result.Read();
  EXPECT_TRUE(std::isnan(sums.back()));
  EXPECT_EQ(sums[count - 2], inf);
  sums.resize(expected.size());
  EXPECT_TRUE(AllEqual(sums, expected));
}

TEST(SumOfSquaresTest, ASumGoesToItsPlaceAndNoOtherChanges) {
  AnyDevice device(2);
  const auto stream = device.NewStream();
  const Integers values = {3, 4, 0, 1};
  TestTensor tensor(device, DType::kInt64, {4});
  stream->CopyToDevice(tensor.view(), values.data());
  const std::vector<ConstTensorView> chunks = {tensor.view().Rows(0, 2),
                                               tensor.view().Rows(2, 4)};
  TestTensor result(device, DType::kFloat64, {5}, Values{-1, -2, -3, -4, -5});
  const Integers places = {4, 1};
  SumOfSquares(*stream, {chunks, places, 0, result});
  stream->Wait();
  EXPECT_TRUE(AllEqual(result.Read(), Values{-1, 1, -3, -4, 25}));
}

TEST(SumOfSquaresTest, NoChunksAreFine) {
  SWITCHYARD_CPU_ONLY();
  CpuDevice device;
  EXPECT_TRUE(Sums(device, {}, 44).empty());
}

TEST(SumOfSquaresDeathTest, WrongOperandsAreBugs) {
  SWITCHYARD_CPU_ONLY();
  CpuDevice device;
  EXPECT_DEATH(Sums(device, {Integers(65537)}, 44), "at most 65536 elements");
  EXPECT_DEATH(Sums(device, {Integers(3)}, 63), "63");
  const auto stream = device.NewStream();
  TestTensor values(device, DType::kInt64, {3});
  TestTensor result(device, DType::kFloat64, {2});
  const std::vector<ConstTensorView> chunks = {values.view()};
  EXPECT_DEATH(SumOfSquares(*stream, {chunks, {}, 44, result}), "0 places");
  EXPECT_DEATH(SumOfSquares(*stream, {chunks, Integers{2}, 44, result}),
               "2 of 2");
}

}  // namespace
}  // namespace switchyard::kernels
