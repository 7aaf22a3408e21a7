// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/cpu/product.h"

#include <cstring>

#include "switchyard/kernels/cpu/onednn_product.h"
#include "switchyard/kernels/cpu/thread_scratch.h"

namespace switchyard::kernels::cpu {
namespace {

struct WholeProduct;
struct OperandA;
struct OperandB;

// Rows [row, row + rows), columns [column, column + columns) of a stored
// matrix, without gaps: where they are, or copied. oneDNN then sees the same
// shapes and strides whatever the operands' layout.
template <typename Purpose>
const void* Packed(const GemmOperand& x, int64_t row, int64_t rows,
                   int64_t column, int64_t columns) {
  const int64_t size = SizeOf(x.dtype);
  const char* from =
      static_cast<const char*>(x.data) + (row * x.stride + column) * size;
  if (x.stride == columns || rows <= 1) return from;
  char* to = ThreadScratch<Purpose, char>(rows * columns * size);
  for (int64_t r = 0; r < rows; ++r) {
    std::memcpy(to + r * columns * size, from + r * x.stride * size,
                columns * size);
  }
  return to;
}

}  // namespace

int64_t ProductBlock(const GemmArgs& args, const GemmBlock& block) {
  // oneDNN has no products over nothing; ours gives zeros.
  if (args.inner == 0 || !UsesOneDnn(args.a.dtype)) return Gemm(args, block);
  return OneDnnBlock(args, block);
}

int64_t OneDnnBlock(const GemmArgs& args, const GemmBlock& block) {
  const GemmOperand &a = args.a, &b = args.b;
  const void* packed_a =
      a.transposed ? Packed<OperandA>(a, 0, args.inner, block.row, block.rows)
                   : Packed<OperandA>(a, block.row, block.rows, 0, args.inner);
  const void* packed_b =
      b.transposed
          ? Packed<OperandB>(b, block.column, block.columns, 0, args.inner)
          : Packed<OperandB>(b, 0, args.inner, block.column, block.columns);
  float* product =
      ThreadScratch<WholeProduct, float>(kGemmBlockRows * kGemmBlockColumns);
  OneDnnProduct({block.rows, block.columns, args.inner, a.dtype, a.transposed,
                 b.transposed},
                packed_a, packed_b, product);
  return FinishProduct(product, args.c, block);
}

void WarmProducts(DType operands, DType result) {
  if (!UsesOneDnn(operands)) return WarmGemm(result);
  ThreadScratch<WholeProduct, float>(kGemmBlockRows * kGemmBlockColumns);
}

}  // namespace switchyard::kernels::cpu
