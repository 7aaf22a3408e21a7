// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/cpu/embedding.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "switchyard/base/check.h"
#include "switchyard/base/cpu/parallel_for.h"
#include "switchyard/kernels/cpu/fixed_point.h"
#include "switchyard/kernels/cpu/thread_scratch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "switchyard/kernels/cpu/embedding.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "switchyard/kernels/cpu/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace switchyard::kernels::cpu::HWY_NAMESPACE {

// sum [width] = the rows of dy named by tokens [0, count), in order.
template <typename T>
void SumTokens(const ConstTensorView& dy, const int32_t* tokens, int64_t count,
               float* sum) {
  const hn::ScalableTag<float> d;
  const T* rows = dy.data<T>();
  const int64_t stride = dy.row_stride();
  ForEachVector(d, dy.dim(1), [&](int64_t i, auto lanes) HWY_ATTR {
    auto total = LoadFloats(d, rows + tokens[0] * stride + i, lanes);
    for (int64_t j = 1; j < count; ++j) {
      total =
          hn::Add(total, LoadFloats(d, rows + tokens[j] * stride + i, lanes));
    }
    Store(total, d, sum + i, lanes);
  });
}

void SumRows(const ConstTensorView& dy, const int32_t* tokens, int64_t count,
             float* sum) {
  if (dy.dtype() == DType::kFloat32) {
    SumTokens<float>(dy, tokens, count, sum);
  } else {
    SumTokens<BFloat16>(dy, tokens, count, sum);
  }
}

}  // namespace switchyard::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "switchyard/kernels/cpu/dispatch.h"

namespace switchyard::kernels::cpu {
namespace {

HWY_EXPORT(SumRows);

constexpr int64_t kTokenBlock = 64;  // of one piece of work
constexpr int64_t kTableBlock = 64;  // rows of the table; likewise

struct RowSum {};

int64_t CheckedId(int32_t id, int64_t table_rows) {
  SWITCHYARD_CHECK(0 <= id && id < table_rows)
      << "token id " << id << " of a table of " << table_rows << " rows";
  return id;
}

// A stable counting sort: the tokens with id r are, in order,
// order[starts[r] .. starts[r + 1]).
void SortById(const ConstTensorView& ids, int64_t table_rows, int32_t* starts,
              int32_t* order) {
  const int32_t* id = ids.data<int32_t>();
  const int64_t tokens = ids.dim(0);
  std::fill_n(starts, table_rows + 1, 0);
  for (int64_t t = 0; t < tokens; ++t) ++starts[CheckedId(id[t], table_rows)];
  // starts[r] becomes the end of r; filling from behind moves it to the start.
  int32_t end = 0;
  for (int64_t r = 0; r <= table_rows; ++r) starts[r] = end += starts[r];
  for (int64_t t = tokens - 1; t >= 0; --t) {
    order[--starts[id[t]]] = static_cast<int32_t>(t);
  }
}

}  // namespace

void Embedding(const ConstTensorView& table, const ConstTensorView& ids,
               const TensorView& y, int threads) {
  const size_t element_bytes = SizeOf(table.dtype());
  const size_t row_bytes = static_cast<size_t>(table.dim(1)) * element_bytes;
  const size_t from_stride =
      static_cast<size_t>(table.row_stride()) * element_bytes;
  const size_t to_stride = static_cast<size_t>(y.row_stride()) * element_bytes;
  const char* from = static_cast<const char*>(table.raw());
  char* to = static_cast<char*>(y.raw());
  const int32_t* id = ids.data<int32_t>();
  ParallelForBlocks(threads, y.dim(0), kTokenBlock,
                    [&](int64_t begin, int64_t end) {
                      for (int64_t t = begin; t < end; ++t) {
                        const size_t row =
                            static_cast<size_t>(CheckedId(id[t], table.dim(0)));
                        std::memcpy(to + static_cast<size_t>(t) * to_stride,
                                    from + row * from_stride, row_bytes);
                      }
                    });
}

void EmbeddingGradient(const EmbeddingGradientArgs& args,
                       const TensorView& starts, const TensorView& order,
                       int threads) {
  const auto sum_rows = SWITCHYARD_DISPATCH(SumRows);
  const TensorView& sum = args.gradient.sum;
  const int64_t width = sum.dim(1);
  const int32_t* start = starts.data<int32_t>();
  const int32_t* tokens = order.data<int32_t>();
  SortById(args.ids, sum.dim(0), starts.data<int32_t>(), order.data<int32_t>());
  ParallelForBlocks(
      threads, sum.dim(0), kTableBlock,
      [&](int64_t begin, int64_t end) {
        float* row = ThreadScratch<RowSum, float>(width);
        int64_t refused = 0;
        for (int64_t r = begin; r < end; ++r) {
          const int64_t count = start[r + 1] - start[r];
          if (count == 0) continue;
          sum_rows(args.dy, tokens + start[r], count, row);
          refused +=
              AddRunToFixedPoint(row, width, args.format,
                                 sum.data<int64_t>() + r * sum.row_stride());
        }
        CountRefused(refused, args.gradient.refused);
      },
      [&] { ThreadScratch<RowSum, float>(width); });
}

}  // namespace switchyard::kernels::cpu
#endif  // HWY_ONCE
