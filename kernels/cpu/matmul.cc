// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/cpu/matmul.h"

#include <algorithm>

#include "switchyard/base/cpu/parallel_for.h"
#include "switchyard/kernels/cpu/onednn_product.h"
#include "switchyard/kernels/cpu/permute.h"
#include "switchyard/kernels/cpu/product.h"

namespace switchyard::kernels::cpu {
namespace {

GemmResult Result(const TensorView& c) {
  GemmResult result;
  result.data = c.raw();
  result.stride = c.row_stride();
  result.dtype = c.dtype();
  return result;
}

// Whether segment `i` continues the rows of the one before it.
bool Continues(absl::Span<const Segment> segments, size_t i) {
  if (i == 0) return false;
  const Segment &before = segments[i - 1], &segment = segments[i];
  return before.expert == segment.expert &&
         before.row + before.padded_rows == segment.row;
}

// The rows of one product.
struct Run {
  int64_t rows = 0;  // up to the last real one
  int64_t padded_rows = 0;
};

// The product that starts at segment `i`: its rows and, if `joined`, those of
// the segments that continue it. Empty if `i` belongs to an earlier one.
Run RunAt(absl::Span<const Segment> segments, size_t i, bool joined) {
  if (joined && Continues(segments, i)) return {};
  Run run;
  do {
    run.rows = run.padded_rows + segments[i].rows;
    run.padded_rows += segments[i].padded_rows;
    ++i;
  } while (joined && i < segments.size() && Continues(segments, i));
  return run;
}

}  // namespace

void MatMul(const MatMulArgs& args, int threads) {
  GemmArgs gemm;
  gemm.a = Operand(args.a, args.transpose_a);
  gemm.b = Operand(args.b, args.transpose_b);
  gemm.inner = args.a.dim(gemm.a.transposed ? 0 : 1);
  gemm.c = Result(args.c);
  gemm.c.accumulate = args.accumulate;
  const BlockGrid grid(args.c.dim(0), args.c.dim(1));
  ParallelFor(
      threads, grid.count(), [&](int64_t i) { ProductBlock(gemm, grid.At(i)); },
      [&] { WarmProducts(args.a.dtype(), args.c.dtype()); });
}

void GroupedMatMul(const GroupedMatMulArgs& args, int threads) {
  const int64_t in = args.x.dim(1), out = args.y.dim(1);
  const bool joined = MayJoin(args.x.dtype(), args.transpose_w, in, out);
  // oneDNN gets the sizes of the list, our own code only the rows that count.
  const bool listed = UsesOneDnn(args.x.dtype());
  const auto run_at = [&](size_t i) {
    Run run = RunAt(args.segments, i, joined);
    if (listed) run.rows = run.padded_rows;
    return run;
  };
  int64_t most_rows = 0;
  for (size_t i = 0; i < args.segments.size(); ++i) {
    most_rows = std::max(most_rows, run_at(i).rows);
  }
  const int64_t most_blocks = BlockGrid(most_rows, out).count();
  const int64_t pieces =
      most_blocks * static_cast<int64_t>(args.segments.size());
  const auto multiply = [&](int64_t piece) {
    const size_t i = piece / most_blocks;
    const Run run = run_at(i);
    const BlockGrid grid(run.rows, out);
    if (piece % most_blocks >= grid.count()) return;
    const Segment& segment = args.segments[i];
    const int64_t end = segment.row + run.rows;
    const TensorView y = args.y.Rows(segment.row, end);
    GemmArgs gemm;
    gemm.a = Operand(args.x.Rows(segment.row, end), Transpose::kNo);
    gemm.b = Operand(args.weights[segment.expert], args.transpose_w);
    gemm.inner = in;
    gemm.c = Result(y);
    ProductBlock(gemm, grid.At(piece % most_blocks));
  };
  ParallelFor(threads, pieces, multiply,
              [&] { WarmProducts(args.x.dtype(), args.y.dtype()); });
  // Not left to the products: padding inside a run of joined segments, and what
  // oneDNN multiplies, is 0 · w, which is NaN where w is not finite.
  constexpr int64_t kSegmentBlock = 8;  // of one piece of work
  ParallelForBlocks(threads, args.segments.size(), kSegmentBlock,
                    [&](int64_t begin, int64_t end) {
                      ZeroPadding(args.segments.subspan(begin, end - begin),
                                  args.y);
                    });
}

void PrepareProduct(const ProductShape& shape, int64_t largest_rows) {
  if (!UsesOneDnn(shape.dtype) || shape.inner == 0) return;
  const BlockGrid grid(shape.rows, shape.columns, largest_rows);
  for (int64_t i = 0; i < grid.count(); ++i) {
    const GemmBlock block = grid.At(i);
    PrepareOneDnnProduct({block.rows, block.columns, shape.inner, shape.dtype,
                          shape.transpose_a == Transpose::kYes,
                          shape.transpose_b == Transpose::kYes});
  }
}

void PrepareLayer(DType dtype, int64_t rows, int64_t in, int64_t out) {
  PrepareProduct({dtype, rows, out, in, Transpose::kNo, Transpose::kYes});
  PrepareProduct({dtype, rows, in, out, Transpose::kNo, Transpose::kNo});
  PrepareProduct({dtype, out, in, rows, Transpose::kYes, Transpose::kNo},
                 kLeafBlockRows);
}

void PrepareJoined(DType dtype, Transpose transpose_w, int64_t in,
                   int64_t out) {
  if (!MayJoin(dtype, transpose_w, in, out)) return;
  // Runs of segments have any number of rows that is a multiple of 8 (see
  // ../segments.h), and so have their blocks.
  for (int64_t rows = 8; rows <= kGemmBlockRows; rows += 8) {
    PrepareProduct({dtype, rows, out, in, Transpose::kNo, transpose_w});
  }
}

}  // namespace switchyard::kernels::cpu
