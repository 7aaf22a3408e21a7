// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/elementwise.h"

#include <cmath>
#include <limits>
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
using switchyard::testing::AnyDevice;
using switchyard::testing::Layout;
using switchyard::testing::RandomValues;
using switchyard::testing::RoundTo;
using switchyard::testing::SameBits;
using switchyard::testing::TestTensor;

using Values = std::vector<double>;

constexpr int64_t kCounts[] = {0, 1, 7, 8, 31, 32, 33, 1000, 40001};
// Packed; neither first element nor rows aligned; rows of 1 and 33 elements
// that are, so that something is left at their ends.
const Layout kLayouts[] = {Layout(), Layout::Strided(3, 1),
                           Layout::Strided(7, 0)};

// The sum of two fp32 numbers is rounded to fp32 first, then to the dtype.
Values Sum(const Values& a, const Values& b, DType dtype) {
  Values sum(a.size());
  for (size_t i = 0; i < a.size(); ++i) sum[i] = RoundTo(dtype, a[i] + b[i]);
  return sum;
}

TEST(AddTest, RoundsOnceAtEveryLengthAndLayout) {
  AnyDevice device(2);
  const auto stream = device.NewStream();
  for (const int64_t count : kCounts) {
    for (const DType dtype : {DType::kFloat32, DType::kBFloat16}) {
      for (const Layout layout : kLayouts) {
        const Shape shape = {2, count};
        const Values values_a = RandomValues(1, 2 * count, -4, 4, dtype);
        const Values values_b = RandomValues(2, 2 * count, -4, 4, dtype);
        TestTensor a(device, dtype, shape, values_a, layout);
        TestTensor b(device, dtype, shape, values_b, layout);
        TestTensor y(device, dtype, shape, layout);
        Add(*stream, a, b, y);
        Add(*stream, a, b, b);
        stream->Wait();
        const Values expected = Sum(values_a, values_b, dtype);
        EXPECT_TRUE(AllEqual(y.Read(), expected)) << count;
        EXPECT_TRUE(AllEqual(b.Read(), expected)) << count;
        EXPECT_TRUE(AllEqual(a.Read(), values_a));
      }
    }
  }
}

TEST(AddTest, TakesOperandsOfDifferentStrides) {
  AnyDevice device(3, AnyDevice::kGuarded);
  const auto stream = device.NewStream();
  const Values values = RandomValues(3, 5 * 33);
  TestTensor a(device, DType::kFloat32, {5, 33}, values, Layout::Strided(7, 2));
  TestTensor b(device, DType::kFloat32, {5, 33}, values);
  TestTensor y(device, DType::kFloat32, {5, 33}, Layout::Strided(1, 3));
  Add(*stream, a, b, y);
  stream->Wait();
  EXPECT_TRUE(AllEqual(y.Read(), Sum(values, values, DType::kFloat32)));
}

TEST(CastTest, RoundsToNearestEvenAndWidensExactly) {
  AnyDevice device(2);
  const auto stream = device.NewStream();
  for (const int64_t count : kCounts) {
    for (const Layout layout : kLayouts) {
      const Shape shape = {2, count};
      Values values = RandomValues(count, 2 * count, -100, 100);
      // Ties: halfway between two bf16 neighbours of 1.
      for (int64_t i = 0; i < 2 * count; i += 3) {
        values[i] = 1 + (2 * (i % 64) + 1) * 0x1p-8;
      }
      Values rounded(values.size());
      for (size_t i = 0; i < values.size(); ++i) {
        rounded[i] = RoundTo(DType::kBFloat16, values[i]);
      }
      TestTensor x(device, DType::kFloat32, shape, values, layout);
      TestTensor narrow(device, DType::kBFloat16, shape, layout);
      TestTensor wide(device, DType::kFloat32, shape, layout);
      TestTensor same(device, DType::kFloat32, shape);
      Cast(*stream, x, narrow);
      Cast(*stream, narrow, wide);
      Cast(*stream, x, same);
      stream->Wait();
      EXPECT_TRUE(AllEqual(narrow.Read(), rounded)) << count;
      EXPECT_TRUE(AllEqual(wide.Read(), rounded)) << count;
      EXPECT_TRUE(AllEqual(same.Read(), values)) << count;
    }
  }
}

TEST(CastTest, KeepsWhatIsNotFinite) {
  AnyDevice device(1, AnyDevice::kGuarded);
  const auto stream = device.NewStream();
  const double inf = std::numeric_limits<double>::infinity();
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double largest = std::numeric_limits<float>::max();
  TestTensor x(device, DType::kFloat32, {5}, {inf, -inf, largest, -0.0, nan});
  TestTensor y(device, DType::kBFloat16, {5}, Values(5, 7.0));
  Cast(*stream, x, y);
  stream->Wait();
  const Values values = y.Read();
  EXPECT_EQ(values[0], inf);
  EXPECT_EQ(values[1], -inf);
  EXPECT_EQ(values[2], inf);  // rounded up
  EXPECT_TRUE(values[3] == 0 && std::signbit(values[3]));
  EXPECT_TRUE(std::isnan(values[4]));
}

TEST(FillTest, WritesEveryElementAndNothingElse) {
  for (const int threads : {1, 3}) {
    AnyDevice device(threads, AnyDevice::kGuarded);
    const auto stream = device.NewStream();
    for (const int64_t count : kCounts) {
      for (const Layout layout : kLayouts) {
        TestTensor y(device, DType::kFloat32, {3, count}, layout);
        Fill(*stream, -2.5f, y);
        stream->Wait();
        EXPECT_TRUE(AllEqual(y.Read(), Values(3 * count, -2.5)));
      }
    }
  }
}

TEST(ElementwiseDeathTest, WrongOperandsAreBugs) {
  SWITCHYARD_CPU_ONLY();
  CpuDevice device;
  const auto stream = device.NewStream();
  TestTensor a(device, DType::kFloat32, {4}), b(device, DType::kFloat32, {5});
  TestTensor narrow(device, DType::kBFloat16, {4});
  EXPECT_DEATH(Add(*stream, a, b, a), "expected b to be fp32 \\[4\\]");
  EXPECT_DEATH(Add(*stream, a, a, narrow), "expected y to be fp32 \\[4\\]");
  EXPECT_DEATH(Cast(*stream, b, narrow), "expected \\[5\\], found \\[4\\]");
  EXPECT_DEATH(Fill(*stream, 1.0f, narrow), "expected fp32, found bf16");
}

}  // namespace
}  // namespace switchyard::kernels
