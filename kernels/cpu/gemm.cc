// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/cpu/gemm.h"

#include <algorithm>
#include <cstring>

#include "switchyard/kernels/cpu/panel_prefetch.h"
#include "switchyard/kernels/cpu/thread_scratch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "switchyard/kernels/cpu/gemm.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "switchyard/kernels/cpu/fixed_point-inl.h"
#include "switchyard/kernels/cpu/micro_kernel-inl.h"
#include "switchyard/kernels/cpu/pack-inl.h"
#include "switchyard/kernels/cpu/vector-inl.h"

#ifndef SWITCHYARD_KERNELS_CPU_GEMM_SCRATCH_
#define SWITCHYARD_KERNELS_CPU_GEMM_SCRATCH_
namespace switchyard::kernels::cpu {
struct PackedA;
struct PackedB;
struct PartialSums;
}  // namespace switchyard::kernels::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace switchyard::kernels::cpu::HWY_NAMESPACE {

// A block's rows as tiles: `big` of kTileRows, then `small` of kSmallTileRows.
// The last tile may reach beyond the block, into zeros.
struct RowTiles {
  explicit RowTiles(int64_t rows) {
    for (int64_t padded = rows;; ++padded) {
      for (big = padded / kTileRows; big >= 0; --big) {
        const int64_t rest = padded - big * kTileRows;
        small = rest / kSmallTileRows;
        if (rest % kSmallTileRows == 0) return;
      }
    }
  }
  // tile(std::integral_constant<int, rows of the tile>, first row)
  template <class Tile>
  HWY_INLINE void ForEach(const Tile& tile) const {
    int64_t row = 0;
    for (int64_t i = 0; i < big; ++i, row += kTileRows) {
      tile(std::integral_constant<int, kTileRows>(), row);
    }
    for (int64_t i = 0; i < small; ++i, row += kSmallTileRows) {
      tile(std::integral_constant<int, kSmallTileRows>(), row);
    }
  }
  int64_t padded() const { return big * kTileRows + small * kSmallTileRows; }

  int64_t big, small;
};

// `rows` of op(a) from `row` on, `depth` of the inner dimension from `k` on.
template <typename T>
void PackA(const GemmOperand& a, int64_t row, int64_t rows,
           const RowTiles& tiles, int64_t k, int64_t depth, float* to) {
  const T* from = static_cast<const T*>(a.data);
  if (!a.transposed) {
    from += row * a.stride + k;
    tiles.ForEach([&](auto tile_rows, int64_t first) HWY_ATTR {
      PackFromColumns<tile_rows()>(from + first * a.stride, a.stride, depth,
                                   rows - first, to + first * depth);
    });
    return;
  }
  from += k * a.stride + row;
  const int64_t big_rows = std::min(rows, tiles.big * kTileRows);
  PackFromRows<kTileRows>(from, a.stride, depth, big_rows, to);
  PackFromRows<kSmallTileRows>(from + big_rows, a.stride, depth,
                               rows - big_rows, to + big_rows * depth);
}

// One panel: `columns` of op(b) from `column` on.
template <typename T>
void PackB(const GemmOperand& b, int64_t column, int64_t columns, int64_t k,
           int64_t depth, float* to) {
  const T* from = static_cast<const T*>(b.data);
  if (b.transposed) {
    PackFromColumns<kTileColumns>(from + column * b.stride + k, b.stride, depth,
                                  columns, to);
  } else {
    PackFromRows<kTileColumns>(from + k * b.stride + column, b.stride, depth,
                               columns, to);
  }
}

// Of the panel that PackB takes next, in `steps` steps.
template <typename T>
PanelPrefetch PrefetchB(const GemmOperand& b, int64_t column, int64_t columns,
                        int64_t k, int64_t depth, int64_t steps) {
  const T* from = static_cast<const T*>(b.data);
  const int64_t size = sizeof(T);
  if (b.transposed) {
    return PanelPrefetch(from + column * b.stride + k, columns, depth * size,
                         b.stride * size, steps);
  }
  return PanelPrefetch(from + k * b.stride + column, depth, columns * size,
                       b.stride * size, steps);
}

// Where the sums over the depths so far lie, and where a tile of them goes.
struct Destination {
  GemmResult c;  // from the block's first element on
  FixedPointAdder adder;
  float* scratch;       // sums of results that are not fp32, tile after tile
  int64_t padded_rows;  // of all tiles
  bool add;             // there are sums already
  bool last;            // after this depth the result is complete
  int64_t refused = 0;

  bool has_scratch() const { return scratch != nullptr; }
  bool stores_float() const { return !has_scratch() || !last; }
  int64_t partial_stride() const {
    return has_scratch() ? kTileColumns : c.stride;
  }
  // `column` is the first of a tile.
  float* PartialAt(int64_t row, int64_t column) const {
    if (!has_scratch()) return static_cast<float*>(c.data) + At(row, column);
    return scratch + column * padded_rows + row * kTileColumns;
  }
  int64_t At(int64_t row, int64_t column) const {
    return row * c.stride + column;
  }
};

// Ends one row of complete sums, from `at` elements into the result on.
void EndRow(const float* row, int64_t columns, int64_t at, Destination& to) {
  const TileTag d;
  if (to.c.dtype == DType::kInt64) {
    int64_t* c = static_cast<int64_t*>(to.c.data) + at;
    to.refused += AddElements(row, columns, to.adder, c);
  } else if (to.c.dtype == DType::kBFloat16) {
    BFloat16* c = static_cast<BFloat16*>(to.c.data) + at;
    ForEachVector(d, columns, [&](int64_t i, auto lanes) HWY_ATTR {
      StoreFloats(Load(d, row + i, lanes), d, c + i, lanes);
    });
  } else {
    float* c = static_cast<float*>(to.c.data) + at;
    const bool add = to.c.accumulate;
    ForEachVector(d, columns, [&](int64_t i, auto lanes) HWY_ATTR {
      const auto sum = Load(d, row + i, lanes);
      Store(add ? hn::Add(Load(d, c + i, lanes), sum) : sum, d, c + i, lanes);
    });
  }
}

// A tile of which only `rows` x `columns` exist: made aside, then moved.
template <int kRows>
void EdgeTile(const float* a, const float* b, int64_t depth, int64_t row,
              int64_t rows, int64_t column, int64_t columns, Destination& to) {
  HWY_ALIGN float tile[kRows * kTileColumns] = {};
  float* partial = to.PartialAt(row, column);
  const size_t row_bytes = columns * sizeof(float);
  for (int64_t r = 0; to.add && r < rows; ++r) {
    std::memcpy(tile + r * kTileColumns, partial + r * to.partial_stride(),
                row_bytes);
  }
  StoreFloat end{tile, kTileColumns};
  MicroKernel<kRows>(a, b, depth, to.add ? tile : nullptr, kTileColumns, end);
  for (int64_t r = 0; r < rows; ++r) {
    const float* from = tile + r * kTileColumns;
    if (to.stores_float()) {
      std::memcpy(partial + r * to.partial_stride(), from, row_bytes);
    } else {
      EndRow(from, columns, to.At(row + r, column), to);
    }
  }
}

template <int kRows>
void WholeTile(const float* a, const float* b, int64_t depth, int64_t row,
               int64_t column, Destination& to) {
  const int64_t stride = to.partial_stride();
  float* here = to.PartialAt(row, column);
  const float* partial = to.add ? here : nullptr;
  const int64_t at = to.At(row, column);
  if (to.stores_float()) {
    StoreFloat end{here, stride};
    MicroKernel<kRows>(a, b, depth, partial, stride, end);
  } else if (to.c.dtype == DType::kBFloat16) {
    StoreBFloat16 end{static_cast<BFloat16*>(to.c.data) + at, to.c.stride};
    MicroKernel<kRows>(a, b, depth, partial, stride, end);
  } else {
    AddFixedPoint end{static_cast<int64_t*>(to.c.data) + at, to.c.stride,
                      to.adder};
    MicroKernel<kRows>(a, b, depth, partial, stride, end);
    to.refused += end.refused;
  }
}

Destination MakeDestination(GemmResult c, const GemmBlock& block) {
  const int64_t at = block.row * c.stride + block.column;
  c.data =
      static_cast<char*>(c.data) + at * static_cast<int64_t>(SizeOf(c.dtype));
  return {c, FixedPointAdder(c.format), nullptr, 0, c.accumulate, false};
}

// The thread's working memory for results of one dtype.
struct Scratch {
  explicit Scratch(DType result)
      : a(ThreadScratch<PackedA, float>((kGemmBlockRows + kTileRows) *
                                        kGemmDepth)),
        b(ThreadScratch<PackedB, float>(kTileColumns * kGemmDepth)),
        sums(result == DType::kFloat32
                 ? nullptr
                 : ThreadScratch<PartialSums, float>(
                       (kGemmBlockRows + kTileRows) * kGemmBlockColumns)) {}

  float *a, *b, *sums;
};

void TakeScratch(DType result) { const Scratch scratch(result); }

template <typename T>
int64_t GemmOf(const GemmArgs& args, const GemmBlock& block) {
  const RowTiles tiles(block.rows);
  Destination to = MakeDestination(args.c, block);
  const Scratch scratch(args.c.dtype);
  float *a = scratch.a, *b = scratch.b;
  to.scratch = scratch.sums;
  to.padded_rows = tiles.padded();
  int64_t k = 0;
  do {
    const int64_t depth = std::min(kGemmDepth, args.inner - k);
    to.last = k + depth >= args.inner;
    PackA<T>(args.a, block.row, block.rows, tiles, k, depth, a);
    for (int64_t column = 0; column < block.columns; column += kTileColumns) {
      const int64_t columns =
          std::min<int64_t>(kTileColumns, block.columns - column);
      PackB<T>(args.b, block.column + column, columns, k, depth, b);
      PanelPrefetch next;
      if (column + columns < block.columns) {
        next = PrefetchB<T>(
            args.b, block.column + column + columns,
            std::min<int64_t>(kTileColumns, block.columns - column - columns),
            k, depth, tiles.big + tiles.small);
      }
      tiles.ForEach([&](auto tile_rows, int64_t row) HWY_ATTR {
        constexpr int kRows = tile_rows();
        const int64_t rows = std::min<int64_t>(kRows, block.rows - row);
        next.Step();
        const float* panel = a + row * depth;
        const bool whole = rows == kRows && columns == kTileColumns;
        if (whole || (to.has_scratch() && !to.last)) {
          WholeTile<kRows>(panel, b, depth, row, column, to);
        } else {
          EdgeTile<kRows>(panel, b, depth, row, rows, column, columns, to);
        }
      });
    }
    to.add = true;
    k += depth;
  } while (!to.last);
  return to.refused;
}

int64_t FinishRows(const float* product, const GemmResult& c,
                   const GemmBlock& block) {
  Destination to = MakeDestination(c, block);
  for (int64_t row = 0; row < block.rows; ++row) {
    EndRow(product + row * block.columns, block.columns, row * c.stride, to);
  }
  return to.refused;
}

int64_t GemmAnyDType(const GemmArgs& args, const GemmBlock& block) {
  return args.a.dtype == DType::kFloat32 ? GemmOf<float>(args, block)
                                         : GemmOf<BFloat16>(args, block);
}

}  // namespace switchyard::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "switchyard/kernels/cpu/dispatch.h"

namespace switchyard::kernels::cpu {

HWY_EXPORT(TakeScratch);
HWY_EXPORT(FinishRows);
HWY_EXPORT(GemmAnyDType);

int64_t Gemm(const GemmArgs& args, const GemmBlock& block) {
  return SWITCHYARD_DISPATCH(GemmAnyDType)(args, block);
}

void WarmGemm(DType result) { SWITCHYARD_DISPATCH(TakeScratch)(result); }

int64_t FinishProduct(const float* product, const GemmResult& c,
                      const GemmBlock& block) {
  return SWITCHYARD_DISPATCH(FinishRows)(product, c, block);
}

}  // namespace switchyard::kernels::cpu
#endif  // HWY_ONCE
