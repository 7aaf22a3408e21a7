// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Attention computes what its formula says, forward and backward, with the same
// bits wherever its operands lie and on any number of threads.
#include "switchyard/kernels/attention.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "gtest/gtest.h"
#include "switchyard/base/cpu/cpu_device.h"
#include "switchyard/base/guarded/guarded_device.h"
#include "switchyard/tests/support/any_device.h"
#include "switchyard/tests/support/compare.h"
#include "switchyard/tests/support/rounding.h"
#include "switchyard/tests/support/test_tensor.h"
#include "switchyard/tests/unit/kernels/attention_cases.h"
#include "switchyard/tests/unit/kernels/attention_oracle.h"
#include "switchyard/tests/unit/kernels/attention_tensors.h"

namespace switchyard::kernels {
namespace {

using switchyard::testing::AllEqual;
using switchyard::testing::AllNear;
using switchyard::testing::AnyDevice;
using switchyard::testing::Layout;
using switchyard::testing::SameBits;
using switchyard::testing::TestTensor;
using switchyard::testing::UnitRoundoff;

using Inputs = AttentionInputs;
using Tensors = AttentionTensors;

TEST(AttentionTest, AgreesWithDoubles) {
  AnyDevice device(2);
  const auto stream = device.NewStream();
  Arena arena(device);
  for (const AttentionCase& c : AttentionCases()) {
    for (const DType dtype : {DType::kFloat32, DType::kBFloat16}) {
      const Inputs in(c, dtype);
      const AttentionResult expected = AttentionOracle(c, in.q, in.k, in.v);
      // Weights add up to 1, |v| <= 1; `length` products are added.
      const double weights = WeightError(c, expected.score_size);
      const double fp32 =
          2 * weights + (static_cast<double>(c.length) + 4) * 0x1p-24;
      const double rounding =
          dtype == DType::kBFloat16 ? UnitRoundoff(dtype) : 0;
      Values tolerance;
      for (size_t i = 0; i < expected.out.size(); ++i) {
        tolerance.push_back(fp32 + rounding * std::abs(expected.out[i]));
        if (RoundsWeights(c, dtype)) {
          tolerance[i] += rounding * expected.out_size[i];
        }
      }
      for (const Layout layout : AttentionLayouts(dtype)) {
        Tensors t(device, c, dtype, in, layout);
        t.Forward(*stream, arena, c);
        stream->Wait();
        EXPECT_TRUE(AllNear(t.out.Read(), expected.out, tolerance))
            << NameOfCase(c, dtype);
        EXPECT_TRUE(AllNear(t.logsumexp.Read(), expected.logsumexp,
                            weights + (static_cast<double>(c.length)) * 0x1p-24,
                            0x1p-22))
            << NameOfCase(c, dtype);
      }
    }
  }
}

TEST(AttentionTest, EqualKeysGiveTheMeanExactly) {
  AnyDevice device;
  const auto stream = device.NewStream();
  Arena arena(device);
  // Scores are 0; the mean of 1, 2, ..., t + 1 is (t + 2) / 2.
  const AttentionCase c = {1, 300, 1, 1, 8};
  Inputs in(c, DType::kFloat32);
  std::fill(in.k.begin(), in.k.end(), 0.0);
  Values expected;
  for (int64_t t = 0; t < c.length; ++t) {
    for (int64_t i = 0; i < c.head_dim; ++i) {
      in.v[t * c.head_dim + i] = static_cast<double>(t + 1);
      expected.push_back(static_cast<double>(t + 2) / 2);
    }
  }
  Tensors tensors(device, c, DType::kFloat32, in);
  tensors.Forward(*stream, arena, c);
  stream->Wait();
  EXPECT_TRUE(AllEqual(tensors.out.Read(), expected));
}

TEST(AttentionTest, SharedHeadsEqualRepeatedOnes) {
  AnyDevice device;
  const auto stream = device.NewStream();
  Arena arena(device);
  const AttentionCase grouped = {2, 70, 6, 2, 24}, plain = {2, 70, 6, 6, 24};
  const Inputs in(grouped, DType::kFloat32);
  Inputs repeated(plain, DType::kFloat32);
  repeated.q = in.q;
  for (int64_t row = 0; row < grouped.rows(); ++row) {
    for (int64_t head = 0; head < grouped.heads; ++head) {
      for (int64_t i = 0; i < grouped.head_dim; ++i) {
        repeated.k[plain.Key(row, head) + i] = in.k[grouped.Key(row, head) + i];
        repeated.v[plain.Key(row, head) + i] = in.v[grouped.Key(row, head) + i];
      }
    }
  }
  Tensors a(device, grouped, DType::kFloat32, in);
  Tensors b(device, plain, DType::kFloat32, repeated);
  a.Forward(*stream, arena, grouped);
  b.Forward(*stream, arena, plain);
  stream->Wait();
  EXPECT_TRUE(SameBits(a.out, b.out));
  EXPECT_TRUE(SameBits(a.logsumexp, b.logsumexp));
}

TEST(AttentionTest, LargeScoresDoNotOverflow) {
  AnyDevice device;
  const auto stream = device.NewStream();
  Arena arena(device);
  // Scores ascend by 1000 from row to row, so the running maximum always moves
  // and each row looks at itself alone.
  const AttentionCase c = {1, 250, 1, 1, 8};
  Inputs in(c, DType::kFloat32);
  std::fill(in.q.begin(), in.q.end(), 1000.0);
  for (int64_t t = 0; t < c.length; ++t) {
    for (int64_t i = 0; i < c.head_dim; ++i) {
      in.k[t * c.head_dim + i] = static_cast<double>(t);
    }
  }
  Tensors t(device, c, DType::kFloat32, in);
  t.Forward(*stream, arena, c);
  stream->Wait();
  EXPECT_TRUE(AllEqual(t.out.Read(), in.v));
}

TEST(AttentionTest, TakesItsScratchFromTheArena) {
  SWITCHYARD_CPU_ONLY();
  CpuDevice device;
  const auto stream = device.NewStream();
  Arena arena(device);
  const AttentionCase c = {1, 200, 2, 1, 16};
  Tensors t(device, c, DType::kFloat32, Inputs(c, DType::kFloat32));
  t.Forward(*stream, arena, c);
  stream->Wait();
  // Keys and values as fp32.
  EXPECT_GE(arena.peak_bytes(), 2 * 200 * 16 * sizeof(float));
  EXPECT_EQ(arena.used_bytes(), 0u);
}

TEST(AttentionTest, GivesTheSameBitsOnAnyNumberOfThreads) {
  SWITCHYARD_CPU_ONLY();
  for (const int64_t window : {0, 150}) {
    const AttentionCase c = {2, 500, 4, 2, 16, window};
    const Inputs in(c, DType::kFloat32);
    const auto run = [&](Device& device, Tensors& t) {
      const auto stream = device.NewStream();
      Arena arena(device);
      t.Forward(*stream, arena, c);
      t.Backward(*stream, arena, c);
      stream->Wait();
    };
    GuardedDevice one(1);
    Tensors t(one, c, DType::kFloat32, in);
    run(one, t);
    for (const int threads : {2, 3}) {
      CpuDevice device(threads);
      Tensors other(device, c, DType::kFloat32, in, Layout::Strided(16, 8));
      run(device, other);
      EXPECT_TRUE(SameBits(t.out, other.out));
      EXPECT_TRUE(SameBits(t.logsumexp, other.logsumexp));
      EXPECT_TRUE(SameBits(t.dq, other.dq));
      EXPECT_TRUE(SameBits(t.dk, other.dk));
      EXPECT_TRUE(SameBits(t.dv, other.dv));
    }
  }
}

TEST(AttentionTest, BitsDoNotDependOnWhereOperandsLie) {
  AnyDevice device(2);
  const auto stream = device.NewStream();
  Arena arena(device);
  for (const AttentionCase& c : {AttentionCase{2, 70, 4, 2, 64},
                                 {1, 80, 3, 1, 128, 65},
                                 {1, 70, 4, 2, 24}}) {
    for (const DType dtype : {DType::kFloat32, DType::kBFloat16}) {
      const Inputs in(c, dtype);
      Tensors t(device, c, dtype, in);
      t.Forward(*stream, arena, c);
      t.Backward(*stream, arena, c);
      // Once more in the same places, rows that may be vectors, and not.
      for (const Layout layout :
           {Layout(), Layout::Strided(16, 8), Layout::Strided(7, 1)}) {
        Tensors other(device, c, dtype, in, layout);
        other.Forward(*stream, arena, c);
        other.Backward(*stream, arena, c);
        stream->Wait();
        EXPECT_TRUE(SameBits(t.out, other.out)) << NameOfCase(c, dtype);
        EXPECT_TRUE(SameBits(t.logsumexp, other.logsumexp));
        EXPECT_TRUE(SameBits(t.dq, other.dq)) << NameOfCase(c, dtype);
        EXPECT_TRUE(SameBits(t.dk, other.dk)) << NameOfCase(c, dtype);
        EXPECT_TRUE(SameBits(t.dv, other.dv)) << NameOfCase(c, dtype);
      }
    }
  }
}

// Queries, keys and values are columns of one product's result.
TEST(AttentionTest, TakesColumnsOfOneMatrix) {
  AnyDevice device;
  const auto stream = device.NewStream();
  const AttentionCase c = {2, 60, 4, 2, 8};
  const Inputs in(c, DType::kFloat32);
  const int64_t q_width = c.heads * c.head_dim,
                k_width = c.kv_heads * c.head_dim;
  Values joined;
  for (int64_t row = 0; row < c.rows(); ++row) {
    const auto append = [&](const Values& from, int64_t width) {
      joined.insert(joined.end(), from.begin() + row * width,
                    from.begin() + (row + 1) * width);
    };
    append(in.q, q_width);
    append(in.k, k_width);
    append(in.v, k_width);
  }
  const Shape shape = {c.rows(), q_width + 2 * k_width};
  TestTensor qkv(device, DType::kFloat32, shape, joined);
  TestTensor gradient(device, DType::kFloat32, shape);
  Tensors t(device, c, DType::kFloat32, in);
  const auto part = [&](const TestTensor& whole, int64_t begin, int64_t heads) {
    return whole.view()
        .Columns(begin, begin + heads * c.head_dim)
        .Reshaped({c.rows(), heads, c.head_dim});
  };
  TestTensor out(device, DType::kFloat32, t.queries);
  TestTensor logsumexp(device, DType::kFloat32, {c.rows(), c.heads});
  const float scale = static_cast<float>(c.scale());
  Arena arena(device);
  const TensorView q = part(qkv, 0, c.heads);
  const TensorView k = part(qkv, q_width, c.kv_heads);
  const TensorView v = part(qkv, q_width + k_width, c.kv_heads);
  Attention(*stream, arena, {q, k, v, c.length, scale, out, logsumexp});
  AttentionBackward(
      *stream, arena,
      {q, k, v, out, logsumexp, t.dout, c.length, scale,
       part(gradient, 0, c.heads), part(gradient, q_width, c.kv_heads),
       part(gradient, q_width + k_width, c.kv_heads)});
  t.Forward(*stream, arena, c);
  t.Backward(*stream, arena, c);
  stream->Wait();
  EXPECT_TRUE(SameBits(out, t.out));
  const Values joined_gradient = gradient.Read();
  const Values dq = t.dq.Read(), dk = t.dk.Read(), dv = t.dv.Read();
  for (int64_t row = 0; row < c.rows(); ++row) {
    const double* from = &joined_gradient[row * shape[1]];
    for (int64_t i = 0; i < q_width; ++i) {
      ASSERT_EQ(from[i], dq[row * q_width + i]);
    }
    for (int64_t i = 0; i < k_width; ++i) {
      ASSERT_EQ(from[q_width + i], dk[row * k_width + i]);
      ASSERT_EQ(from[q_width + k_width + i], dv[row * k_width + i]);
    }
  }
}

TEST(AttentionDeathTest, HeadsMustBeMultiplesOfKeyHeads) {
  SWITCHYARD_CPU_ONLY();
  CpuDevice device;
  const auto stream = device.NewStream();
  Arena arena(device);
  const AttentionCase c = {1, 4, 2, 2, 8};
  Tensors t(device, c, DType::kFloat32, Inputs(c, DType::kFloat32));
  TestTensor three(device, DType::kFloat32, {4, 3, 8}, Values(96, 1.0));
  EXPECT_DEATH(
      Attention(*stream, arena, {three, t.k, t.v, 4, 1.0f, three, t.logsumexp}),
      "divide the 3 query heads");
  EXPECT_DEATH(
      Attention(*stream, arena, {t.q, t.k, t.v, 3, 1.0f, t.out, t.logsumexp}),
      "divides 4 rows, found 3");
  EXPECT_DEATH(Attention(*stream, arena,
                         {t.q, t.k, t.v, 4, 1.0f, t.out, t.logsumexp, -1}),
               "expected a window of some keys, or 0 for all, found -1");
}

}  // namespace
}  // namespace switchyard::kernels
