// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/matmul.h"

#include <cmath>
#include <vector>

#include "gtest/gtest.h"
#include "switchyard/base/cpu/cpu_device.h"
#include "switchyard/base/guarded/guarded_device.h"
#include "switchyard/tests/support/any_device.h"
#include "switchyard/tests/support/compare.h"
#include "switchyard/tests/support/product_oracle.h"
#include "switchyard/tests/support/random_values.h"
#include "switchyard/tests/support/test_tensor.h"

namespace switchyard::kernels {
namespace {

using switchyard::testing::AllEqual;
using switchyard::testing::AllNear;
using switchyard::testing::AnyDevice;
using switchyard::testing::Layout;
using switchyard::testing::Oracle;
using switchyard::testing::Product;
using switchyard::testing::RandomIntegers;
using switchyard::testing::RandomValues;
using switchyard::testing::SameBits;
using switchyard::testing::TestTensor;

struct Problem {
  int64_t rows, columns, inner;
  Transpose transpose_a = Transpose::kNo;
  Transpose transpose_b = Transpose::kNo;

  Shape a_shape() const {
    return transpose_a == Transpose::kYes ? Shape{inner, rows}
                                          : Shape{rows, inner};
  }
  Shape b_shape() const {
    return transpose_b == Transpose::kYes ? Shape{columns, inner}
                                          : Shape{inner, columns};
  }
  Product oracle(const std::vector<double>& a,
                 const std::vector<double>& b) const {
    return Oracle({a, rows, inner, transpose_a == Transpose::kYes},
                  {b, inner, columns, transpose_b == Transpose::kYes});
  }
};

constexpr Transpose kTransposes[] = {Transpose::kNo, Transpose::kYes};

// Runs one product into a new tensor.
TestTensor Multiply(Device& device, const Problem& problem, const TestTensor& a,
                    const TestTensor& b, DType dtype, Layout layout = {}) {
  const auto stream = device.NewStream();
  TestTensor c(device, dtype, {problem.rows, problem.columns}, layout);
  MatMulArgs args;
  args.a = a;
  args.transpose_a = problem.transpose_a;
  args.b = b;
  args.transpose_b = problem.transpose_b;
  args.c = c;
  MatMul(*stream, args);
  stream->Wait();
  return c;
}

class MatMulSizeTest
    : public ::testing::TestWithParam<std::tuple<int64_t, int64_t, int64_t>> {};

TEST_P(MatMulSizeTest, AgreesWithTheOracle) {
  AnyDevice device(2);
  const auto [rows, columns, inner] = GetParam();
  if (rows * columns * inner == 0) device.MayStayIdle();
  for (const Transpose transpose_a : kTransposes) {
    for (const Transpose transpose_b : kTransposes) {
      const Problem problem{rows, columns, inner, transpose_a, transpose_b};
      for (const DType dtype : {DType::kFloat32, DType::kBFloat16}) {
        const auto a = RandomValues(1, rows * inner, -1, 1, dtype);
        const auto b = RandomValues(2, inner * columns, -1, 1, dtype);
        const Product expected = problem.oracle(a, b);
        const TestTensor a_tensor(device, dtype, problem.a_shape(), a);
        const TestTensor b_tensor(device, dtype, problem.b_shape(), b,
                                  Layout::Strided(3, 1));
        EXPECT_TRUE(AllNear(
            Multiply(device, problem, a_tensor, b_tensor, DType::kFloat32)
                .Read(),
            expected.values, expected.Tolerance(DType::kFloat32)))
            << NameOf(dtype);
        EXPECT_TRUE(AllNear(Multiply(device, problem, a_tensor, b_tensor, dtype,
                                     Layout::Strided(5, 3))
                                .Read(),
                            expected.values, expected.Tolerance(dtype)))
            << NameOf(dtype);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Sizes, MatMulSizeTest,
    ::testing::Values(std::tuple(0, 5, 3), std::tuple(5, 0, 3),
                      std::tuple(3, 5, 0), std::tuple(1, 1, 1),
                      std::tuple(7, 9, 11), std::tuple(31, 33, 32),
                      std::tuple(33, 31, 257), std::tuple(64, 8, 256),
                      std::tuple(6, 16, 1000), std::tuple(257, 17, 24),
                      std::tuple(13, 600, 40), std::tuple(300, 530, 64)));

TEST(MatMulTest, SmallIntegersAreExact) {
  AnyDevice device(2);
  const Problem problem{70, 50, 300};
  const auto a = RandomIntegers(1, 70 * 300, -9, 9);
  const auto b = RandomIntegers(2, 300 * 50, -9, 9);
  const TestTensor a_tensor(device, DType::kFloat32, {70, 300}, a);
  const TestTensor b_tensor(device, DType::kFloat32, {300, 50}, b);
  const TestTensor c =
      Multiply(device, problem, a_tensor, b_tensor, DType::kFloat32);
  EXPECT_TRUE(AllEqual(c.Read(), problem.oracle(a, b).values));
}

TEST(MatMulTest, AccumulatesInFloat) {
  AnyDevice device;
  const auto stream = device.NewStream();
  for (const int64_t inner : {0, 20, 300}) {
    const Problem problem{19, 37, inner};
    const auto a = RandomIntegers(1, 19 * inner, -9, 9);
    const auto b = RandomIntegers(2, inner * 37, -9, 9);
    const auto before = RandomIntegers(3, 19 * 37, -9, 9);
    for (const DType dtype : {DType::kFloat32, DType::kBFloat16}) {
      const TestTensor a_tensor(device, dtype, {19, inner}, a);
      const TestTensor b_tensor(device, dtype, {inner, 37}, b);
      TestTensor c(device, DType::kFloat32, {19, 37}, before);
      MatMulArgs args;
      args.a = a_tensor;
      args.b = b_tensor;
      args.c = c;
      args.accumulate = true;
      MatMul(*stream, args);
      stream->Wait();
      std::vector<double> expected = problem.oracle(a, b).values;
      for (size_t i = 0; i < expected.size(); ++i) expected[i] += before[i];
      EXPECT_TRUE(AllEqual(c.Read(), expected)) << inner;
    }
  }
}

TEST(MatMulTest, BitsDependOnNeitherThreadsNorLayout) {
  SWITCHYARD_CPU_ONLY();
  CpuDevice one(1), two(2), three(3);
  GuardedDevice guarded(2);
  for (const Transpose transpose_a : kTransposes) {
    for (const Transpose transpose_b : kTransposes) {
      const Problem problem{300, 530, 270, transpose_a, transpose_b};
      for (const DType dtype : {DType::kFloat32, DType::kBFloat16}) {
        const auto a = RandomValues(1, 300 * 270, -1, 1, dtype);
        const auto b = RandomValues(2, 270 * 530, -1, 1, dtype);
        const auto run = [&](Device& device, Layout layout) {
          const TestTensor a_tensor(device, dtype, problem.a_shape(), a,
                                    layout);
          const TestTensor b_tensor(device, dtype, problem.b_shape(), b,
                                    layout);
          return Multiply(device, problem, a_tensor, b_tensor, dtype, layout);
        };
        const TestTensor c = run(one, Layout());
        EXPECT_TRUE(SameBits(c, run(one, Layout::Strided(7, 3))));
        EXPECT_TRUE(SameBits(c, run(two, Layout())));
        EXPECT_TRUE(SameBits(c, run(three, Layout::Strided(16, 1))));
        EXPECT_TRUE(SameBits(c, run(guarded, Layout())));
      }
    }
  }
}

// What the joining of segments rests on, where oneDNN does not multiply.
TEST(MatMulTest, FloatRowsDependOnNeitherNeighboursNorTrailingZeros) {
  SWITCHYARD_CPU_ONLY();
  CpuDevice device;
  constexpr int64_t kRows = 61, kColumns = 70, kInner = 300;
  auto a = RandomValues(1, kRows * kInner);
  auto b = RandomValues(2, kInner * kColumns);
  const TestTensor b_tensor(device, DType::kFloat32, {kInner, kColumns}, b);
  const TestTensor a_tensor(device, DType::kFloat32, {kRows, kInner}, a);
  const auto all = Multiply(device, {kRows, kColumns, kInner}, a_tensor,
                            b_tensor, DType::kFloat32)
                       .Bits();
  for (int64_t row = 0; row < kRows; ++row) {
    const std::vector<double> a_row(a.begin() + row * kInner,
                                    a.begin() + (row + 1) * kInner);
    const TestTensor alone(device, DType::kFloat32, {1, kInner}, a_row);
    const auto bits = Multiply(device, {1, kColumns, kInner}, alone, b_tensor,
                               DType::kFloat32)
                          .Bits();
    EXPECT_EQ(bits, std::vector<uint64_t>(all.begin() + row * kColumns,
                                          all.begin() + (row + 1) * kColumns));
  }
  b.resize((kInner + 9) * kColumns, 0.0);
  const TestTensor longer_b(device, DType::kFloat32, {kInner + 9, kColumns}, b);
  std::vector<double> longer_a;
  for (int64_t i = 0; i < kRows * (kInner + 9); ++i) {
    const int64_t row = i / (kInner + 9), k = i % (kInner + 9);
    longer_a.push_back(k < kInner ? a[row * kInner + k] : 0.0);
  }
  const TestTensor longer(device, DType::kFloat32, {kRows, kInner + 9},
                          longer_a);
  EXPECT_EQ(Multiply(device, {kRows, kColumns, kInner + 9}, longer, longer_b,
                     DType::kFloat32)
                .Bits(),
            all);
}

TEST(MatMulTest, NanStaysInItsRowAndColumn) {
  AnyDevice device;
  const Problem problem{9, 21, 5};
  auto a = RandomValues(1, 9 * 5);
  auto b = RandomValues(2, 5 * 21);
  a[3 * 5 + 1] = std::nan("");
  b[2 * 21 + 20] = std::nan("");
  const TestTensor a_tensor(device, DType::kFloat32, {9, 5}, a);
  const TestTensor b_tensor(device, DType::kFloat32, {5, 21}, b);
  const auto c =
      Multiply(device, problem, a_tensor, b_tensor, DType::kFloat32).Read();
  for (int64_t i = 0; i < 9 * 21; ++i) {
    EXPECT_EQ(std::isnan(c[i]), i / 21 == 3 || i % 21 == 20) << i;
  }
}

TEST(MatMulTest, WrongOperandsAreBugs) {
  SWITCHYARD_CPU_ONLY();
  CpuDevice device;
  const auto stream = device.NewStream();
  const TestTensor a(device, DType::kFloat32, {4, 5}, RandomValues(1, 20));
  const TestTensor b(device, DType::kFloat32, {6, 3}, RandomValues(2, 18));
  TestTensor c(device, DType::kFloat32, {4, 3});
  MatMulArgs args;
  args.a = a;
  args.b = b;
  args.c = c;
  EXPECT_DEATH(MatMul(*stream, args), "\\[4, 5\\] times \\[6, 3\\]");
  TestTensor rounded(device, DType::kBFloat16, {4, 3});
  args.c = rounded;
  EXPECT_DEATH(MatMul(*stream, args), "bf16 from fp32");
}

}  // namespace
}  // namespace switchyard::kernels
