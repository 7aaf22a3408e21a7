// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/cpu/permute.h"

#include <cstdint>
#include <cstring>

#include "switchyard/base/check.h"
#include "switchyard/base/cpu/parallel_for.h"
#include "switchyard/kernels/cpu/row_runs.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "switchyard/kernels/cpu/permute.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "switchyard/kernels/cpu/sum_vectors-inl.h"
#include "switchyard/kernels/cpu/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace switchyard::kernels::cpu::HWY_NAMESPACE {
using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;

// The row of an assignment; -1 for none. Reading elsewhere is a bug.
HWY_INLINE int64_t CheckedRow(int32_t row, const ConstTensorView& buffer) {
  SWITCHYARD_CHECK(row < buffer.dim(0))
      << "row " << row << " of " << buffer.dim(0);
  return row;
}

template <typename T>
void Scale(const T* x, float gate, int64_t width, T* y) {
  const D d;
  const V factor = hn::Set(d, gate);
  ForEachVector(d, width, [&](int64_t i, auto lanes) HWY_ATTR {
    StoreFloats(hn::Mul(LoadFloats(d, x + i, lanes), factor), d, y + i, lanes);
  });
}

template <typename T>
void PermuteTokens(const PermuteArgs& args, int64_t begin, int64_t end) {
  const int64_t width = args.x.dim(1);
  const int64_t choices = args.rows.dim(1);
  const bool gated = args.gates.defined();
  for (int64_t t = begin; t < end; ++t) {
    const T* x = RowOf<T>(args.x, t);
    const int32_t* rows = RowOf<int32_t>(args.rows, t);
    const float* gates = gated ? RowOf<float>(args.gates, t) : nullptr;
    for (int64_t j = 0; j < choices; ++j) {
      if (rows[j] < 0) continue;
      T* y = RowOf<T>(args.buffer, CheckedRow(rows[j], args.buffer));
      if (gated) {
        Scale(x, gates[j], width, y);
      } else {
        std::memcpy(y, x, static_cast<size_t>(width) * sizeof(T));
      }
    }
  }
}

void PermuteBlock(const PermuteArgs& args, int64_t begin, int64_t end) {
  if (args.x.dtype() == DType::kFloat32) {
    PermuteTokens<float>(args, begin, end);
  } else {
    PermuteTokens<BFloat16>(args, begin, end);
  }
}

// What one token gathers: rows [choices] of a buffer, -1 for none.
template <typename T>
struct Choices {
  const T* buffer;
  int64_t stride;
  const int32_t* rows;
  const float* gates;  // used if kGated
  int64_t count;
};

// kVectors whole vectors of y, or one that `lanes` says is there.
template <bool kGated, int kVectors, typename T, class Lanes>
HWY_INLINE void AddChoices(const Choices<T>& choices, Lanes lanes, T* y,
                           int64_t column) {
  const D d;
  const int64_t step = static_cast<int64_t>(hn::Lanes(d));
  V sum[kVectors];
  for (int v = 0; v < kVectors; ++v) sum[v] = hn::Zero(d);
  for (int64_t j = 0; j < choices.count; ++j) {
    if (choices.rows[j] < 0) continue;
    const T* row = choices.buffer + choices.rows[j] * choices.stride + column;
    const V gate = hn::Set(d, kGated ? choices.gates[j] : 1.0f);
    for (int v = 0; v < kVectors; ++v) {
      const V x = LoadFloats(d, row + v * step, lanes);
      sum[v] = kGated ? hn::MulAdd(gate, x, sum[v]) : hn::Add(x, sum[v]);
    }
  }
  for (int v = 0; v < kVectors; ++v) {
    StoreFloats(sum[v], d, y + column + v * step, lanes);
  }
}

template <bool kGated, typename T>
HWY_INLINE void UnpermuteToken(const Choices<T>& choices, int64_t width, T* y) {
  const D d;
  const int64_t panel = 4 * static_cast<int64_t>(hn::Lanes(d));
  int64_t column = 0;
  for (; column + panel <= width; column += panel) {
    AddChoices<kGated, 4>(choices, AllLanes(), y, column);
  }
  ForEachVector(d, width - column, [&](int64_t i, auto lanes) HWY_ATTR {
    AddChoices<kGated, 1>(choices, lanes, y, column + i);
  });
}

template <typename T>
void UnpermuteTokens(const UnpermuteArgs& args, int64_t begin, int64_t end) {
  const bool gated = args.gates.defined();
  Choices<T> choices = {args.buffer.data<T>(), args.buffer.row_stride(),
                        nullptr, nullptr, args.rows.dim(1)};
  for (int64_t t = begin; t < end; ++t) {
    choices.rows = RowOf<int32_t>(args.rows, t);
    choices.gates = gated ? RowOf<float>(args.gates, t) : nullptr;
    for (int64_t j = 0; j < choices.count; ++j) {
      CheckedRow(choices.rows[j], args.buffer);
    }
    T* y = RowOf<T>(args.y, t);
    if (gated) {
      UnpermuteToken<true>(choices, args.y.dim(1), y);
    } else {
      UnpermuteToken<false>(choices, args.y.dim(1), y);
    }
  }
}

void UnpermuteBlock(const UnpermuteArgs& args, int64_t begin, int64_t end) {
  if (args.y.dtype() == DType::kFloat32) {
    UnpermuteTokens<float>(args, begin, end);
  } else {
    UnpermuteTokens<BFloat16>(args, begin, end);
  }
}

template <typename T>
float Dot(const T* a, const T* b, int64_t width) {
  const D d;
  return SumVectors(d, width, [&](int64_t i, auto lanes, V sum) HWY_ATTR {
    return hn::MulAdd(LoadFloats(d, a + i, lanes), LoadFloats(d, b + i, lanes),
                      sum);
  });
}

template <typename T>
void GateGradientTokens(const GateGradientArgs& args, int64_t begin,
                        int64_t end) {
  const int64_t width = args.dy.dim(1);
  const int64_t choices = args.rows.dim(1);
  for (int64_t t = begin; t < end; ++t) {
    const T* dy = RowOf<T>(args.dy, t);
    const int32_t* rows = RowOf<int32_t>(args.rows, t);
    float* dgates = RowOf<float>(args.dgates, t);
    for (int64_t j = 0; j < choices; ++j) {
      if (rows[j] < 0) {
        dgates[j] = 0.0f;
        continue;
      }
      const int64_t row = CheckedRow(rows[j], args.buffer);
      dgates[j] = Dot(dy, RowOf<T>(args.buffer, row), width);
    }
  }
}

void GateGradientBlock(const GateGradientArgs& args, int64_t begin,
                       int64_t end) {
  if (args.dy.dtype() == DType::kFloat32) {
    GateGradientTokens<float>(args, begin, end);
  } else {
    GateGradientTokens<BFloat16>(args, begin, end);
  }
}

}  // namespace switchyard::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "switchyard/kernels/cpu/dispatch.h"

namespace switchyard::kernels::cpu {
namespace {

HWY_EXPORT(PermuteBlock);
HWY_EXPORT(UnpermuteBlock);
HWY_EXPORT(GateGradientBlock);

constexpr int64_t kTokenBlock = 64;  // of one piece of work

}  // namespace

void Permute(const PermuteArgs& args, int threads) {
  const auto block = SWITCHYARD_DISPATCH(PermuteBlock);
  ParallelForBlocks(
      threads, args.x.dim(0), kTokenBlock,
      [&](int64_t begin, int64_t end) { block(args, begin, end); });
}

void Unpermute(const UnpermuteArgs& args, int threads) {
  const auto block = SWITCHYARD_DISPATCH(UnpermuteBlock);
  ParallelForBlocks(
      threads, args.y.dim(0), kTokenBlock,
      [&](int64_t begin, int64_t end) { block(args, begin, end); });
}

void GateGradient(const GateGradientArgs& args, int threads) {
  const auto block = SWITCHYARD_DISPATCH(GateGradientBlock);
  ParallelForBlocks(
      threads, args.dy.dim(0), kTokenBlock,
      [&](int64_t begin, int64_t end) { block(args, begin, end); });
}

void ZeroPadding(absl::Span<const Segment> segments, const TensorView& buffer) {
  const size_t element_bytes = SizeOf(buffer.dtype());
  const size_t row_bytes = static_cast<size_t>(buffer.dim(1)) * element_bytes;
  for (const Segment& segment : segments) {
    for (int64_t row = segment.rows; row < segment.padded_rows; ++row) {
      const size_t offset =
          static_cast<size_t>((segment.row + row) * buffer.row_stride());
      std::memset(static_cast<char*>(buffer.raw()) + offset * element_bytes, 0,
                  row_bytes);
    }
  }
}

}  // namespace switchyard::kernels::cpu
#endif  // HWY_ONCE
