// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/bias.h"

#include <algorithm>
#include <cmath>
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

TEST(BiasTest, IsAddedToEveryRowAndRoundedOnce) {
  AnyDevice device(2);
  const auto stream = device.NewStream();
  for (const DType dtype : {DType::kFloat32, DType::kBFloat16}) {
    for (const int64_t rows : {0, 1, 65, 130}) {
      for (const int64_t width : {1, 7, 16, 31, 33, 100, 1001}) {
        const Values bias = RandomValues(1, width, -1, 1, dtype);
        const Values before = RandomValues(2, rows * width, -2, 2, dtype);
        Values expected;
        for (size_t i = 0; i < before.size(); ++i) {
          expected.push_back(RoundTo(dtype, before[i] + bias[i % width]));
        }
        for (const Layout layout :
             {Layout(), Layout::Strided(3, 1), Layout::Strided(7, 0)}) {
          TestTensor b(device, dtype, {width}, bias,
                       Layout::Strided(0, layout.offset()));
          TestTensor y(device, dtype, {rows, width}, before, layout);
          AddBias(*stream, b, y);
          stream->Wait();
          EXPECT_TRUE(AllEqual(y.Read(), expected)) << rows << " " << width;
        }
      }
    }
  }
}

TEST(BiasGradientTest, IsTheSumOfColumns) {
  AnyDevice device(2);
  const auto stream = device.NewStream();
  for (const DType dtype : {DType::kFloat32, DType::kBFloat16}) {
    for (const int64_t rows : {0, 1, 64, 65, 1001}) {
      for (const int64_t width : {1, 7, 16, 31, 33, 100, 1001}) {
        const Values dy = RandomValues(3, rows * width, -1, 1, dtype);
        Values expected(width, 0.0), tolerance(width, 0.0);
        // At most 64 additions in a chunk and one for each chunk.
        const int64_t sums = std::min<int64_t>(rows, 64) + (rows + 63) / 64;
        for (size_t i = 0; i < dy.size(); ++i) {
          expected[i % width] += dy[i];
          tolerance[i % width] +=
              1.01 * static_cast<double>(sums) * 0x1p-24 * std::abs(dy[i]);
        }
        for (const Layout layout : {Layout(), Layout::Strided(3, 1)}) {
          TestTensor gradient(device, dtype, {rows, width}, dy, layout);
          TestTensor leaf(device, DType::kFloat32, {width},
                          Layout::Strided(0, layout.offset()));
          BiasGradient(*stream, gradient, leaf);
          stream->Wait();
          EXPECT_TRUE(AllNear(leaf.Read(), expected, tolerance))
              << rows << " " << width;
        }
      }
    }
  }
}

TEST(BiasGradientTest, GivesTheSameBitsOnAnyNumberOfThreads) {
  const Values dy = RandomValues(3, 1001 * 200, -1, 1, DType::kFloat32);
  const auto run = [&](Device& device, TestTensor& leaf) {
    const auto stream = device.NewStream();
    TestTensor gradient(device, DType::kFloat32, {1001, 200}, dy);
    BiasGradient(*stream, gradient, leaf);
    stream->Wait();
  };
  AnyDevice one(1, AnyDevice::kGuarded);
  TestTensor expected(one, DType::kFloat32, {200});
  run(one, expected);
  for (const int threads : {2, 3}) {
    AnyDevice device(threads);
    TestTensor leaf(device, DType::kFloat32, {200});
    run(device, leaf);
    EXPECT_TRUE(SameBits(leaf, expected));
  }
}

TEST(BiasDeathTest, TheBiasIsAsWideAsTheRows) {
  SWITCHYARD_CPU_ONLY();
  CpuDevice device;
  const auto stream = device.NewStream();
  TestTensor y(device, DType::kFloat32, {2, 4}, Values(8, 1.0));
  TestTensor bias(device, DType::kFloat32, {3}, Values(3, 1.0));
  EXPECT_DEATH(AddBias(*stream, bias, y), "expected bias to be fp32 \\[4\\]");
  EXPECT_DEATH(BiasGradient(*stream, y, bias),
               "expected leaf to be fp32 \\[4\\]");
}

}  // namespace
}  // namespace switchyard::kernels
