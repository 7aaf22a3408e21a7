// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/cpu/dropout.h"

#include <algorithm>
#include <cstdint>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "switchyard/kernels/cpu/dropout.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "switchyard/kernels/cpu/philox-inl.h"
#include "switchyard/kernels/cpu/vector-inl.h"

// Of all targets.
#ifndef SWITCHYARD_KERNELS_CPU_DROPOUT_ROW
#define SWITCHYARD_KERNELS_CPU_DROPOUT_ROW
namespace switchyard::kernels::cpu {

// One row of a segment, and what decides about its elements.
struct DropoutRow {
  uint64_t key;
  uint32_t row;        // within the segment
  uint32_t threshold;  // words below it drop
  float scale;         // of what stays
};

}  // namespace switchyard::kernels::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace switchyard::kernels::cpu::HWY_NAMESPACE {

template <typename T>
HWY_INLINE void DropInRow(const DropoutRow& at, int64_t count, T* x) {
  const hn::ScalableTag<float> d;
  const hn::Rebind<uint32_t, decltype(d)> du32;
  const PhiloxRow row = {at.key, {at.row, 0x64726f70, 0}};
  HWY_ALIGN uint32_t words[kWordsAtOnce];
  const auto threshold = hn::Set(du32, at.threshold);
  const auto scale = hn::Set(d, at.scale);
  for (int64_t begin = 0; begin < count; begin += kWordsAtOnce) {
    RandomWords(row, static_cast<uint64_t>(begin) / 4, words);
    T* part = x + begin;
    ForEachVector(
        d, std::min(kWordsAtOnce, count - begin),
        [&](int64_t i, auto lanes) HWY_ATTR {
          const auto word = hn::LoadU(du32, words + i);
          const auto dropped = hn::RebindMask(d, hn::Lt(word, threshold));
          const auto kept = hn::Mul(LoadFloats(d, part + i, lanes), scale);
          StoreFloats(hn::IfThenZeroElse(dropped, kept), d, part + i, lanes);
        });
  }
}

void DropFloats(const DropoutRow& at, int64_t count, float* x) {
  DropInRow(at, count, x);
}
void DropBFloat16s(const DropoutRow& at, int64_t count, BFloat16* x) {
  DropInRow(at, count, x);
}

}  // namespace switchyard::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "switchyard/base/cpu/parallel_for.h"
#include "switchyard/kernels/cpu/dispatch.h"
#include "switchyard/kernels/cpu/row_runs.h"

namespace switchyard::kernels::cpu {
namespace {

HWY_EXPORT(DropFloats);
HWY_EXPORT(DropBFloat16s);

constexpr int64_t kRowBlock = 16;  // of one piece of work

template <typename T, typename Drop>
void DropSegments(const SegmentDropoutArgs& args, int threads, Drop drop) {
  const uint32_t threshold = static_cast<uint32_t>(args.rate * 0x1p32);
  const float scale = static_cast<float>(1.0 / (1.0 - args.rate));
  for (size_t s = 0; s < args.segments.size(); ++s) {
    const Segment& segment = args.segments[s];
    ParallelForBlocks(
        threads, segment.rows, kRowBlock, [&](int64_t begin, int64_t end) {
          for (int64_t row = begin; row < end; ++row) {
            drop(DropoutRow{args.keys[s], static_cast<uint32_t>(row), threshold,
                            scale},
                 args.x.dim(1), ElementAt<T>(args.x, segment.row + row, 0));
          }
        });
  }
}

}  // namespace

void SegmentDropout(const SegmentDropoutArgs& args, int threads) {
  if (args.x.dtype() == DType::kFloat32) {
    DropSegments<float>(args, threads, SWITCHYARD_DISPATCH(DropFloats));
  } else {
    DropSegments<BFloat16>(args, threads, SWITCHYARD_DISPATCH(DropBFloat16s));
  }
}

}  // namespace switchyard::kernels::cpu
#endif  // HWY_ONCE
