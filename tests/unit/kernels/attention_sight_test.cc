// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Which rows a row sees: none that are later, none of other sequences, none
// before its window; and no others decide a bit.
#include <algorithm>
#include <vector>

#include "gtest/gtest.h"
#include "switchyard/base/cpu/cpu_device.h"
#include "switchyard/kernels/attention.h"
#include "switchyard/tests/support/compare.h"
#include "switchyard/tests/unit/kernels/attention_oracle.h"
#include "switchyard/tests/unit/kernels/attention_tensors.h"

namespace switchyard::kernels {
namespace {

using switchyard::testing::AllEqual;
using switchyard::testing::SameBits;

using Inputs = AttentionInputs;
using Tensors = AttentionTensors;

TEST(AttentionSightTest, TheFirstRowIsItsOwnValueExactly) {
  CpuDevice device;
  const auto stream = device.NewStream();
  Arena arena(device);
  const AttentionCase c = {5, 3, 4, 2, 24};
  const Inputs in(c, DType::kFloat32);
  Tensors t(device, c, DType::kFloat32, in);
  t.Forward(*stream, arena, c);
  stream->Wait();
  const Values out = t.out.Read();
  for (int64_t row = 0; row < c.rows(); row += c.length) {
    for (int64_t head = 0; head < c.heads; ++head) {
      for (int64_t i = 0; i < c.head_dim; ++i) {
        EXPECT_EQ(out[c.Query(row, head) + i], in.v[c.Key(row, head) + i]);
      }
    }
  }
}

TEST(AttentionSightTest, LaterRowsDoNotChangeEarlierOnes) {
  CpuDevice device;
  const auto stream = device.NewStream();
  Arena arena(device);
  const AttentionCase c = {1, 200, 4, 2, 32};
  const Inputs in(c, DType::kFloat32);
  Tensors t(device, c, DType::kFloat32, in);
  t.Forward(*stream, arena, c);
  for (const int64_t kept : {1, 50, 95, 96, 97, 143, 199}) {
    Inputs changed = in;
    const auto disturb = [&](Values& values, int64_t heads) {
      for (size_t i = kept * heads * c.head_dim; i < values.size(); ++i) {
        values[i] = 100 * values[i] + 1;
      }
    };
    disturb(changed.q, c.heads);
    disturb(changed.k, c.kv_heads);
    disturb(changed.v, c.kv_heads);
    Tensors other(device, c, DType::kFloat32, changed);
    other.Forward(*stream, arena, c);
    stream->Wait();
    Values out = t.out.Read(), other_out = other.out.Read();
    EXPECT_NE(out, other_out);
    out.resize(c.Query(kept, 0));
    other_out.resize(c.Query(kept, 0));
    EXPECT_EQ(out, other_out) << kept;
  }
}

TEST(AttentionSightTest, ARowDoesNotDependOnTheSequenceLength) {
  CpuDevice device;
  const auto stream = device.NewStream();
  Arena arena(device);
  const AttentionCase whole = {1, 200, 2, 1, 16}, part = {1, 120, 2, 1, 16};
  Inputs in(whole, DType::kFloat32);
  Tensors t(device, whole, DType::kFloat32, in);
  for (Values* values : {&in.q, &in.dout}) values->resize(120 * 2 * 16);
  for (Values* values : {&in.k, &in.v}) values->resize(120 * 16);
  Tensors other(device, part, DType::kFloat32, in);
  t.Forward(*stream, arena, whole);
  other.Forward(*stream, arena, part);
  stream->Wait();
  Values out = t.out.Read();
  out.resize(part.Query(part.rows(), 0));
  EXPECT_EQ(out, other.out.Read());
}

TEST(AttentionSightTest, AWindowOfTheLengthOrMoreChangesNoBit) {
  CpuDevice device;
  const auto stream = device.NewStream();
  Arena arena(device);
  for (const int64_t length : {1, 96, 200, 1153}) {
    AttentionCase c = {1, length, 2, 1, 16};
    const Inputs in(c, DType::kFloat32);
    Tensors whole(device, c, DType::kFloat32, in);
    whole.Forward(*stream, arena, c);
    whole.Backward(*stream, arena, c);
    for (const int64_t window : {length, length + 1, int64_t{1} << 40}) {
      c.window = window;
      Tensors t(device, c, DType::kFloat32, in);
      t.Forward(*stream, arena, c);
      t.Backward(*stream, arena, c);
      stream->Wait();
      EXPECT_TRUE(SameBits(whole.out, t.out)) << length;
      EXPECT_TRUE(SameBits(whole.logsumexp, t.logsumexp)) << length;
      EXPECT_TRUE(SameBits(whole.dq, t.dq)) << length;
      EXPECT_TRUE(SameBits(whole.dk, t.dk)) << length;
      EXPECT_TRUE(SameBits(whole.dv, t.dv)) << length;
    }
  }
}

TEST(AttentionSightTest, RowsWithinTheWindowHaveTheBitsOfFullAttention) {
  CpuDevice device;
  const auto stream = device.NewStream();
  Arena arena(device);
  const AttentionCase c = {1, 300, 2, 1, 16}, windowed = {1, 300, 2, 1, 16, 65};
  const Inputs in(c, DType::kFloat32);
  Tensors whole(device, c, DType::kFloat32, in);
  Tensors t(device, c, DType::kFloat32, in);
  whole.Forward(*stream, arena, c);
  t.Forward(*stream, arena, windowed);
  stream->Wait();
  Values expected = whole.out.Read(), out = t.out.Read();
  EXPECT_NE(out, expected);
  expected.resize(c.Query(windowed.window, 0));
  out.resize(expected.size());
  EXPECT_EQ(out, expected);
}

TEST(AttentionSightTest, AWindowOfOneIsTheOwnValueExactly) {
  CpuDevice device;
  const auto stream = device.NewStream();
  Arena arena(device);
  const AttentionCase c = {2, 207, 2, 2, 24, 1};
  const Inputs in(c, DType::kFloat32);
  Tensors t(device, c, DType::kFloat32, in);
  t.Forward(*stream, arena, c);
  stream->Wait();
  EXPECT_TRUE(AllEqual(t.out.Read(), in.v));
}

TEST(AttentionSightTest, EqualKeysInAWindowGiveItsMeanExactly) {
  CpuDevice device;
  const auto stream = device.NewStream();
  Arena arena(device);
  // Scores are 0; the mean of the last 64 of 1, 2, ..., t + 1.
  const AttentionCase c = {1, 300, 1, 1, 8, 64};
  Inputs in(c, DType::kFloat32);
  std::fill(in.k.begin(), in.k.end(), 0.0);
  Values expected;
  for (int64_t t = 0; t < c.length; ++t) {
    const int64_t first = std::max<int64_t>(0, t - c.window + 1);
    for (int64_t i = 0; i < c.head_dim; ++i) {
      in.v[t * c.head_dim + i] = static_cast<double>(t + 1);
      expected.push_back(static_cast<double>(first + t + 2) / 2);
    }
  }
  Tensors tensors(device, c, DType::kFloat32, in);
  tensors.Forward(*stream, arena, c);
  stream->Wait();
  EXPECT_TRUE(AllEqual(tensors.out.Read(), expected));
}

// Row `changed` reaches rows changed to changed + W - 1, and gets gradients
// from them alone.
TEST(AttentionSightTest, WhatAWindowDoesNotSeeChangesNoBit) {
  CpuDevice device;
  const auto stream = device.NewStream();
  Arena arena(device);
  const AttentionCase c = {1, 500, 2, 1, 16, 101};
  const Inputs in(c, DType::kFloat32);
  Tensors t(device, c, DType::kFloat32, in);
  t.Forward(*stream, arena, c);
  for (const int64_t changed : {0, 1, 95, 96, 190, 340, 398, 399}) {
    Inputs other_in = in;
    for (int64_t i = 0; i < c.head_dim; ++i) {
      other_in.k[changed * c.head_dim + i] *= 100;
      other_in.v[changed * c.head_dim + i] += 1;
    }
    Tensors other(device, c, DType::kFloat32, other_in);
    other.Forward(*stream, arena, c);
    stream->Wait();
    const Values out = t.out.Read(), other_out = other.out.Read();
    for (int64_t row = 0; row < c.length; ++row) {
      const bool sees = row >= changed && row < changed + c.window;
      const bool same = std::equal(out.begin() + c.Query(row, 0),
                                   out.begin() + c.Query(row + 1, 0),
                                   other_out.begin() + c.Query(row, 0));
      EXPECT_EQ(same, !sees) << row << " of " << changed;
    }
  }
}

TEST(AttentionSightTest, LargeScoresInAWindowDoNotOverflow) {
  CpuDevice device;
  const auto stream = device.NewStream();
  Arena arena(device);
  // Scores fall by 1000 from row to row: each row looks at the first that it
  // sees.
  const AttentionCase c = {1, 250, 1, 1, 8, 70};
  Inputs in(c, DType::kFloat32);
  std::fill(in.q.begin(), in.q.end(), 1000.0);
  Values expected;
  for (int64_t t = 0; t < c.length; ++t) {
    const int64_t first = std::max<int64_t>(0, t - c.window + 1);
    for (int64_t i = 0; i < c.head_dim; ++i) {
      in.k[t * c.head_dim + i] = -static_cast<double>(t);
      expected.push_back(in.v[first * c.head_dim + i]);
    }
  }
  Tensors t(device, c, DType::kFloat32, in);
  t.Forward(*stream, arena, c);
  stream->Wait();
  EXPECT_TRUE(AllEqual(t.out.Read(), expected));
}

}  // namespace
}  // namespace switchyard::kernels
