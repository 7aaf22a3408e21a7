// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/cached_attention.h"

#include <algorithm>
#include <cmath>
#include <memory>
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
#include "switchyard/tests/unit/kernels/attention_oracle.h"

namespace switchyard::kernels {
namespace {

using switchyard::testing::AllNear;
using switchyard::testing::AnyDevice;
using switchyard::testing::Layout;
using switchyard::testing::RandomValues;
using switchyard::testing::TestsCuda;
using switchyard::testing::TestTensor;
using switchyard::testing::UnitRoundoff;

// Heads in groups of 1 to 19, head_dim within and beyond vectors, lengths and
// windows around the blocks of 256 positions.
const AttentionCase kCases[] = {
    {1, 1, 1, 1, 1},          {2, 5, 2, 1, 8},         {3, 9, 3, 3, 16},
    {1, 40, 7, 1, 24},        {2, 33, 4, 2, 33},       {1, 100, 6, 2, 64},
    {1, 255, 2, 2, 16},       {1, 257, 4, 1, 80},      {2, 300, 2, 1, 12},
    {1, 700, 4, 2, 32},       {2, 5, 3, 1, 16, 1},     {2, 40, 4, 2, 8, 2},
    {1, 90, 2, 1, 40, 7},     {1, 300, 2, 1, 16, 100}, {1, 600, 4, 4, 16, 256},
    {1, 600, 2, 1, 24, 257},  {1, 300, 2, 1, 16, 299}, {1, 300, 2, 1, 16, 300},
    {1, 300, 2, 1, 16, 1000}, {1, 60, 19, 1, 128},     {1, 31, 2, 1, 256},
    {1, 66, 34, 2, 64, 33},
};

std::string NameOfCase(const AttentionCase& c, DType dtype) {
  return std::to_string(c.sequences) + " x " + std::to_string(c.length) + ", " +
         std::to_string(c.heads) + "/" + std::to_string(c.kv_heads) +
         " heads of " + std::to_string(c.head_dim) + " " + NameOf(dtype) +
         (c.window > 0 ? ", window " + std::to_string(c.window) : "");
}

struct Inputs {
  Inputs(const AttentionCase& c, DType dtype)
      : q(RandomValues(1, c.rows() * c.heads * c.head_dim, -2, 2, dtype)),
        k(RandomValues(2, c.rows() * c.kv_heads * c.head_dim, -2, 2, dtype)),
        v(RandomValues(3, c.rows() * c.kv_heads * c.head_dim, -1, 1, dtype)) {}
  Values q, k, v;
};

// Entries that are enough.
int64_t Capacity(const AttentionCase& c) {
  return c.window > 0 ? std::min(c.window, c.length) : c.length;
}

// How a sequence is cut into calls, and where operands lie.
struct Way {
  std::vector<int64_t> cuts;  // positions of each call, again and again
  Layout layout = {};
  int64_t more_entries = 0;
};

// Rows [at, at + count) of each sequence, of [sequences · length, width].
Values Part(const AttentionCase& c, const Values& all, int64_t width,
            int64_t at, int64_t count) {
  Values part;
  for (int64_t b = 0; b < c.sequences; ++b) {
    const auto begin = all.begin() + (b * c.length + at) * width;
    part.insert(part.end(), begin, begin + count * width);
  }
  return part;
}

// All rows' results, in the order of the whole sequences.
Values Decode(Device& device, const AttentionCase& c, DType dtype,
              const Inputs& in, const Way& way) {
  const auto stream = device.NewStream();
  Arena arena(device);
  const int64_t q_width = c.heads * c.head_dim;
  const int64_t k_width = c.kv_heads * c.head_dim;
  // What is not in the cache is NaN.
  const Shape cache = {c.sequences * c.kv_heads, Capacity(c) + way.more_entries,
                       c.head_dim};
  TestTensor cached_k(device, dtype, cache), cached_v(device, dtype, cache);
  Values all(in.q.size());
  int64_t at = 0;
  for (size_t call = 0; at < c.length; ++call) {
    const int64_t count =
        std::min(way.cuts[call % way.cuts.size()], c.length - at);
    const Shape queries = {c.sequences * count, c.heads, c.head_dim};
    const Shape keys = {c.sequences * count, c.kv_heads, c.head_dim};
    TestTensor q(device, dtype, queries, Part(c, in.q, q_width, at, count),
                 way.layout);
    TestTensor k(device, dtype, keys, Part(c, in.k, k_width, at, count),
                 way.layout);
    TestTensor v(device, dtype, keys, Part(c, in.v, k_width, at, count),
                 way.layout);
    TestTensor out(device, dtype, queries, way.layout);
    CachedAttention(*stream, arena,
                    {q, k, v, cached_k, cached_v, c.sequences, at,
                     static_cast<float>(c.scale()), out, c.window});
    AppendToCache(*stream, {k, v, cached_k, cached_v, c.sequences, at});
    stream->Wait();
    const Values rows = out.Read();
    for (int64_t b = 0; b < c.sequences; ++b) {
      std::copy_n(rows.begin() + b * count * q_width, count * q_width,
                  all.begin() + (b * c.length + at) * q_width);
    }
    at += count;
  }
  return all;
}

std::vector<Way> WaysOf(const AttentionCase& c, DType dtype) {
  const Way one_by_one = {{1}}, at_once = {{c.length}, Layout::Strided(7, 1)};
  const Way in_parts = {{(c.length + 1) / 2, 1, 3}, Layout::Strided(16, 8), 5};
  if (!TestsCuda()) return {one_by_one, at_once, in_parts};
  // An emulated GPU is slow; that ways change no bit is another test's.
  return {dtype == DType::kBFloat16 ? at_once : in_parts};
}

// Invariant A15, where there is a window.
TEST(CachedAttentionTest, AgreesWithDoubles) {
  AnyDevice device(2);
  for (const AttentionCase& c : kCases) {
    for (const DType dtype : {DType::kFloat32, DType::kBFloat16}) {
      const Inputs in(c, dtype);
      const AttentionResult expected = AttentionOracle(c, in.q, in.k, in.v);
      // Weights add up to 1, |v| <= 1; `length` products are added, and the
      // sums of blocks are scaled.
      const double fp32 = 2 * WeightError(c, expected.score_size) +
                          (static_cast<double>(c.length) + 8) * 0x1p-24;
      const double rounding =
          dtype == DType::kBFloat16 ? UnitRoundoff(dtype) : 0;
      for (const Way& way : WaysOf(c, dtype)) {
        EXPECT_TRUE(AllNear(Decode(device, c, dtype, in, way), expected.out,
                            fp32, rounding))
            << NameOfCase(c, dtype) << ", " << way.cuts[0] << " at once";
      }
    }
  }
}

// One position at a time, all at once, and everything between; on the guarded
// CPU; on more threads; with room to spare.
TEST(CachedAttentionTest, BitsDoNotDependOnCutsThreadsOrCapacity) {
  GuardedDevice guarded(1);
  AnyDevice plain(3);
  Device& first = TestsCuda() ? static_cast<Device&>(plain) : guarded;
  for (const AttentionCase& c : {AttentionCase{2, 270, 6, 2, 24},
                                 {2, 300, 2, 1, 16, 100},
                                 {1, 330, 4, 1, 64, 270}}) {
    const DType dtype = c.head_dim == 64 ? DType::kBFloat16 : DType::kFloat32;
    const Inputs in(c, dtype);
    const Values expected = Decode(first, c, dtype, in, {{c.length}});
    for (const Way& way :
         {Way{{1}}, Way{{7, 1, 130}, Layout::Strided(3, 1)},
          Way{{c.length - 1, 1}}, Way{{1}, {}, 91}, Way{{200, 13}, {}, 1}}) {
      EXPECT_EQ(Decode(plain, c, dtype, in, way), expected)
          << NameOfCase(c, dtype) << ", " << way.cuts[0];
    }
  }
}

TEST(CachedAttentionTest, TheCacheHoldsTheLastPositionsInTheirEntries) {
  AnyDevice device(2);
  const auto stream = device.NewStream();
  // 2 sequences, 2 heads, head_dim 1, 3 entries; positions 4 to 8 arrive.
  const auto value = [](int64_t b, int64_t head, int64_t position) {
    return static_cast<double>(100 * b + 10 * head + position);
  };
  Values rows;
  for (int64_t b = 0; b < 2; ++b) {
    for (int64_t position = 4; position < 9; ++position) {
      rows.push_back(value(b, 0, position));
      rows.push_back(value(b, 1, position));
    }
  }
  Values negative = rows;
  for (double& x : negative) x = -x;
  TestTensor k(device, DType::kFloat32, {10, 2, 1}, rows);
  TestTensor v(device, DType::kFloat32, {10, 2, 1}, negative);
  TestTensor cached_k(device, DType::kFloat32, {4, 3, 1});
  TestTensor cached_v(device, DType::kFloat32, {4, 3, 1});
  AppendToCache(*stream, {k, v, cached_k, cached_v, 2, 4});
  stream->Wait();
  Values expected;
  for (int64_t b = 0; b < 2; ++b) {
    for (int64_t head = 0; head < 2; ++head) {
      // 6, 7, 8 in the entries 0, 1, 2.
      for (int64_t position = 6; position < 9; ++position) {
        expected.push_back(value(b, head, position));
      }
    }
  }
  EXPECT_EQ(cached_k.Read(), expected);
  for (double& x : expected) x = -x;
  EXPECT_EQ(cached_v.Read(), expected);
}

TEST(CachedAttentionTest, NoRowsChangeNothing) {
  AnyDevice device;
  const auto stream = device.NewStream();
  Arena arena(device);
  TestTensor q(device, DType::kFloat32, {0, 2, 8}),
      k(device, DType::kFloat32, {0, 1, 8});
  TestTensor no_cache(device, DType::kFloat32, {0, 4, 8});
  CachedAttention(*stream, arena, {q, k, k, no_cache, no_cache, 0, 3, 1.0f, q});
  AppendToCache(*stream, {k, k, no_cache, no_cache, 0, 3});

  const Values values = RandomValues(1, 8, -1, 1, DType::kFloat32);
  TestTensor row(device, DType::kFloat32, {1, 1, 8}, values);
  TestTensor cached_k(device, DType::kFloat32, {1, 1, 8});
  TestTensor cached_v(device, DType::kFloat32, {1, 1, 8});
  AppendToCache(*stream, {row, row, cached_k, cached_v, 1, 0});
  AppendToCache(*stream, {k, k, cached_k, cached_v, 1, 1});
  CachedAttention(*stream, arena, {q, k, k, cached_k, cached_v, 1, 1, 1.0f, q});
  stream->Wait();
  EXPECT_EQ(cached_k.Read(), values);
  EXPECT_EQ(cached_v.Read(), values);
}

TEST(CachedAttentionDeathTest, TheCacheMustHoldWhatIsSeen) {
  SWITCHYARD_CPU_ONLY();
  CpuDevice device;
  const auto stream = device.NewStream();
  Arena arena(device);
  TestTensor q(device, DType::kFloat32, {1, 2, 8}),
      k(device, DType::kFloat32, {1, 1, 8});
  TestTensor cache(device, DType::kFloat32, {1, 4, 8});
  EXPECT_DEATH(
      CachedAttention(*stream, arena, {q, k, k, cache, cache, 1, 5, 1.0f, q}),
      "the 5 positions that are seen of those before, found 4 entries");
  EXPECT_DEATH(CachedAttention(*stream, arena,
                               {q, k, k, cache, cache, 1, 9, 1.0f, q, 6}),
               "the 5 positions");
  EXPECT_DEATH(AppendToCache(*stream, {k, k, cache, cache, 2, 0}),
               "expected cached_k to be fp32 \\[2, 4, 8\\]");
}

}  // namespace
}  // namespace switchyard::kernels
