// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Elementwise operators see tensors as runs of elements without gaps: one run
// if all operands are packed, else one for each row. Runs are cut into pieces
// of a constant length for the threads; elementwise results do not depend on
// the cuts.
#ifndef SWITCHYARD_KERNELS_CPU_ROW_RUNS_H_
#define SWITCHYARD_KERNELS_CPU_ROW_RUNS_H_

#include <algorithm>
#include <cstdint>

#include "switchyard/base/cpu/parallel_for.h"
#include "switchyard/base/tensor_view.h"

namespace switchyard::kernels::cpu {

inline constexpr int64_t kRunPiece = 16384;  // elements

// The element at `column` of row `row`.
template <typename T>
const T* ElementAt(const ConstTensorView& view, int64_t row, int64_t column) {
  return view.data<T>() + row * view.row_stride() + column;
}
template <typename T>
T* ElementAt(const TensorView& view, int64_t row, int64_t column) {
  return view.data<T>() + row * view.row_stride() + column;
}

// The first element of row `row`.
template <typename T, typename View>
auto* RowOf(const View& view, int64_t row) {
  return ElementAt<T>(view, row, 0);
}

// Calls piece(row, column, count) for pieces that cover [rows, columns];
// `packed` joins all rows into row 0.
template <typename Piece>
void ForEachRun(int threads, int64_t rows, int64_t columns, bool packed,
                const Piece& piece) {
  if (packed) {
    columns *= rows;
    rows = 1;
  }
  const int64_t pieces_per_row = (columns + kRunPiece - 1) / kRunPiece;
  // Short rows share a piece.
  const int64_t rows_per_piece =
      std::max<int64_t>(1, kRunPiece / std::max<int64_t>(1, columns));
  const int64_t row_blocks = (rows + rows_per_piece - 1) / rows_per_piece;
  ParallelFor(threads, row_blocks * pieces_per_row, [&](int64_t index) {
    const int64_t column = index % pieces_per_row * kRunPiece;
    const int64_t count = std::min(kRunPiece, columns - column);
    const int64_t begin = index / pieces_per_row * rows_per_piece;
    const int64_t end = std::min(rows, begin + rows_per_piece);
    for (int64_t row = begin; row < end; ++row) piece(row, column, count);
  });
}

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_ROW_RUNS_H_
