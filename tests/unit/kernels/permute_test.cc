// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/permute.h"

#include <cmath>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "switchyard/base/cpu/cpu_device.h"
#include "switchyard/base/guarded/guarded_device.h"
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
using switchyard::testing::RandomIntegers;
using switchyard::testing::RandomValues;
using switchyard::testing::RoundTo;
using switchyard::testing::SameBits;
using switchyard::testing::TestTensor;
using switchyard::testing::UnitRoundoff;

// Integers below 2^8 and gates that are powers of two: every product and sum is
// exact in fp32, and one rounding remains.
struct Case {
  int64_t tokens, choices, width;
  DType dtype;
  Layout layout;

  int64_t buffer_rows() const { return tokens * choices + 3; }
};

std::vector<Case> Cases() {
  std::vector<Case> cases;
  for (const int64_t width : {1, 3, 8, 31, 32, 33, 1000, 2056}) {
    for (const int64_t tokens : {0, 1, 33, 130}) {
      for (const DType dtype : {DType::kFloat32, DType::kBFloat16}) {
        cases.push_back({tokens, 2, width, dtype, Layout()});
        cases.push_back({tokens, 3, width, dtype, Layout::Strided(5, 1)});
        cases.push_back({tokens, 1, width, dtype, Layout::Strided(8, 8)});
      }
    }
  }
  return cases;
}

// A random placement in distinct rows; every fifth assignment has none.
std::vector<double> Rows(const Case& c) {
  const int64_t count = c.tokens * c.choices;
  std::vector<double> rows(count);
  for (int64_t i = 0; i < count; ++i) rows[i] = static_cast<double>(i + 2);
  const std::vector<double> swaps = RandomIntegers(7, count, 0, count);
  for (int64_t i = 0; i < count; ++i) {
    std::swap(rows[i], rows[static_cast<int64_t>(swaps[i]) % count]);
  }
  for (int64_t i = 0; i < count; i += 5) rows[i] = -1;
  return rows;
}

std::vector<double> Gates(const Case& c) {
  std::vector<double> gates = RandomIntegers(8, c.tokens * c.choices, -3, 1);
  for (double& gate : gates) gate = std::exp2(gate);
  return gates;
}

TEST(PermuteTest, PlacesEveryTokenExactly) {
  AnyDevice device(2);
  const auto stream = device.NewStream();
  for (const Case& c : Cases()) {
    for (const bool gated : {false, true}) {
      const std::vector<double> x =
          RandomIntegers(1, c.tokens * c.width, -255, 255);
      const std::vector<double> rows = Rows(c), gates = Gates(c);
      std::vector<double> expected(c.buffer_rows() * c.width, 77);
      for (int64_t i = 0; i < c.tokens * c.choices; ++i) {
        if (rows[i] < 0) continue;
        for (int64_t w = 0; w < c.width; ++w) {
          expected[static_cast<int64_t>(rows[i]) * c.width + w] =
              x[i / c.choices * c.width + w] * (gated ? gates[i] : 1.0);
        }
      }
      TestTensor x_tensor(device, c.dtype, {c.tokens, c.width}, x, c.layout);
      TestTensor row_tensor(device, DType::kInt32, {c.tokens, c.choices}, rows,
                            c.layout);
      TestTensor gate_tensor(device, DType::kFloat32, {c.tokens, c.choices},
                             gates, c.layout);
      // Rows that nobody is sent to keep what they hold.
      TestTensor buffer(device, c.dtype, {c.buffer_rows(), c.width},
                        std::vector<double>(c.buffer_rows() * c.width, 77),
                        c.layout);
      PermuteArgs args{x_tensor, row_tensor, {}, buffer};
      if (gated) args.gates = gate_tensor;
      Permute(*stream, args);
      stream->Wait();
      EXPECT_TRUE(AllEqual(buffer.Read(), expected))
          << c.tokens << " x " << c.width << " " << NameOf(c.dtype);
    }
  }
}

TEST(UnpermuteTest, AddsTheChoicesExactly) {
  AnyDevice device(2);
  const auto stream = device.NewStream();
  for (const Case& c : Cases()) {
    for (const bool gated : {false, true}) {
      const std::vector<double> values =
          RandomIntegers(2, c.buffer_rows() * c.width, -255, 255);
      const std::vector<double> rows = Rows(c), gates = Gates(c);
      std::vector<double> expected(c.tokens * c.width, 0);
      for (int64_t i = 0; i < c.tokens * c.choices; ++i) {
        if (rows[i] < 0) continue;
        for (int64_t w = 0; w < c.width; ++w) {
          expected[i / c.choices * c.width + w] +=
              values[static_cast<int64_t>(rows[i]) * c.width + w] *
              (gated ? gates[i] : 1.0);
        }
      }
      for (double& y : expected) y = RoundTo(c.dtype, y);
      TestTensor buffer(device, c.dtype, {c.buffer_rows(), c.width}, values,
                        c.layout);
      TestTensor row_tensor(device, DType::kInt32, {c.tokens, c.choices}, rows,
                            c.layout);
      TestTensor gate_tensor(device, DType::kFloat32, {c.tokens, c.choices},
                             gates, c.layout);
      TestTensor y(device, c.dtype, {c.tokens, c.width}, c.layout);
      UnpermuteArgs args{buffer, row_tensor, {}, y};
      if (gated) args.gates = gate_tensor;
      Unpermute(*stream, args);
      stream->Wait();
      EXPECT_TRUE(AllEqual(y.Read(), expected))
          << c.tokens << " x " << c.width << " " << NameOf(c.dtype);
    }
  }
}

TEST(UnpermuteTest, AddsInChoiceOrder) {
  AnyDevice device;
  const auto stream = device.NewStream();
  // 2^24 + 1 rounds down to 2^24, so only one order gives 1.
  TestTensor buffer(device, DType::kFloat32, {3, 1}, {1, 0x1p24, -0x1p24});
  TestTensor y(device, DType::kFloat32, {2, 1});
  TestTensor rows(device, DType::kInt32, {2, 3}, {1, 2, 0, 0, 1, 2});
  Unpermute(*stream, {buffer, rows, {}, y});
  stream->Wait();
  EXPECT_TRUE(AllEqual(y.Read(), {1, 0}));
}

TEST(GateGradientTest, IsTheDotProductExactly) {
  AnyDevice device(2);
  const auto stream = device.NewStream();
  for (const Case& c : Cases()) {
    // Sums of two thousand products below 2^12 are exact.
    const std::vector<double> values =
        RandomIntegers(3, c.buffer_rows() * c.width, -63, 63);
    const std::vector<double> dy =
        RandomIntegers(4, c.tokens * c.width, -63, 63);
    const std::vector<double> rows = Rows(c);
    std::vector<double> expected(c.tokens * c.choices, 0);
    for (int64_t i = 0; i < c.tokens * c.choices; ++i) {
      if (rows[i] < 0) continue;
      for (int64_t w = 0; w < c.width; ++w) {
        expected[i] += values[static_cast<int64_t>(rows[i]) * c.width + w] *
                       dy[i / c.choices * c.width + w];
      }
    }
    TestTensor buffer(device, c.dtype, {c.buffer_rows(), c.width}, values,
                      c.layout);
    TestTensor dy_tensor(device, c.dtype, {c.tokens, c.width}, dy, c.layout);
    TestTensor row_tensor(device, DType::kInt32, {c.tokens, c.choices}, rows,
                          c.layout);
    TestTensor dgates(device, DType::kFloat32, {c.tokens, c.choices}, c.layout);
    GateGradient(*stream, {dy_tensor, buffer, row_tensor, dgates});
    stream->Wait();
    EXPECT_TRUE(AllEqual(dgates.Read(), expected))
        << c.tokens << " x " << c.width << " " << NameOf(c.dtype);
  }
}

// Real numbers: k products and k - 1 sums round in fp32, then once to dtype.
TEST(UnpermuteTest, RoundsOnceWithRealGates) {
  AnyDevice device;
  const auto stream = device.NewStream();
  const int64_t tokens = 100, choices = 2, width = 37;
  for (const DType dtype : {DType::kFloat32, DType::kBFloat16}) {
    const std::vector<double> values =
        RandomValues(1, tokens * choices * width, -1, 1, dtype);
    const std::vector<double> gates = RandomValues(2, tokens * choices, 0, 1);
    std::vector<double> rows, expected(tokens * width, 0);
    for (int64_t i = 0; i < tokens * choices; ++i) {
      rows.push_back(static_cast<double>(tokens * choices - 1 - i));
      for (int64_t w = 0; w < width; ++w) {
        expected[i / choices * width + w] +=
            gates[i] * values[static_cast<int64_t>(rows[i]) * width + w];
      }
    }
    TestTensor buffer(device, dtype, {tokens * choices, width}, values);
    TestTensor row_tensor(device, DType::kInt32, {tokens, choices}, rows);
    TestTensor gate_tensor(device, DType::kFloat32, {tokens, choices}, gates);
    TestTensor y(device, dtype, {tokens, width});
    Unpermute(*stream, {buffer, row_tensor, gate_tensor, y});
    stream->Wait();
    // |values|, |gates| < 1: each of four fp32 roundings is below 2^-23.
    EXPECT_TRUE(AllNear(y.Read(), expected, 4 * 0x1p-23,
                        dtype == DType::kBFloat16 ? UnitRoundoff(dtype) : 0));
  }
}

TEST(PermuteTest, GivesTheSameBitsOnAnyNumberOfThreads) {
  SWITCHYARD_CPU_ONLY();
  const int64_t tokens = 1000, width = 100;
  std::vector<double> rows;
  for (int64_t i = 0; i < 2 * tokens; ++i) {
    rows.push_back(static_cast<double>((i * 7) % (2 * tokens)));
  }
  const auto run = [&](Device& device) {
    const auto stream = device.NewStream();
    TestTensor x(device, DType::kFloat32, {tokens, width},
                 RandomValues(1, tokens * width));
    TestTensor row_tensor(device, DType::kInt32, {tokens, 2}, rows);
    TestTensor gates(device, DType::kFloat32, {tokens, 2},
                     RandomValues(2, 2 * tokens));
    TestTensor buffer(device, DType::kFloat32, {2 * tokens, width});
    TestTensor y(device, DType::kFloat32, {tokens, width});
    TestTensor dgates(device, DType::kFloat32, {tokens, 2});
    Permute(*stream, {x, row_tensor, gates, buffer});
    Unpermute(*stream, {buffer, row_tensor, gates, y});
    GateGradient(*stream, {y, buffer, row_tensor, dgates});
    stream->Wait();
    return dgates.Bits();
  };
  GuardedDevice one(1);
  CpuDevice two(2), three(3);
  const std::vector<uint64_t> bits = run(one);
  EXPECT_EQ(run(two), bits);
  EXPECT_EQ(run(three), bits);
}

TEST(ZeroPaddingTest, ZeroesPaddingRowsOnly) {
  AnyDevice device;
  const auto stream = device.NewStream();
  const std::vector<Segment> segments = {
      {0, 0, 3, 8}, {1, 8, 0, 0}, {2, 8, 8, 8}, {3, 17, 7, 8}};
  for (const DType dtype : {DType::kFloat32, DType::kBFloat16}) {
    const std::vector<double> values = RandomIntegers(1, 26 * 5, 1, 9);
    std::vector<double> expected = values;
    for (const int64_t row : {3, 4, 5, 6, 7, 24}) {
      std::fill_n(expected.begin() + row * 5, 5, 0);
    }
    TestTensor buffer(device, dtype, {26, 5}, values, Layout::Strided(3, 1));
    ZeroPadding(*stream, segments, buffer);
    stream->Wait();
    EXPECT_TRUE(AllEqual(buffer.Read(), expected));
  }
}

TEST(PermuteDeathTest, ARowOutsideTheBufferIsABug) {
  SWITCHYARD_CPU_ONLY();
  CpuDevice device;
  const auto stream = device.NewStream();
  TestTensor x(device, DType::kFloat32, {1, 2}, {1, 2});
  TestTensor rows(device, DType::kInt32, {1, 1}, {4});
  TestTensor buffer(device, DType::kFloat32, {4, 2});
  EXPECT_DEATH(Permute(*stream, {x, rows, {}, buffer}), "row 4 of 4");
}

}  // namespace
}  // namespace switchyard::kernels
