// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// A block of a matrix product, by whoever makes it: our own code (gemm.h), or
// oneDNN for bf16 where the processor multiplies bf16.
#ifndef SWITCHYARD_KERNELS_CPU_PRODUCT_H_
#define SWITCHYARD_KERNELS_CPU_PRODUCT_H_

#include <algorithm>
#include <cstdint>

#include "switchyard/base/tensor_view.h"
#include "switchyard/kernels/cpu/gemm.h"
#include "switchyard/kernels/matmul.h"

namespace switchyard::kernels::cpu {

// Whether oneDNN makes products of this dtype in this process.
bool UsesOneDnn(DType dtype);

// Makes one block on the calling thread. Returns how many elements fixed point
// refused.
int64_t ProductBlock(const GemmArgs& args, const GemmBlock& block);

// The same by oneDNN, whatever the dtype.
int64_t OneDnnBlock(const GemmArgs& args, const GemmBlock& block);

// Takes the working memory that products of these dtypes need on the calling
// thread (ParallelFor's `warm`). oneDNN allocates at every product anyway.
void WarmProducts(DType operands, DType result);

inline GemmOperand Operand(const ConstTensorView& matrix, Transpose transpose) {
  return {matrix.raw(), matrix.row_stride(), matrix.dtype(),
          transpose == Transpose::kYes};
}

// The blocks of a result of rows x columns: as few as the largest block allows,
// of the same number of rows. A function of the shape alone.
struct BlockGrid {
  BlockGrid(int64_t rows, int64_t columns,
            int64_t largest_rows = kGemmBlockRows)
      : rows(rows),
        columns(columns),
        row_blocks((rows + largest_rows - 1) / largest_rows),
        column_blocks((columns + kGemmBlockColumns - 1) / kGemmBlockColumns),
        block_rows(row_blocks == 0 ? 0 : (rows + row_blocks - 1) / row_blocks) {
    block_rows = (block_rows + 7) / 8 * 8;
    row_blocks = block_rows == 0 ? 0 : (rows + block_rows - 1) / block_rows;
  }

  int64_t count() const { return row_blocks * column_blocks; }
  GemmBlock At(int64_t index) const {
    const int64_t row = index / column_blocks * block_rows;
    const int64_t column = index % column_blocks * kGemmBlockColumns;
    return {row, std::min(block_rows, rows - row), column,
            std::min(kGemmBlockColumns, columns - column)};
  }

  int64_t rows, columns, row_blocks, column_blocks, block_rows;
};

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_PRODUCT_H_
