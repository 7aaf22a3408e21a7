// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/rotary_embedding.h"

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
using switchyard::testing::SameBits;
using switchyard::testing::TestTensor;
using switchyard::testing::UnitRoundoff;

using Values = std::vector<double>;

struct Case {
  int64_t rows, heads, head_dim, sequence_length;
};

// Multiplies pairs as complex numbers by (cos, ±sin).
Values Oracle(const Case& c, const Values& x, const Values& cos,
              const Values& sin, bool backward) {
  const int64_t half = c.head_dim / 2;
  Values y(x.size());
  for (int64_t r = 0; r < c.rows; ++r) {
    for (int64_t h = 0; h < c.heads; ++h) {
      for (int64_t j = 0; j < half; ++j) {
        const int64_t table = r % c.sequence_length * half + j;
        const double s = backward ? -sin[table] : sin[table];
        const int64_t a = (r * c.heads + h) * c.head_dim + j;
        y[a] = x[a] * cos[table] - x[a + half] * s;
        y[a + half] = x[a + half] * cos[table] + x[a] * s;
      }
    }
  }
  return y;
}

TEST(RotaryTableTest, HoldsCosinesOfFp32Angles) {
  AnyDevice device(2);
  const auto stream = device.NewStream();
  for (const int64_t half : {1, 4, 16, 33}) {
    for (const int64_t positions : {0, 1, 65, 1000}) {
      TestTensor cos(device, DType::kFloat32, {positions, half},
                     Layout::Strided(1, 1));
      TestTensor sin(device, DType::kFloat32, {positions, half});
      RotaryTable(*stream, 10000.0, cos, sin);
      stream->Wait();
      Values cosines, sines;
      for (int64_t p = 0; p < positions; ++p) {
        for (int64_t j = 0; j < half; ++j) {
          const float power = static_cast<float>(std::pow(
              10000.0,
              static_cast<float>(2 * j) / static_cast<float>(2 * half)));
          const float angle = static_cast<float>(p) * (1.0f / power);
          cosines.push_back(std::cos(static_cast<double>(angle)));
          sines.push_back(std::sin(static_cast<double>(angle)));
        }
      }
      // One rounding to fp32 of numbers below 1. A GPU's cosines and the C
      // library's are two in double, of errors below 2^-52 each.
      const double tolerance = 0x1p-25 + 0x1p-51;
      EXPECT_TRUE(AllNear(cos.Read(), cosines, tolerance, 0));
      EXPECT_TRUE(AllNear(sin.Read(), sines, tolerance, 0));
    }
  }
}

TEST(RotateTest, AgreesWithDoubles) {
  AnyDevice device(2);
  const auto stream = device.NewStream();
  for (const Case& c : {Case{0, 2, 8, 1}, Case{1, 1, 2, 1}, Case{66, 3, 8, 33},
                        Case{64, 4, 32, 64}, Case{130, 2, 66, 65}}) {
    for (const DType dtype : {DType::kFloat32, DType::kBFloat16}) {
      const int64_t half = c.head_dim / 2;
      // Rows of the table are aligned, also where halves of heads are not.
      const Layout padded = Layout::Strided((4 - half % 4) % 4, 0);
      TestTensor cos(device, DType::kFloat32, {c.sequence_length, half},
                     padded);
      TestTensor sin(device, DType::kFloat32, {c.sequence_length, half},
                     padded);
      RotaryTable(*stream, 100.0, cos, sin);
      const Values x =
          RandomValues(1, c.rows * c.heads * c.head_dim, -1, 1, dtype);
      for (const Layout layout : {Layout(), Layout::Strided(9, 1)}) {
        for (const bool backward : {false, true}) {
          TestTensor tensor(device, dtype, {c.rows, c.heads, c.head_dim}, x,
                            layout);
          Rotate(*stream, {tensor, cos, sin, c.sequence_length, backward});
          stream->Wait();
          // Two fp32 roundings of numbers below 2, then one to bf16.
          EXPECT_TRUE(AllNear(
              tensor.Read(), Oracle(c, x, cos.Read(), sin.Read(), backward),
              2 * 0x1p-23,
              dtype == DType::kBFloat16 ? UnitRoundoff(dtype) : 0));
        }
      }
    }
  }
}

TEST(RotateTest, PairsAreHalfAHeadApartAndPositionsRestart) {
  AnyDevice device;
  const auto stream = device.NewStream();
  // Quarter turns: (a, b) becomes (-b, a) at position 1, stays at 0.
  TestTensor cos(device, DType::kFloat32, {2, 2}, {1, 1, 0, 0});
  TestTensor sin(device, DType::kFloat32, {2, 2}, {0, 0, 1, 1});
  TestTensor x(device, DType::kFloat32, {4, 1, 4},
               {1, 2, 3, 4, 1, 2, 3, 4, 5, 6, 7, 8, 5, 6, 7, 8});
  Rotate(*stream, {x, cos, sin, 2, false});
  stream->Wait();
  EXPECT_TRUE(AllEqual(x.Read(), {1, 2, 3, 4, -3, -4, 1, 2,  //
                                  5, 6, 7, 8, -7, -8, 5, 6}));
  Rotate(*stream, {x, cos, sin, 2, true});
  stream->Wait();
  EXPECT_TRUE(AllEqual(x.Read(), {1, 2, 3, 4, 1, 2, 3, 4,  //
                                  5, 6, 7, 8, 5, 6, 7, 8}));
}

// Rows of later positions, as the whole sequence would turn them.
TEST(RotateTest, PositionsMayBeginAnywhere) {
  AnyDevice device;
  const auto stream = device.NewStream();
  TestTensor cos(device, DType::kFloat32, {90, 4});
  TestTensor sin(device, DType::kFloat32, {90, 4});
  RotaryTable(*stream, 10000.0, cos, sin);
  const Values values = RandomValues(1, int64_t{90} * 2 * 8);
  TestTensor whole(device, DType::kFloat32, {90, 2, 8}, values);
  Rotate(*stream, {whole, cos, sin, 90});
  // Two sequences of the positions 70 to 89.
  Values last(values.begin() + 70 * 16, values.end());
  last.insert(last.end(), values.begin() + 70 * 16, values.end());
  TestTensor x(device, DType::kFloat32, {40, 2, 8}, last);
  Rotate(*stream, {x, cos, sin, 20, false, 70});
  stream->Wait();
  const Values turned = whole.Read();
  Values expected(turned.begin() + 70 * 16, turned.end());
  expected.insert(expected.end(), turned.begin() + 70 * 16, turned.end());
  EXPECT_TRUE(AllEqual(x.Read(), expected));
}

TEST(RotateTest, GivesTheSameBitsOnAnyNumberOfThreads) {
  const Shape shape = {1000, 4, 32};
  const auto run = [&](Device& device, TestTensor& x) {
    const auto stream = device.NewStream();
    TestTensor cos(device, DType::kFloat32, {250, 16});
    TestTensor sin(device, DType::kFloat32, {250, 16});
    RotaryTable(*stream, 10000.0, cos, sin);
    Rotate(*stream, {x, cos, sin, 250, false});
    stream->Wait();
  };
  const Values values = RandomValues(3, shape.element_count());
  AnyDevice one(1, AnyDevice::kGuarded);
  TestTensor x(one, DType::kFloat32, shape, values);
  run(one, x);
  for (const int threads : {2, 3}) {
    AnyDevice device(threads);
    TestTensor other(device, DType::kFloat32, shape, values);
    run(device, other);
    EXPECT_TRUE(SameBits(x, other));
  }
}

TEST(RotateDeathTest, TheTableMustReachTheSequence) {
  SWITCHYARD_CPU_ONLY();
  CpuDevice device;
  const auto stream = device.NewStream();
  TestTensor x(device, DType::kFloat32, {4, 1, 4}, Values(16, 1.0));
  TestTensor cos(device, DType::kFloat32, {3, 2}, Values(6, 1.0));
  EXPECT_DEATH(Rotate(*stream, {x, cos, cos, 4, false}), "4 positions");
}

}  // namespace
}  // namespace switchyard::kernels
