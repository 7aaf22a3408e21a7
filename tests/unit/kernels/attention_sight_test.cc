// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Which rows a row sees: none that are later, none of other sequences, none
// before its window; and no others decide a bit.
#include <algorithm>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "switchyard/kernels/attention.h"
#include "switchyard/tests/support/any_device.h"
#include "switchyard/tests/support/compare.h"
#include "switchyard/tests/unit/kernels/attention_oracle.h"
#include "switchyard/tests/unit/kernels/attention_tensors.h"

namespace switchyard::kernels {
namespace {

using switchyard::testing::AllEqual;
using switchyard::testing::AnyDevice;
using switchyard::testing::SameBits;
using switchyard::testing::TestsCuda;

using Inputs = AttentionInputs;
using Tensors = AttentionTensors;

// How rows are multiplied.
struct Arithmetic {
  DType dtype;
  int64_t head_dim;
};
class AttentionSightTest : public ::testing::TestWithParam<Arithmetic> {};

INSTANTIATE_TEST_SUITE_P(Arithmetics, AttentionSightTest,
                         ::testing::Values(Arithmetic{DType::kFloat32, 16},
                                           Arithmetic{DType::kBFloat16, 24},
                                           Arithmetic{DType::kBFloat16, 32},
                                           Arithmetic{DType::kBFloat16, 64}),
                         [](const auto& info) {
                           return std::string(NameOf(info.param.dtype)) + "_" +
                                  std::to_string(info.param.head_dim);
                         });

TEST_P(AttentionSightTest, TheFirstRowIsItsOwnValueExactly) {
  AnyDevice device;
  const auto stream = device.NewStream();
  Arena arena(device);
  const AttentionCase c = {5, 3, 4, 2, GetParam().head_dim};
  const Inputs in(c, GetParam().dtype);
  Tensors t(device, c, GetParam().dtype, in);
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

TEST_P(AttentionSightTest, LaterRowsDoNotChangeEarlierOnes) {
  AnyDevice device;
  const auto stream = device.NewStream();
  Arena arena(device);
  const AttentionCase c = {1, 200, 4, 2, GetParam().head_dim};
  const Inputs in(c, GetParam().dtype);
  Tensors t(device, c, GetParam().dtype, in);
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
    Tensors other(device, c, GetParam().dtype, changed);
    other.Forward(*stream, arena, c);
    stream->Wait();
    Values out = t.out.Read(), other_out = other.out.Read();
    EXPECT_NE(out, other_out);
    out.resize(c.Query(kept, 0));
    other_out.resize(c.Query(kept, 0));
    EXPECT_EQ(out, other_out) << kept;
  }
}

TEST_P(AttentionSightTest, ARowDoesNotDependOnTheSequenceLength) {
  AnyDevice device;
  const auto stream = device.NewStream();
  Arena arena(device);
  const AttentionCase whole = {1, 200, 2, 1, GetParam().head_dim},
                      part = {1, 120, 2, 1, GetParam().head_dim};
  Inputs in(whole, GetParam().dtype);
  Tensors t(device, whole, GetParam().dtype, in);
  for (Values* values : {&in.q, &in.dout})
    values->resize(part.Query(part.rows(), 0));
  for (Values* values : {&in.k, &in.v})
    values->resize(part.Key(part.rows(), 0));
  Tensors other(device, part, GetParam().dtype, in);
  t.Forward(*stream, arena, whole);
  other.Forward(*stream, arena, part);
  stream->Wait();
  Values out = t.out.Read();
  out.resize(part.Query(part.rows(), 0));
  EXPECT_EQ(out, other.out.Read());
}

TEST_P(AttentionSightTest, AWindowOfTheLengthOrMoreChangesNoBit) {
  AnyDevice device;
  const auto stream = device.NewStream();
  Arena arena(device);
  const int64_t longest = TestsCuda() ? 257 : 1153;  // emulation is slow
  for (const int64_t length : {int64_t{1}, int64_t{96}, longest}) {
    AttentionCase c = {1, length, 2, 1, GetParam().head_dim};
    const Inputs in(c, GetParam().dtype);
    Tensors whole(device, c, GetParam().dtype, in);
    whole.Forward(*stream, arena, c);
    whole.Backward(*stream, arena, c);
    for (const int64_t window : {length, length + 1, int64_t{1} << 40}) {
      c.window = window;
      Tensors t(device, c, GetParam().dtype, in);
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

TEST_P(AttentionSightTest, RowsWithinTheWindowHaveTheBitsOfFullAttention) {
  AnyDevice device;
  const auto stream = device.NewStream();
  Arena arena(device);
  const AttentionCase c = {1, 300, 2, 1, GetParam().head_dim},
                      windowed = {1, 300, 2, 1, GetParam().head_dim, 65};
  const Inputs in(c, GetParam().dtype);
  Tensors whole(device, c, GetParam().dtype, in);
  Tensors t(device, c, GetParam().dtype, in);
  whole.Forward(*stream, arena, c);
  t.Forward(*stream, arena, windowed);
  stream->Wait();
  Values expected = whole.out.Read(), out = t.out.Read();
  EXPECT_NE(out, expected);
  expected.resize(c.Query(windowed.window, 0));
  out.resize(expected.size());
  EXPECT_EQ(out, expected);
}

TEST_P(AttentionSightTest, AWindowOfOneIsTheOwnValueExactly) {
  AnyDevice device;
  const auto stream = device.NewStream();
  Arena arena(device);
  const AttentionCase c = {2, 207, 2, 2, GetParam().head_dim, 1};
  const Inputs in(c, GetParam().dtype);
  Tensors t(device, c, GetParam().dtype, in);
  t.Forward(*stream, arena, c);
  stream->Wait();
  EXPECT_TRUE(AllEqual(t.out.Read(), in.v));
}

TEST(AttentionWindowTest, EqualKeysInAWindowGiveItsMeanExactly) {
  AnyDevice device;
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
TEST_P(AttentionSightTest, WhatAWindowDoesNotSeeChangesNoBit) {
  AnyDevice device;
  const auto stream = device.NewStream();
  Arena arena(device);
  const AttentionCase c = {1, 500, 2, 1, GetParam().head_dim, 101};
  const Inputs in(c, GetParam().dtype);
  Tensors t(device, c, GetParam().dtype, in);
  t.Forward(*stream, arena, c);
  for (const int64_t changed : {0, 1, 95, 96, 190, 340, 398, 399}) {
    Inputs other_in = in;
    for (int64_t i = 0; i < c.head_dim; ++i) {
      other_in.k[changed * c.head_dim + i] *= 100;
      other_in.v[changed * c.head_dim + i] += 1;
    }
    Tensors other(device, c, GetParam().dtype, other_in);
    other.Forward(*stream, arena, c);
    stream->Wait();
    const Values out = t.out.Read(), other_out = other.out.Read();
    int64_t changes = 0;
    for (int64_t row = 0; row < c.length; ++row) {
      const bool sees = row >= changed && row < changed + c.window;
      const bool same = std::equal(out.begin() + c.Query(row, 0),
                                   out.begin() + c.Query(row + 1, 0),
                                   other_out.begin() + c.Query(row, 0));
      // Rounding to bf16 hides small weights.
      if (!sees || GetParam().dtype == DType::kFloat32) {
        EXPECT_EQ(same, !sees) << row << " of " << changed;
      }
      changes += same ? 0 : 1;
    }
    EXPECT_GT(changes, 0) << changed;
  }
}

TEST_P(AttentionSightTest, LargeScoresInAWindowDoNotOverflow) {
  AnyDevice device;
  const auto stream = device.NewStream();
  Arena arena(device);
  // Scores fall by 1000 from row to row: each row looks at the first that it
  // sees.
  const AttentionCase c = {1, 250, 1, 1, GetParam().head_dim, 70};
  Inputs in(c, GetParam().dtype);
  std::fill(in.q.begin(), in.q.end(), 1000.0);
  Values expected;
  for (int64_t t = 0; t < c.length; ++t) {
    const int64_t first = std::max<int64_t>(0, t - c.window + 1);
    for (int64_t i = 0; i < c.head_dim; ++i) {
      in.k[t * c.head_dim + i] = -static_cast<double>(t);
      expected.push_back(in.v[first * c.head_dim + i]);
    }
  }
  Tensors t(device, c, GetParam().dtype, in);
  t.Forward(*stream, arena, c);
  stream->Wait();
  EXPECT_TRUE(AllEqual(t.out.Read(), expected));
}

}  // namespace
}  // namespace switchyard::kernels
