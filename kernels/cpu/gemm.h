// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Matrix products of our own, for all instruction sets, in fp32 arithmetic
// (docs/adr says why oneDNN does not make them). An element of a result is
//
//   ((d_0 + d_1) + d_2) + ...,   d_i = fma(a_k, b_k, fma(..., 0))
//
// over the i-th kGemmDepth values of k, in order. So its bits are a function of
// its row of op(a), its column of op(b) and the instruction set: not of the
// other rows and columns, of zeros at the end of the inner dimension, or of how
// the work is cut. bf16 operands are widened, which is exact.
#ifndef SWITCHYARD_KERNELS_CPU_GEMM_H_
#define SWITCHYARD_KERNELS_CPU_GEMM_H_

#include <cstdint>

#include "switchyard/base/dtype.h"
#include "switchyard/kernels/fixed_point.h"

namespace switchyard::kernels::cpu {

inline constexpr int64_t kGemmDepth = 256;  // part of the numerics
// The largest block of a result that one call makes. Its share of op(a) stays
// in the second-level cache. Cuts of fp32 products change no bit; oneDNN's
// products are the blocks.
inline constexpr int64_t kGemmBlockRows = 256;
inline constexpr int64_t kGemmBlockColumns = 512;
// Of a weight gradient, whose second operand is cheap to pack again: more
// blocks for the threads.
inline constexpr int64_t kLeafBlockRows = 128;

// A row-major matrix, fp32 or bf16; op(x) is its transpose if `transposed`.
struct GemmOperand {
  const void* data = nullptr;
  int64_t stride = 0;  // elements from row to row
  DType dtype = DType::kFloat32;
  bool transposed = false;
};

// Where a product goes: stored as fp32 (or added to what is there, if
// `accumulate`), rounded to bf16, or added to int64 sums in fixed point.
struct GemmResult {
  void* data = nullptr;
  int64_t stride = 0;
  DType dtype = DType::kFloat32;
  bool accumulate = false;
  FixedPoint format;
};

// A block of the result, at most kGemmBlockRows by kGemmBlockColumns.
struct GemmBlock {
  int64_t row = 0;
  int64_t rows = 0;
  int64_t column = 0;
  int64_t columns = 0;
};

struct GemmArgs {
  GemmOperand a;      // op(a) [M, inner]
  GemmOperand b;      // op(b) [inner, N]
  int64_t inner = 0;  // 0 gives zeros
  GemmResult c;       // [M, N]
};

// Makes one block on the calling thread. Returns how many elements fixed point
// refused.
int64_t Gemm(const GemmArgs& args, const GemmBlock& block);

// Takes the working memory that Gemm needs on the calling thread for results of
// this dtype.
void WarmGemm(DType result);

// Puts a block that somebody else made, fp32 [block.rows, block.columns]
// without gaps, where it goes. Returns what Gemm returns.
int64_t FinishProduct(const float* product, const GemmResult& c,
                      const GemmBlock& block);

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_GEMM_H_
