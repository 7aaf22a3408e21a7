// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/rms_norm.h"

#include <algorithm>
#include <cmath>
#include <string>
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
using switchyard::testing::RandomValues;
using switchyard::testing::RoundTo;
using switchyard::testing::SameBits;
using switchyard::testing::TestTensor;
using switchyard::testing::UnitRoundoff;

using Values = std::vector<double>;

constexpr double kEps = 1e-5;

struct Inputs {
  int64_t rows, width;
  DType dtype;
  Values x, add, weight, dy, dsum;
};

Inputs RandomInputs(int64_t rows, int64_t width, DType dtype) {
  const int64_t count = rows * width;
  return {rows,
          width,
          dtype,
          RandomValues(1, count, -2, 2, dtype),
          RandomValues(2, count, -1, 1, dtype),
          RandomValues(3, width, 0.5, 1.5, dtype),
          RandomValues(4, count, -1, 1, dtype),
          RandomValues(5, count, -1, 1, dtype)};
}

double InverseRms(const double* x, int64_t width) {
  double squares = 0;
  for (int64_t i = 0; i < width; ++i) squares += x[i] * x[i];
  return 1.0 / std::sqrt(squares / static_cast<double>(width) + kEps);
}

Values Sum(const Values& a, const Values& b, DType dtype) {
  Values sum = a;
  for (size_t i = 0; i < a.size(); ++i) sum[i] = RoundTo(dtype, a[i] + b[i]);
  return sum;
}

// Without any rounding.
Values Normalize(const Values& x, const Values& weight, int64_t rows) {
  const int64_t width = static_cast<int64_t>(weight.size());
  Values y(x.size());
  for (int64_t r = 0; r < rows; ++r) {
    const double inverse = InverseRms(&x[r * width], width);
    for (int64_t i = 0; i < width; ++i) {
      y[r * width + i] = x[r * width + i] * inverse * weight[i];
    }
  }
  return y;
}

// |x|, |n|, |weight| < 2 · width^(1/2): a sum of `width` squares in fp32 has a
// relative error below width · 2^-24, its root half of it; a few more roundings
// follow. bf16 rounds n and y once each.
double ForwardTolerance(int64_t width, DType dtype) {
  const double fp32 = (static_cast<double>(width) / 2 + 8) * 0x1p-24;
  return dtype == DType::kFloat32 ? fp32 : fp32 + 2.01 * UnitRoundoff(dtype);
}

TEST(RmsNormTest, AgreesWithDoubles) {
  AnyDevice device(2);
  const auto stream = device.NewStream();
  for (const int64_t rows : {0, 1, 33, 130}) {
    for (const int64_t width : {1, 7, 8, 31, 32, 33, 256, 1001}) {
      if (rows * width > 1000000) continue;  // slow on an emulated GPU
      for (const DType dtype : {DType::kFloat32, DType::kBFloat16}) {
        for (const Layout layout : {Layout(), Layout::Strided(3, 1)}) {
          const Inputs in = RandomInputs(rows, width, dtype);
          const Shape shape = {rows, width};
          const Layout packed = Layout::Strided(0, layout.offset());
          TestTensor x(device, dtype, shape, in.x, layout);
          TestTensor add(device, dtype, shape, in.add, layout);
          TestTensor weight(device, dtype, {width}, in.weight, packed);
          TestTensor sum(device, dtype, shape, layout);
          TestTensor plain(device, dtype, shape, layout);
          TestTensor fused(device, dtype, shape, layout);
          TestTensor inverse(device, DType::kFloat32, {rows}, packed);
          TestTensor inverse_fused(device, DType::kFloat32, {rows}, packed);
          const float eps = static_cast<float>(kEps);
          RmsNorm(*stream, {x, {}, weight, eps, {}, plain, inverse});
          RmsNorm(*stream, {x, add, weight, eps, sum, fused, inverse_fused});
          stream->Wait();
          const Values sums = Sum(in.x, in.add, dtype);
          const double tolerance = ForwardTolerance(width, dtype);
          EXPECT_TRUE(AllEqual(sum.Read(), sums));
          EXPECT_TRUE(AllNear(plain.Read(), Normalize(in.x, in.weight, rows),
                              1e-30, tolerance));
          EXPECT_TRUE(AllNear(fused.Read(), Normalize(sums, in.weight, rows),
                              1e-30, tolerance));
          Values roots;
          for (int64_t r = 0; r < rows; ++r) {
            roots.push_back(InverseRms(&sums[r * width], width));
          }
          EXPECT_TRUE(AllNear(inverse_fused.Read(), roots, 0,
                              ForwardTolerance(width, DType::kFloat32)));
        }
      }
    }
  }
}

TEST(RmsNormTest, TheSumMayTakeThePlaceOfAnAddend) {
  AnyDevice device;
  const auto stream = device.NewStream();
  const Inputs in = RandomInputs(5, 33, DType::kBFloat16);
  const Shape shape = {5, 33};
  const TestTensor weight(device, in.dtype, {33}, in.weight);
  TestTensor inverse(device, DType::kFloat32, {5});
  TestTensor sum(device, in.dtype, shape), y(device, in.dtype, shape);
  TestTensor other_y(device, in.dtype, shape);
  const TestTensor x(device, in.dtype, shape, in.x);
  const TestTensor add(device, in.dtype, shape, in.add);
  RmsNorm(*stream, {x, add, weight, 1e-5f, sum, y, inverse});
  for (const bool replaces_x : {true, false}) {
    TestTensor x_copy(device, in.dtype, shape, in.x);
    TestTensor add_copy(device, in.dtype, shape, in.add);
    TestTensor& place = replaces_x ? x_copy : add_copy;
    RmsNorm(*stream,
            {x_copy, add_copy, weight, 1e-5f, place, other_y, inverse});
    stream->Wait();
    EXPECT_TRUE(SameBits(place, sum));
    EXPECT_TRUE(SameBits(other_y, y));
  }
}

TEST(RmsNormTest, Bf16IsRoundedBeforeTheWeight) {
  AnyDevice device;
  const auto stream = device.NewStream();
  // 64 pairs of values: some of them tell two roundings from one.
  Values weights;
  for (int i = 0; i < 64; ++i) weights.push_back(1.0 + i / 128.0);
  Values x(64);
  for (int i = 0; i < 64; ++i) x[i] = 1.0 + (i * 37 % 64) / 128.0;
  double squares = 0;
  for (double value : x) squares += value * value;
  const double inverse =
      static_cast<float>(1.0 / std::sqrt(squares / 64.0 + kEps));
  Values expected, rounded_once;
  for (int i = 0; i < 64; ++i) {
    const double n = RoundTo(DType::kBFloat16, x[i] * inverse);
    expected.push_back(RoundTo(DType::kBFloat16, n * weights[i]));
    rounded_once.push_back(
        RoundTo(DType::kBFloat16, x[i] * inverse * weights[i]));
  }
  ASSERT_NE(expected, rounded_once);
  TestTensor x_tensor(device, DType::kBFloat16, {1, 64}, x);
  TestTensor weight(device, DType::kBFloat16, {64}, weights);
  TestTensor y(device, DType::kBFloat16, {1, 64});
  TestTensor root(device, DType::kFloat32, {1});
  RmsNorm(*stream, {x_tensor, {}, weight, 1e-5f, {}, y, root});
  stream->Wait();
  EXPECT_TRUE(AllEqual(y.Read(), expected));
}

struct Gradients {
  Values dx, dweight;
  Values dweight_size;  // sums of magnitudes
};

Gradients BackwardOracle(const Inputs& in, bool with_dsum) {
  Gradients result{Values(in.x.size()), Values(in.width, 0.0),
                   Values(in.width, 0.0)};
  for (int64_t r = 0; r < in.rows; ++r) {
    const double* x = &in.x[r * in.width];
    const double* dy = &in.dy[r * in.width];
    const double inverse = InverseRms(x, in.width);
    double mean = 0;
    for (int64_t i = 0; i < in.width; ++i) {
      mean += dy[i] * in.weight[i] * x[i] * inverse;
    }
    mean /= static_cast<double>(in.width);
    for (int64_t i = 0; i < in.width; ++i) {
      const double n = x[i] * inverse;
      const double extra = with_dsum ? in.dsum[r * in.width + i] : 0.0;
      result.dx[r * in.width + i] =
          inverse * (dy[i] * in.weight[i] - n * mean) + extra;
      result.dweight[i] += dy[i] * n;
      result.dweight_size[i] += std::abs(dy[i] * n);
    }
  }
  return result;
}

TEST(RmsNormBackwardTest, OracleIsTheDerivative) {
  SWITCHYARD_CPU_ONLY();
  Inputs in = RandomInputs(2, 5, DType::kFloat32);
  const Gradients gradient = BackwardOracle(in, false);
  const auto loss = [&] {
    const Values y = Normalize(in.x, in.weight, in.rows);
    double total = 0;
    for (size_t i = 0; i < y.size(); ++i) total += y[i] * in.dy[i];
    return total;
  };
  // Central differences err by h²/6 of the third derivative, here below 1e-8,
  // and by 1e-16 / h of rounding.
  const double h = 1e-5;
  const auto difference = [&](double& at) {
    const double kept = at;
    at = kept + h;
    const double up = loss();
    at = kept - h;
    const double down = loss();
    at = kept;
    return (up - down) / (2 * h);
  };
  for (size_t i = 0; i < in.x.size(); ++i) {
    EXPECT_NEAR(gradient.dx[i], difference(in.x[i]), 1e-8) << i;
  }
  for (size_t i = 0; i < in.weight.size(); ++i) {
    EXPECT_NEAR(gradient.dweight[i], difference(in.weight[i]), 1e-8) << i;
  }
}

TEST(RmsNormBackwardTest, AgreesWithDoubles) {
  AnyDevice device(2);
  const auto stream = device.NewStream();
  for (const int64_t rows : {0, 1, 33, 130, 1001}) {
    for (const int64_t width : {1, 7, 8, 33, 256, 1001}) {
      if (rows * width > 1000000) continue;  // slow on an emulated GPU
      for (const DType dtype : {DType::kFloat32, DType::kBFloat16}) {
        for (const bool with_dsum : {false, true}) {
          const Layout layout =
              with_dsum ? Layout::Strided(3, 1) : Layout::Strided(0, 0);
          const Inputs in = RandomInputs(rows, width, dtype);
          const Shape shape = {rows, width};
          const Layout packed = Layout::Strided(0, layout.offset());
          Values inverses;
          for (int64_t r = 0; r < rows; ++r) {
            inverses.push_back(InverseRms(&in.x[r * width], width));
          }
          TestTensor dy(device, dtype, shape, in.dy, layout);
          TestTensor x(device, dtype, shape, in.x, layout);
          TestTensor weight(device, dtype, {width}, in.weight, packed);
          TestTensor inverse(device, DType::kFloat32, {rows}, inverses, packed);
          TestTensor dsum(device, dtype, shape, in.dsum, layout);
          TestTensor dx(device, dtype, shape, layout);
          TestTensor dweight(device, DType::kFloat32, {width}, packed);
          RmsNormBackwardArgs args{dy, x, weight, inverse, {}, dx, dweight};
          if (with_dsum) {
            args.dsum = dsum;
            args.dx = dsum;  // in place
          }
          RmsNormBackward(*stream, args);
          stream->Wait();
          const Gradients expected = BackwardOracle(in, with_dsum);
          // dx: every term is below 8 in magnitude (inverse_rms < 4 but for
          // width 1, where x may be small and n is 1); the mean has an error of
          // width roundings.
          const double scale = width == 1 ? 400 : 16;
          const double fp32 =
              (static_cast<double>(width) + 8) * scale * 0x1p-24;
          EXPECT_TRUE(
              AllNear((with_dsum ? dsum : dx).Read(), expected.dx, fp32,
                      dtype == DType::kBFloat16 ? UnitRoundoff(dtype) : 0));
          // dweight: a term has the roundings of inverse_rms and n and of the
          // sums it passes through: at most 64 of its block, then one a block.
          const int64_t sums = std::min<int64_t>(rows, 64) + (rows + 63) / 64;
          Values tolerance = expected.dweight_size;
          for (double& size : tolerance) {
            size *= 1.01 * static_cast<double>(sums + 2) * 0x1p-24;
          }
          EXPECT_TRUE(AllNear(dweight.Read(), expected.dweight, tolerance));
        }
      }
    }
  }
}

TEST(RmsNormBackwardTest, GivesTheSameBitsOnAnyNumberOfThreads) {
  SWITCHYARD_CPU_ONLY();
  const Inputs in = RandomInputs(1001, 100, DType::kFloat32);
  const Shape shape = {in.rows, in.width};
  const auto run = [&](Device& device, TestTensor& dx, TestTensor& dweight) {
    const auto stream = device.NewStream();
    TestTensor dy(device, in.dtype, shape, in.dy);
    TestTensor x(device, in.dtype, shape, in.x);
    TestTensor weight(device, in.dtype, {in.width}, in.weight);
    TestTensor y(device, in.dtype, shape);
    TestTensor inverse(device, DType::kFloat32, {in.rows});
    RmsNorm(*stream, {x, {}, weight, 1e-5f, {}, y, inverse});
    RmsNormBackward(*stream, {y, x, weight, inverse, {}, dx, dweight});
    stream->Wait();
  };
  GuardedDevice one(1);
  TestTensor dx(one, in.dtype, shape), dweight(one, in.dtype, {in.width});
  run(one, dx, dweight);
  for (const int threads : {2, 3}) {
    CpuDevice device(threads);
    TestTensor other_dx(device, in.dtype, shape);
    TestTensor other_dweight(device, in.dtype, {in.width});
    run(device, other_dx, other_dweight);
    EXPECT_TRUE(SameBits(dx, other_dx));
    EXPECT_TRUE(SameBits(dweight, other_dweight));
  }
}

// Three heads of each row, between other columns.
class RmsNormGroupsTest : public ::testing::TestWithParam<DType> {};

TEST_P(RmsNormGroupsTest, AGroupIsNormalisedAsARow) {
  constexpr int64_t kRows = 70, kGroups = 3, kWidth = 33, kBefore = 5;
  AnyDevice device(2);
  const auto stream = device.NewStream();
  const Inputs in = RandomInputs(kRows * kGroups, kWidth, GetParam());
  const Shape flat = {in.rows, kWidth};
  TestTensor x(device, in.dtype, flat, in.x), dy(device, in.dtype, flat, in.dy);
  TestTensor weight(device, in.dtype, {kWidth}, in.weight);
  TestTensor y(device, in.dtype, flat), dx(device, in.dtype, flat);
  TestTensor inverse(device, DType::kFloat32, {in.rows});
  TestTensor dweight(device, DType::kFloat32, {kWidth});
  RmsNorm(*stream, {x, {}, weight, 1e-5f, {}, y, inverse});
  RmsNormBackward(*stream, {dy, x, weight, inverse, {}, dx, dweight});

  const Shape wide = {kRows, kBefore + kGroups * kWidth + 2};
  const auto place = [&](const Values& values) {
    Values result(wide.element_count(), 7.0);
    for (int64_t i = 0; i < in.rows * kWidth; ++i) {
      const int64_t row = i / (kGroups * kWidth);
      result[row * wide[1] + kBefore + i % (kGroups * kWidth)] = values[i];
    }
    return result;
  };
  TestTensor wide_x(device, in.dtype, wide, place(in.x));
  TestTensor wide_dy(device, in.dtype, wide, place(in.dy));
  TestTensor grouped_y(device, in.dtype, {kRows, kGroups, kWidth});
  TestTensor grouped_inverse(device, DType::kFloat32, {kRows, kGroups});
  TestTensor grouped_dweight(device, DType::kFloat32, {kWidth});
  const auto groups = [&](const TestTensor& tensor) {
    return tensor.view()
        .Columns(kBefore, kBefore + kGroups * kWidth)
        .Reshaped({kRows, kGroups, kWidth});
  };
  RmsNorm(*stream,
          {groups(wide_x), {}, weight, 1e-5f, {}, grouped_y, grouped_inverse});
  // In place.
  RmsNormBackward(*stream, {groups(wide_dy),
                            groups(wide_x),
                            weight,
                            grouped_inverse,
                            {},
                            groups(wide_dy),
                            grouped_dweight});
  stream->Wait();
  EXPECT_EQ(grouped_y.Read(), y.Read());
  EXPECT_EQ(grouped_inverse.Read(), inverse.Read());
  EXPECT_EQ(wide_dy.Read(), place(dx.Read())) << "columns beside stay";
  // The same sums in chunks of 64 rows of three groups: at most 192 additions.
  const Gradients expected = BackwardOracle(in, false);
  Values tolerance = expected.dweight_size;
  for (double& size : tolerance) size *= 200 * 0x1p-24;
  EXPECT_TRUE(AllNear(grouped_dweight.Read(), expected.dweight, tolerance));
}

INSTANTIATE_TEST_SUITE_P(DTypes, RmsNormGroupsTest,
                         ::testing::Values(DType::kFloat32, DType::kBFloat16),
                         [](const auto& info) {
                           return std::string(NameOf(info.param));
                         });

TEST(RmsNormDeathTest, SumGoesWithAdd) {
  SWITCHYARD_CPU_ONLY();
  CpuDevice device;
  const auto stream = device.NewStream();
  TestTensor x(device, DType::kFloat32, {2, 4}, Values(8, 1.0));
  TestTensor weight(device, DType::kFloat32, {4}, Values(4, 1.0));
  TestTensor y(device, DType::kFloat32, {2, 4});
  TestTensor root(device, DType::kFloat32, {2});
  EXPECT_DEATH(RmsNorm(*stream, {x, x, weight, 1e-5f, {}, y, root}),
               "sum must be given with add");
}

}  // namespace
}  // namespace switchyard::kernels
