// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// A leaf is rounded and added while it is in registers or in cache. A piece of
// work is a block of one parameter: it alone adds to those sums, one segment
// after the other.
#include <algorithm>

#include "switchyard/base/cpu/parallel_for.h"
#include "switchyard/kernels/cpu/fixed_point.h"
#include "switchyard/kernels/cpu/matmul.h"
#include "switchyard/kernels/cpu/product.h"

namespace switchyard::kernels::cpu {
namespace {

// dy and x, rows of one segment; the leaf's rows are columns of dy.
GemmArgs LeafArgs(const ConstTensorView& dy, const ConstTensorView& x,
                  const FixedPoint& format, const GradientSum& gradient) {
  GemmArgs gemm;
  gemm.a = Operand(dy, Transpose::kYes);
  gemm.b = Operand(x, Transpose::kNo);
  gemm.inner = x.dim(0);
  gemm.c.data = gradient.sum.raw();
  gemm.c.stride = gradient.sum.row_stride();
  gemm.c.dtype = DType::kInt64;
  gemm.c.format = format;
  return gemm;
}

}  // namespace

void GroupedWeightGradient(const GroupedWeightGradientArgs& args, int threads) {
  const int64_t columns = args.x.dim(1);
  int64_t most_rows = 0;
  for (const GradientSum& gradient : args.gradients) {
    most_rows = std::max(most_rows, gradient.sum.dim(0));
  }
  const int64_t most_blocks =
      BlockGrid(most_rows, columns, kLeafBlockRows).count();
  const int64_t pieces =
      most_blocks * static_cast<int64_t>(args.gradients.size());
  const auto add_leaves = [&](int64_t piece) {
    const int64_t parameter = piece / most_blocks;
    const GradientSum& gradient = args.gradients[parameter];
    const BlockGrid grid(gradient.sum.dim(0), columns, kLeafBlockRows);
    if (piece % most_blocks >= grid.count()) return;
    const int64_t expert = parameter / args.parameters_per_expert;
    int64_t row = 0;  // of the expert's first row
    for (int64_t i = expert * args.parameters_per_expert; i < parameter; ++i) {
      row += args.gradients[i].sum.dim(0);
    }
    const ConstTensorView dy = args.dy.Columns(row, row + grid.rows);
    // oneDNN gets the sizes of the list. Padding adds nothing, so our own code
    // leaves it out.
    const bool listed = UsesOneDnn(args.x.dtype());
    int64_t refused = 0;
    for (const Segment& segment : args.segments) {
      if (segment.expert != expert || segment.rows == 0) continue;
      const int64_t end =
          segment.row + (listed ? segment.padded_rows : segment.rows);
      refused += ProductBlock(
          LeafArgs(dy.Rows(segment.row, end), args.x.Rows(segment.row, end),
                   args.format, gradient),
          grid.At(piece % most_blocks));
    }
    CountRefused(refused, gradient.refused);
  };
  ParallelFor(threads, pieces, add_leaves,
              [&] { WarmProducts(args.x.dtype(), DType::kInt64); });
}

void WeightGradient(const WeightGradientArgs& args, int threads) {
  const int64_t rows = args.dy.dim(0);
  const Segment all_rows = {0, 0, rows, rows};
  GroupedWeightGradientArgs grouped;
  grouped.dy = args.dy;
  grouped.x = args.x;
  grouped.segments = absl::MakeConstSpan(&all_rows, 1);
  grouped.format = args.format;
  grouped.gradients = args.gradients;
  grouped.parameters_per_expert = static_cast<int>(args.gradients.size());
  GroupedWeightGradient(grouped, threads);
}

}  // namespace switchyard::kernels::cpu
