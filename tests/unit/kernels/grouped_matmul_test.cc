// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <deque>
#include <vector>

#include "gtest/gtest.h"
#include "switchyard/base/cpu/cpu_device.h"
#include "switchyard/base/guarded/guarded_device.h"
#include "switchyard/kernels/cpu/matmul.h"
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
using switchyard::testing::RandomValues;
using switchyard::testing::SameBits;
using switchyard::testing::TestTensor;

struct Problem {
  DType dtype = DType::kFloat32;
  Transpose transpose = Transpose::kYes;
  int64_t in = 0, out = 0, experts = 0;
  std::vector<Segment> segments;
  int64_t rows = 0;  // of the buffer
};

// Segments of these (expert, rows), one after the other, and a gap at the end.
Problem MakeProblem(int64_t in, int64_t out, int64_t experts,
                    const std::vector<std::pair<int, int64_t>>& sizes) {
  Problem problem;
  problem.in = in;
  problem.out = out;
  problem.experts = experts;
  for (const auto& [expert, rows] : sizes) {
    problem.segments.push_back({expert, problem.rows, rows, PaddedRows(rows)});
    problem.rows += PaddedRows(rows);
  }
  problem.rows += 3;
  return problem;
}

Shape WeightShape(const Problem& p) {
  return p.transpose == Transpose::kYes ? Shape{p.out, p.in}
                                        : Shape{p.in, p.out};
}

std::vector<double> Inputs(const Problem& p) {
  std::vector<double> x = RandomValues(1, p.rows * p.in, -1, 1, p.dtype);
  for (const Segment& s : p.segments) {
    const int64_t end = std::min(p.rows, s.row + s.padded_rows);
    for (int64_t row = s.row + s.rows; row < end; ++row) {
      std::fill_n(x.begin() + row * p.in, p.in, 0.0);
    }
  }
  return x;
}

std::vector<double> Weights(const Problem& p, int64_t expert) {
  return RandomValues(10 + expert, p.in * p.out, -1, 1, p.dtype);
}

TestTensor Compute(Device& device, const Problem& p, Layout layout = {},
                   bool join_segments = false) {
  const auto stream = device.NewStream();
  const TestTensor x(device, p.dtype, {p.rows, p.in}, Inputs(p), layout);
  std::deque<TestTensor> weights;
  std::vector<ConstTensorView> views;
  for (int64_t e = 0; e < p.experts; ++e) {
    weights.emplace_back(device, p.dtype, WeightShape(p), Weights(p, e),
                         layout);
    views.push_back(weights.back().view());
  }
  TestTensor y(device, p.dtype, {p.rows, p.out}, layout);
  GroupedMatMulArgs args;
  args.x = x;
  args.weights = views;
  args.transpose_w = p.transpose;
  args.segments = p.segments;
  args.y = y;
  args.join_segments = join_segments;
  GroupedMatMul(*stream, args);
  stream->Wait();
  return y;
}

void ExpectOracle(const Problem& p, const std::vector<double>& y) {
  const std::vector<double> x = Inputs(p);
  std::vector<bool> written(p.rows, false);
  for (const Segment& s : p.segments) {
    const auto rows = [&](const std::vector<double>& all, int64_t width) {
      return std::vector<double>(all.begin() + s.row * width,
                                 all.begin() + (s.row + s.padded_rows) * width);
    };
    const auto x_rows = rows(x, p.in), w = Weights(p, s.expert);
    const auto oracle =
        Oracle({x_rows, s.padded_rows, p.in},
               {w, p.in, p.out, p.transpose == Transpose::kYes});
    EXPECT_TRUE(
        AllNear(rows(y, p.out), oracle.values, oracle.Tolerance(p.dtype)))
        << "expert " << s.expert << ", row " << s.row;
    std::fill_n(written.begin() + s.row, s.padded_rows, true);
  }
  for (int64_t i = 0; i < p.rows * p.out; ++i) {
    EXPECT_TRUE(written[i / p.out] || std::isnan(y[i])) << "written: " << i;
  }
}

TEST(GroupedMatMulTest, AgreesWithTheOracle) {
  AnyDevice device(2);
  for (const DType dtype : {DType::kFloat32, DType::kBFloat16}) {
    for (const Transpose transpose : {Transpose::kYes, Transpose::kNo}) {
      for (Problem problem :
           {MakeProblem(33, 20, 3, {{0, 5}, {1, 0}, {2, 31}, {2, 9}}),
            MakeProblem(16, 530, 2, {{1, 300}}),  // one takes everything
            MakeProblem(24, 40, 1, {{0, 100}, {0, 1}, {0, 200}}),
            MakeProblem(24, 40, 3, {{0, 100}, {0, 60}, {1, 0}, {2, 200}}),
            MakeProblem(8, 8, 2, {})}) {
        problem.dtype = dtype;
        problem.transpose = transpose;
        for (const bool join_segments : {false, true}) {
          for (const Layout& layout : {Layout(), Layout::Strided(3, 1)}) {
            const TestTensor y =
                Compute(device, problem, layout, join_segments);
            ExpectOracle(problem, y.Read());
          }
        }
      }
    }
  }
}

TEST(GroupedMatMulTest, BitsDependOnNeitherThreadsNorLayout) {
  SWITCHYARD_CPU_ONLY();
  CpuDevice one(1), three(3);
  GuardedDevice guarded(2);
  for (const DType dtype : {DType::kFloat32, DType::kBFloat16}) {
    Problem problem =
        MakeProblem(300, 530, 3, {{0, 60}, {0, 72}, {1, 300}, {2, 1}});
    problem.dtype = dtype;
    const TestTensor y = Compute(one, problem);
    EXPECT_TRUE(SameBits(y, Compute(three, problem, Layout::Strided(5, 3))));
    EXPECT_TRUE(SameBits(y, Compute(guarded, problem)));
  }
}

// Segments are joined once Prepare has tried it; nothing may change. Where
// oneDNN does not multiply, rows are independent by construction.
TEST(GroupedMatMulTest, JoiningChangesNoBit) {
  SWITCHYARD_CPU_ONLY();
  CpuDevice device;
  for (const DType dtype : {DType::kFloat32, DType::kBFloat16}) {
    for (const Transpose transpose : {Transpose::kYes, Transpose::kNo}) {
      Problem problem = MakeProblem(
          270, 72, 2, {{0, 61}, {0, 130}, {0, 200}, {1, 8}, {1, 300}});
      problem.dtype = dtype;
      problem.transpose = transpose;
      ASSERT_FALSE(cpu::MayJoin(dtype, transpose, 270, 72));
      const TestTensor apart = Compute(device, problem);
      cpu::CheckJoining(dtype, transpose, 270, 72);
      if (dtype == DType::kFloat32 || !HasBFloat16Products()) {
        EXPECT_TRUE(cpu::MayJoin(dtype, transpose, 270, 72));
      }
      EXPECT_TRUE(SameBits(apart, Compute(device, problem)));
    }
  }
}

// Whatever the weights, and whether segments are joined.
TEST(GroupedMatMulTest, PaddingBecomesZero) {
  SWITCHYARD_CPU_ONLY();
  CpuDevice device(2);
  const auto stream = device.NewStream();
  const std::vector<Segment> segments = {
      {0, 0, 5, 8}, {0, 8, 3, 8}, {0, 16, 8, 8}};
  std::vector<double> ones(24 * 24, 1.0), weights(24 * 24, 1.0);
  for (const int64_t row : {5, 6, 7, 11, 12, 13, 14, 15}) {
    std::fill_n(ones.begin() + row * 24, 24, 0.0);
  }
  weights[3] = HUGE_VAL;
  for (const DType dtype : {DType::kFloat32, DType::kBFloat16}) {
    for (const bool joined : {false, true}) {
      if (joined) cpu::CheckJoining(dtype, Transpose::kYes, 24, 24);
      const TestTensor x(device, dtype, {24, 24}, ones);
      const TestTensor w(device, dtype, {24, 24}, weights);
      const ConstTensorView view = w;
      TestTensor y(device, dtype, {24, 24});
      GroupedMatMul(*stream, {x, {&view, 1}, Transpose::kYes, segments, y});
      stream->Wait();
      const std::vector<double> values = y.Read();
      for (int64_t row = 0; row < 24; ++row) {
        const bool padding = ones[row * 24] == 0;
        EXPECT_EQ(values[row * 24], padding ? 0 : HUGE_VAL) << row;
        EXPECT_EQ(values[row * 24 + 1], padding ? 0 : 24) << row;
      }
    }
  }
}

TEST(GroupedMatMulTest, PrepareTriesBothDirections) {
  SWITCHYARD_CPU_ONLY();
  PrepareGrouped(DType::kFloat32, 100, 40, 56);
  EXPECT_TRUE(cpu::MayJoin(DType::kFloat32, Transpose::kYes, 40, 56));
  EXPECT_TRUE(cpu::MayJoin(DType::kFloat32, Transpose::kNo, 56, 40));
  EXPECT_FALSE(cpu::MayJoin(DType::kFloat32, Transpose::kNo, 40, 56));
}

TEST(GroupedMatMulTest, SegmentsOutsideTheBufferAreBugs) {
  SWITCHYARD_CPU_ONLY();
  CpuDevice device;
  Problem problem = MakeProblem(8, 8, 2, {{0, 5}});
  problem.segments[0].row = 4;
  EXPECT_DEATH(Compute(device, problem), "rows 4 \\+ 5 \\(8\\) of 11");
  problem = MakeProblem(8, 8, 2, {{2, 5}});
  EXPECT_DEATH(Compute(device, problem), "expert 2 of 2");
}

}  // namespace
}  // namespace switchyard::kernels
