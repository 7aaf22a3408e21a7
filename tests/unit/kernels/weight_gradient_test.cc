// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <deque>
#include <vector>

#include "gtest/gtest.h"
#include "switchyard/base/cpu/cpu_device.h"
#include "switchyard/base/guarded/guarded_device.h"
#include "switchyard/kernels/fixed_point.h"
#include "switchyard/kernels/instruction_set.h"
#include "switchyard/kernels/matmul.h"
#include "switchyard/tests/support/any_device.h"
#include "switchyard/tests/support/compare.h"
#include "switchyard/tests/support/product_oracle.h"
#include "switchyard/tests/support/random_values.h"
#include "switchyard/tests/support/test_tensor.h"

namespace switchyard::kernels {
namespace {

using switchyard::testing::AllNear;
using switchyard::testing::AnyDevice;
using switchyard::testing::Layout;
using switchyard::testing::Oracle;
using switchyard::testing::Product;
using switchyard::testing::RandomValues;
using switchyard::testing::TestsCuda;
using switchyard::testing::TestTensor;

// The gradients of parameters of these row counts, zero at first.
struct Sums {
  Sums(Device& device, const std::vector<int64_t>& rows, int64_t columns,
       Layout layout = {}, DType dtype = DType::kInt64) {
    for (int64_t count : rows) {
      sums.emplace_back(device, dtype, Shape{count, columns},
                        std::vector<double>(count * columns, 0.0), layout);
      refused.emplace_back(device, DType::kInt64, Shape{1},
                           std::vector<double>{0.0});
      views.push_back({sums.back().view(), refused.back().view()});
    }
  }
  std::vector<uint64_t> Bits() const {
    std::vector<uint64_t> all;
    for (const TestTensor& sum : sums) {
      const auto bits = sum.Bits();
      all.insert(all.end(), bits.begin(), bits.end());
    }
    return all;
  }
  std::vector<double> Values() const {
    std::vector<double> values;
    for (uint64_t bits : Bits()) {
      values.push_back(
          std::ldexp(static_cast<double>(static_cast<int64_t>(bits)), -44));
    }
    return values;
  }

  std::deque<TestTensor> sums, refused;
  std::vector<GradientSum> views;
};

struct Leaf {
  int64_t rows, out, in;
  DType dtype = DType::kFloat32;
  std::vector<double> dy, x;

  Product oracle() const {
    return Oracle({dy, out, rows, true}, {x, rows, in});
  }
};

Leaf RandomLeaf(uint64_t seed, int64_t rows, int64_t out, int64_t in,
                DType dtype) {
  return {rows,
          out,
          in,
          dtype,
          RandomValues(seed, rows * out, -1, 1, dtype),
          RandomValues(seed + 1, rows * in, -1, 1, dtype)};
}

void Add(Device& device, const Leaf& leaf, const Sums& sums,
         Layout layout = {}) {
  const auto stream = device.NewStream();
  const TestTensor dy(device, leaf.dtype, {leaf.rows, leaf.out}, leaf.dy,
                      layout);
  const TestTensor x(device, leaf.dtype, {leaf.rows, leaf.in}, leaf.x, layout);
  WeightGradientArgs args;
  args.dy = dy;
  args.x = x;
  args.gradients = sums.views;
  WeightGradient(*stream, args);
  stream->Wait();
}

TEST(WeightGradientTest, AgreesWithTheOracle) {
  AnyDevice device(2);
  for (const DType dtype : {DType::kFloat32, DType::kBFloat16}) {
    for (const auto& [rows, out, in] :
         {std::tuple(1, 1, 1), std::tuple(31, 33, 32), std::tuple(600, 40, 17),
          std::tuple(8, 300, 530)}) {
      const Leaf leaf = RandomLeaf(1, rows, out, in, dtype);
      Sums sums(device, {out}, in, Layout::Strided(3, 1));
      Add(device, leaf, sums, Layout::Strided(5, 3));
      const Product expected = leaf.oracle();
      std::vector<double> tolerance = expected.Tolerance(DType::kFloat32);
      for (double& value : tolerance) value += 0x1p-45;  // to fixed point
      EXPECT_TRUE(AllNear(sums.Values(), expected.values, tolerance));
      EXPECT_EQ(sums.refused[0].Read()[0], 0);
    }
  }
}

// Each leaf is rounded once, whatever the parameters it is split over.
TEST(WeightGradientTest, IsAProductAndAnAddOfItsLeaf) {
  SWITCHYARD_CPU_ONLY();
  if (HasBFloat16Products()) GTEST_SKIP() << "oneDNN's blocks are others";
  CpuDevice device(2);
  const auto stream = device.NewStream();
  for (const DType dtype : {DType::kFloat32, DType::kBFloat16}) {
    Sums split(device, {64, 7, 130}, 70), whole(device, {201}, 70);
    for (const int64_t rows : {40, 300}) {
      const Leaf leaf = RandomLeaf(rows, rows, 201, 70, dtype);
      Add(device, leaf, split);
      const TestTensor dy(device, dtype, {rows, 201}, leaf.dy);
      const TestTensor x(device, dtype, {rows, 70}, leaf.x);
      TestTensor product(device, DType::kFloat32, {201, 70});
      MatMulArgs args;
      args.a = dy;
      args.transpose_a = Transpose::kYes;
      args.b = x;
      args.c = product;
      MatMul(*stream, args);
      AddToFixedPoint(*stream, product, {}, whole.views[0]);
      stream->Wait();
    }
    EXPECT_EQ(split.Bits(), whole.Bits());
  }
}

// A GPU may sum in fp32.
TEST(WeightGradientTest, FloatSumsAgreeWithTheOracle) {
  if (!TestsCuda()) GTEST_SKIP() << "the CPU's sums are integers";
  AnyDevice device;
  for (const DType dtype : {DType::kFloat32, DType::kBFloat16}) {
    const Leaf first = RandomLeaf(1, 31, 33, 32, dtype);
    const Leaf second = RandomLeaf(9, 600, 33, 32, dtype);
    const Sums sums(device, {20, 13}, 32, Layout::Strided(3, 1),
                    DType::kFloat32);
    Add(device, first, sums);
    Add(device, second, sums);
    const Product one = first.oracle(), two = second.oracle();
    std::vector<double> expected = one.values, actual = sums.sums[0].Read();
    std::vector<double> tolerance = one.Tolerance(DType::kFloat32);
    const auto more = two.Tolerance(DType::kFloat32);
    for (size_t i = 0; i < expected.size(); ++i) {
      expected[i] += two.values[i];
      // And the sum of both is rounded: it is below 631.
      tolerance[i] += more[i] + 631 * 0x1p-24;
    }
    const auto rest = sums.sums[1].Read();
    actual.insert(actual.end(), rest.begin(), rest.end());
    EXPECT_TRUE(AllNear(actual, expected, tolerance));
  }
}

TEST(WeightGradientTest, NoRowsAddNothing) {
  AnyDevice device;
  device.MayStayIdle();
  Sums sums(device, {5}, 6);
  Add(device, RandomLeaf(1, 0, 5, 6, DType::kFloat32), sums);
  EXPECT_EQ(sums.Bits(), std::vector<uint64_t>(30, 0));
}

TEST(WeightGradientTest, CountsExactlyWhatItRefuses) {
  AnyDevice device;
  for (const DType dtype : {DType::kFloat32, DType::kBFloat16}) {
    Leaf leaf = RandomLeaf(1, 9, 21, 37, dtype);
    leaf.dy[4 * 21 + 20] = std::nan("");  // a row of the leaf
    leaf.x[3 * 37 + 36] = INFINITY;       // a column of it
    leaf.x[5 * 37 + 0] = 0x1p30;          // too large a column
    Sums sums(device, {21}, 37);
    Add(device, leaf, sums);
    EXPECT_EQ(sums.refused[0].Read()[0], 37 + 2 * 20);
    const auto bits = sums.Bits();
    for (size_t i = 0; i < bits.size(); ++i) {
      const bool refused = i / 37 == 20 || i % 37 == 36 || i % 37 == 0;
      EXPECT_EQ(bits[i] == 0, refused) << i;
    }
  }
}

struct Grouped {
  DType dtype = DType::kFloat32;
  int64_t experts = 3, rows = 0;
  std::vector<Segment> segments;
};

constexpr int64_t kOut = 150, kIn = 70;

Grouped MakeGrouped(DType dtype,
                    const std::vector<std::pair<int, int64_t>>& sizes) {
  Grouped grouped;
  grouped.dtype = dtype;
  for (const auto& [expert, rows] : sizes) {
    grouped.segments.push_back({expert, grouped.rows, rows, PaddedRows(rows)});
    grouped.rows += PaddedRows(rows);
  }
  return grouped;
}

// `width` values a row, zero in the padding.
std::vector<double> Rows(const Grouped& grouped, uint64_t seed, int64_t width) {
  auto values = RandomValues(seed, grouped.rows * width, -1, 1, grouped.dtype);
  for (const Segment& s : grouped.segments) {
    std::fill(values.begin() + (s.row + s.rows) * width,
              values.begin() + (s.row + s.padded_rows) * width, 0.0);
  }
  return values;
}

void Add(Device& device, const Grouped& grouped, const Sums& sums,
         Layout layout = {}) {
  const auto stream = device.NewStream();
  const TestTensor dy(device, grouped.dtype, {grouped.rows, kOut},
                      Rows(grouped, 1, kOut), layout);
  const TestTensor x(device, grouped.dtype, {grouped.rows, kIn},
                     Rows(grouped, 2, kIn), layout);
  GroupedWeightGradientArgs args;
  args.dy = dy;
  args.x = x;
  args.segments = grouped.segments;
  args.gradients = sums.views;
  args.parameters_per_expert = 2;
  GroupedWeightGradient(*stream, args);
  stream->Wait();
}

// Two parameters for each of three experts.
Sums MakeSums(Device& device) {
  return Sums(device, {70, 80, 70, 80, 70, 80}, kIn);
}

// Every segment is a leaf of its own: as if given to WeightGradient alone.
TEST(GroupedWeightGradientTest, AddsALeafForEachSegment) {
  AnyDevice device(2);
  for (const DType dtype : {DType::kFloat32, DType::kBFloat16}) {
    const Grouped grouped =
        MakeGrouped(dtype, {{0, 60}, {2, 9}, {0, 300}, {1, 0}, {2, 256}});
    const Sums together = MakeSums(device), alone = MakeSums(device);
    Add(device, grouped, together);
    const auto dy = Rows(grouped, 1, kOut), x = Rows(grouped, 2, kIn);
    for (const Segment& s : grouped.segments) {
      const auto rows = [&s](const std::vector<double>& all, int64_t width) {
        return std::vector<double>(
            all.begin() + s.row * width,
            all.begin() + (s.row + s.padded_rows) * width);
      };
      Sums expert(device, {}, kIn);
      expert.views = {alone.views[2 * s.expert], alone.views[2 * s.expert + 1]};
      Add(device,
          Leaf{s.padded_rows, kOut, kIn, dtype, rows(dy, kOut), rows(x, kIn)},
          expert);
    }
    EXPECT_EQ(together.Bits(), alone.Bits());
    EXPECT_NE(together.Bits(), MakeSums(device).Bits());
  }
}

// All segments of an expert are one leaf there.
TEST(GroupedWeightGradientTest, FloatSumsAgreeWithIntegers) {
  if (!TestsCuda()) GTEST_SKIP() << "the CPU's sums are integers";
  AnyDevice device;
  const Grouped grouped =
      MakeGrouped(DType::kFloat32, {{0, 60}, {0, 300}, {1, 0}, {2, 256}});
  const Sums integers = MakeSums(device);
  const Sums floats(device, {70, 80, 70, 80, 70, 80}, kIn, {}, DType::kFloat32);
  Add(device, grouped, integers);
  Add(device, grouped, floats);
  std::vector<double> actual;
  for (const TestTensor& sum : floats.sums) {
    const auto values = sum.Read();
    actual.insert(actual.end(), values.begin(), values.end());
  }
  // At most 360 products below 1: as many roundings, of sums below 360, twice.
  EXPECT_TRUE(AllNear(actual, integers.Values(), 2 * 360 * 360 * 0x1p-24, 0));
}

TEST(GroupedWeightGradientTest, BitsDependOnNeitherThreadsNorLayout) {
  SWITCHYARD_CPU_ONLY();
  CpuDevice one(1), three(3);
  GuardedDevice guarded(2);
  for (const DType dtype : {DType::kFloat32, DType::kBFloat16}) {
    const Grouped grouped =
        MakeGrouped(dtype, {{0, 60}, {0, 300}, {2, 9}, {0, 128}});
    const Sums first = MakeSums(one), second = MakeSums(three),
               third = MakeSums(guarded);
    Add(one, grouped, first);
    Add(three, grouped, second, Layout::Strided(5, 3));
    Add(guarded, grouped, third);
    EXPECT_EQ(first.Bits(), second.Bits());
    EXPECT_EQ(first.Bits(), third.Bits());
  }
}

// The same segments in another order, as if from other ranks.
TEST(GroupedWeightGradientTest, SegmentsHaveNoOrder) {
  AnyDevice device(2);
  Grouped grouped = MakeGrouped(DType::kFloat32,
                                {{0, 60}, {1, 300}, {0, 9}, {0, 128}, {1, 8}});
  const Sums forward = MakeSums(device), backward = MakeSums(device);
  Add(device, grouped, forward);
  std::reverse(grouped.segments.begin(), grouped.segments.end());
  Add(device, grouped, backward);
  EXPECT_EQ(forward.Bits(), backward.Bits());
}

}  // namespace
}  // namespace switchyard::kernels
