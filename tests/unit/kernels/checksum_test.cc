// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/checksum.h"

#include <cstdint>
#include <set>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "switchyard/base/cpu/cpu_device.h"
#include "switchyard/tests/support/any_device.h"
#include "switchyard/tests/support/random_values.h"
#include "switchyard/tests/support/test_tensor.h"

namespace switchyard::kernels {
namespace {

using switchyard::testing::AnyDevice;
using switchyard::testing::Layout;
using switchyard::testing::RandomValues;
using switchyard::testing::TestTensor;

using Values = std::vector<double>;

uint64_t ChecksumOf(Device& device, const ConstTensorView& x) {
  const auto stream = device.NewStream();
  TestTensor result(device, DType::kInt64, {1});
  Checksum(*stream, x, result);
  stream->Wait();
  return result.Bits()[0];
}

uint64_t ChecksumOf(Device& device, DType dtype, const Values& values) {
  const TestTensor x(device, dtype, {static_cast<int64_t>(values.size())},
                     values);
  return ChecksumOf(device, x);
}

TEST(ChecksumTest, DependsOnTheBitsAlone) {
  const Values values = RandomValues(1, 7 * 143);
  for (const DType dtype : {DType::kFloat32, DType::kBFloat16, DType::kInt64}) {
    std::set<uint64_t> sums;
    for (const int threads : {1, 2, 3}) {
      AnyDevice device(threads, AnyDevice::kGuarded);
      for (const int64_t offset : {0, 1, 5}) {
        const TestTensor flat(device, dtype, {7 * 143}, values,
                              Layout::Strided(0, offset));
        const TestTensor matrix(device, dtype, {7, 143}, values);
        sums.insert(ChecksumOf(device, flat));
        sums.insert(ChecksumOf(device, matrix));
      }
    }
    EXPECT_EQ(sums.size(), 1u) << NameOf(dtype);
  }
}

// All sums differ: of prefixes of every length, with one number changed in its
// last bit, with two numbers exchanged, with the sign of a zero changed.
TEST(ChecksumTest, SeesEveryChange) {
  AnyDevice device;
  for (const DType dtype : {DType::kFloat32, DType::kBFloat16}) {
    const double last_bit = dtype == DType::kFloat32 ? 0x1p-23 : 0x1p-7;
    std::set<uint64_t> sums;
    size_t count = 0;
    const auto add = [&](const Values& values) {
      sums.insert(ChecksumOf(device, dtype, values));
      ++count;
    };
    for (int length = 0; length <= 40; ++length) add(Values(length, 0.0));
    const Values ones(33, 1.0);
    add(ones);
    for (size_t i = 0; i < ones.size(); ++i) {
      Values changed = ones;
      changed[i] += last_bit;
      add(changed);
      changed[i] = 0.0;
      add(changed);
      changed[i] = -0.0;
      add(changed);
    }
    Values different;
    for (int i = 0; i < 33; ++i) different.push_back(i + 2);
    add(different);
    for (size_t i = 0; i < different.size(); ++i) {
      for (size_t j = 0; j < i; ++j) {
        Values exchanged = different;
        std::swap(exchanged[i], exchanged[j]);
        add(exchanged);
      }
    }
    EXPECT_EQ(sums.size(), count) << NameOf(dtype);
  }
}

TEST(ChecksumTest, SeesBothHalvesOfIntegers) {
  AnyDevice device;
  std::set<uint64_t> sums;
  for (int bit = 0; bit < 63; ++bit) {
    const double value = static_cast<double>(int64_t{1} << bit);
    sums.insert(ChecksumOf(device, DType::kInt64, {7.0, value}));
    sums.insert(ChecksumOf(device, DType::kInt64, {value, 7.0}));
  }
  EXPECT_EQ(sums.size(), 126u);
}

// Sums that were printed stay comparable. The second one was worked out apart,
// from SplitMix64's definition.
TEST(ChecksumTest, ItsValueIsFixed) {
  AnyDevice device;
  EXPECT_EQ(ChecksumOf(device, DType::kFloat32, {}), 0u);
  EXPECT_EQ(ChecksumOf(device, DType::kFloat32, {1.0, -2.0, 0.5}),
            0x509c036b344de06cu);
}

TEST(ChecksumDeathTest, WrongOperandsAreBugs) {
  SWITCHYARD_CPU_ONLY();
  CpuDevice device;
  const TestTensor gaps(device, DType::kFloat32, {2, 3}, Layout::Strided(1, 0));
  const TestTensor bytes(device, DType::kUInt8, {4});
  EXPECT_DEATH(ChecksumOf(device, gaps), "contiguous");
  EXPECT_DEATH(ChecksumOf(device, bytes), "uint8");
}

}  // namespace
}  // namespace switchyard::kernels
