// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Operands are checked; see ../matmul.h.
#ifndef SWITCHYARD_KERNELS_CPU_MATMUL_H_
#define SWITCHYARD_KERNELS_CPU_MATMUL_H_

#include "switchyard/kernels/matmul.h"

namespace switchyard::kernels::cpu {

void MatMul(const MatMulArgs& args, int threads);
void WeightGradient(const WeightGradientArgs& args, int threads);
void GroupedMatMul(const GroupedMatMulArgs& args, int threads);
void GroupedWeightGradient(const GroupedWeightGradientArgs& args, int threads);

// Makes the primitives of MatMul for op(a) [rows, inner] · op(b) [inner,
// columns].
void PrepareMatMul(DType dtype, Transpose transpose_a, Transpose transpose_b,
                   int64_t rows, int64_t columns, int64_t inner);

// Makes the primitives of a layer's three products for `rows` rows.
void PrepareProducts(DType dtype, int64_t rows, int64_t in, int64_t out);

// Tries whether a row of x [.., in] · op(w) [in, out] has the same bits in
// blocks of several sizes and keeps the answer, which MayJoin gives. Where
// nobody tried, the answer is no.
void CheckJoining(DType dtype, Transpose transpose_w, int64_t in, int64_t out);
bool MayJoin(DType dtype, Transpose transpose_w, int64_t in, int64_t out);

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_MATMUL_H_
