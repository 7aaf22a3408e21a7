// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/dropout.h"

#include <cmath>
#include <cstdint>
#include <vector>

#include "gtest/gtest.h"
#include "switchyard/base/cpu/cpu_device.h"
#include "switchyard/base/philox.h"
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

// Two segments with padding between them and an empty one.
const std::vector<Segment> kSegments = {
    {0, 0, 5, 8}, {1, 8, 0, 0}, {1, 8, 21, 24}};
const std::vector<uint64_t> kKeys = {11, 12, MixKey(5, "key")};
constexpr int64_t kRows = 34;  // two belong to no segment

Values Oracle(const Values& x, int64_t width, double rate, DType dtype) {
  Values y = x;
  const double scale = static_cast<float>(1.0 / (1.0 - rate));
  for (size_t s = 0; s < kSegments.size(); ++s) {
    for (int64_t r = 0; r < kSegments[s].rows; ++r) {
      for (int64_t c = 0; c < width; ++c) {
        const uint32_t word = Philox4x32(
            kKeys[s], {static_cast<uint32_t>(c / 4), static_cast<uint32_t>(r),
                       0x64726f70, 0})[c % 4];
        double& element = y[(kSegments[s].row + r) * width + c];
        const bool dropped = word < std::floor(rate * 4294967296.0);
        element = dropped ? 0.0 : RoundTo(dtype, element * scale);
      }
    }
  }
  return y;
}

TEST(SegmentDropoutTest, AgreesWithPhiloxElementByElement) {
  AnyDevice device(2);
  const auto stream = device.NewStream();
  for (const DType dtype : {DType::kFloat32, DType::kBFloat16}) {
    for (const int64_t width : {1, 3, 4, 31, 32, 100, 1003}) {
      for (const double rate : {0.1, 0.4, 0.9}) {
        // Rows of 3 and 1003 elements aligned: something is left at their ends.
        for (const Layout layout :
             {Layout(), Layout::Strided(3, 1), Layout::Strided(5, 0)}) {
          const Values x = RandomValues(3, kRows * width, -2, 2, dtype);
          TestTensor y(device, dtype, {kRows, width}, x, layout);
          SegmentDropout(*stream, {y, kSegments, kKeys, rate});
          stream->Wait();
          EXPECT_TRUE(AllEqual(y.Read(), Oracle(x, width, rate, dtype)))
              << width << " " << rate;
        }
      }
    }
  }
}

TEST(SegmentDropoutTest, ARateOfZeroChangesNothing) {
  AnyDevice device;
  const auto stream = device.NewStream();
  const Values x = RandomValues(3, kRows * 10);
  TestTensor y(device, DType::kFloat32, {kRows, 10}, x);
  SegmentDropout(*stream, {y, kSegments, kKeys, 0.0});
  stream->Wait();
  EXPECT_TRUE(AllEqual(y.Read(), x));
}

// A share of n independent drops: five standard deviations.
TEST(SegmentDropoutTest, DropsTheShareItIsToldTo) {
  AnyDevice device(2);
  const auto stream = device.NewStream();
  const int64_t rows = 512, width = 1024;
  const std::vector<Segment> segments = {{0, 0, rows, rows}};
  for (const double rate : {0.1, 0.4}) {
    const std::vector<uint64_t> keys = {77};
    TestTensor y(device, DType::kFloat32, {rows, width},
                 Values(rows * width, 1.0));
    SegmentDropout(*stream, {y, segments, keys, rate});
    stream->Wait();
    double dropped = 0.0;
    for (double value : y.Read()) dropped += value == 0.0;
    const double n = static_cast<double>(rows * width);
    EXPECT_NEAR(dropped / n, rate, 5 * std::sqrt(rate * (1 - rate) / n));
  }
}

TEST(SegmentDropoutTest, GivesTheSameBitsOnAnyNumberOfThreads) {
  const Values x = RandomValues(9, kRows * 333);
  AnyDevice one(1, AnyDevice::kGuarded);
  AnyDevice three(3);
  TestTensor a(one, DType::kFloat32, {kRows, 333}, x);
  TestTensor b(three, DType::kFloat32, {kRows, 333}, x, Layout::Strided(2, 1));
  const auto first = one.NewStream(), second = three.NewStream();
  SegmentDropout(*first, {a, kSegments, kKeys, 0.5});
  SegmentDropout(*second, {b, kSegments, kKeys, 0.5});
  first->Wait();
  second->Wait();
  EXPECT_TRUE(SameBits(a, b));
}

TEST(SegmentDropoutDeathTest, WrongOperandsAreBugs) {
  SWITCHYARD_CPU_ONLY();
  CpuDevice device;
  const auto stream = device.NewStream();
  TestTensor x(device, DType::kFloat32, {kRows, 2});
  TestTensor few(device, DType::kFloat32, {8, 2});
  const std::vector<uint64_t> one = {1};
  EXPECT_DEATH(SegmentDropout(*stream, {x, kSegments, one, 0.5}),
               "a key for each of 3 segments, found 1");
  EXPECT_DEATH(SegmentDropout(*stream, {x, kSegments, kKeys, 1.0}), "below 1");
  EXPECT_DEATH(SegmentDropout(*stream, {few, kSegments, kKeys, 0.5}),
               "segments within 8 rows");
}

}  // namespace
}  // namespace switchyard::kernels
