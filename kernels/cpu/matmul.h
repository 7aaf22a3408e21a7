// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Operands are checked; see ../matmul.h.
#ifndef SWITCHYARD_KERNELS_CPU_MATMUL_H_
#define SWITCHYARD_KERNELS_CPU_MATMUL_H_

#include "switchyard/kernels/cpu/gemm.h"
#include "switchyard/kernels/matmul.h"

namespace switchyard::kernels::cpu {

void MatMul(const MatMulArgs& args, int threads);
void WeightGradient(const WeightGradientArgs& args, int threads);
void GroupedMatMul(const GroupedMatMulArgs& args, int threads);
void GroupedWeightGradient(const GroupedWeightGradientArgs& args, int threads);

// op(a) [rows, inner] · op(b) [inner, columns], operands of one dtype.
struct ProductShape {
  DType dtype = DType::kFloat32;
  int64_t rows = 0, columns = 0, inner = 0;
  Transpose transpose_a = Transpose::kNo;
  Transpose transpose_b = Transpose::kNo;
};

// Makes the primitives of a product that is cut into blocks of at most
// `largest_rows` rows, as MatMul cuts it if nothing is said.
void PrepareProduct(const ProductShape& shape,
                    int64_t largest_rows = kGemmBlockRows);

// Of a layer's three products for `rows` rows: y = x · wᵀ, dx = dy · w and the
// leaf dyᵀ · x.
void PrepareLayer(DType dtype, int64_t rows, int64_t in, int64_t out);

// Of x [.., in] · op(w) [in, out] for joined segments, if they may be joined.
void PrepareJoined(DType dtype, Transpose transpose_w, int64_t in, int64_t out);

// Finds out whether a row of x [.., in] · op(w) [in, out] has the same bits in
// blocks of all sizes and keeps the answer, which MayJoin gives. Where nobody
// asked, the answer is no. Our own products are made so; oneDNN's are tried.
void CheckJoining(DType dtype, Transpose transpose_w, int64_t in, int64_t out);
bool MayJoin(DType dtype, Transpose transpose_w, int64_t in, int64_t out);

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_MATMUL_H_
