// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Products of matrices on a GPU, by cuBLAS. Internal to kernels/cuda.
//
// fp32 products are made in fp32 (no TF32), bf16 ones accumulate in fp32. A
// stream has a handle and a workspace of its own: cuBLAS then gives the same
// bits whenever it is asked for the same product on the same kind of GPU, also
// beside other streams.
#ifndef SWITCHYARD_KERNELS_CUDA_BLAS_H_
#define SWITCHYARD_KERNELS_CUDA_BLAS_H_

#include <cstdint>
#include <vector>

#include "switchyard/base/cuda/cuda_stream.h"
#include "switchyard/base/tensor_view.h"
#include "switchyard/kernels/matmul.h"

namespace switchyard::kernels::cuda {

// c = op(a) · op(b) (+ c if `accumulate`): operands as in matmul.h, where c
// may be fp32 or the operands' dtype. Nothing happens without elements of c.
void Multiply(CudaStream& stream, const MatMulArgs& args);

// Products of one kind whose matrices have the same K and N and are packed
// alike, but each its own number of rows M: one call of cuBLAS.
struct RaggedProduct {
  ConstTensorView a;  // [M, K], rows may be strided
  ConstTensorView b;  // op(b) is [K, N]
  TensorView c;       // [M, N]
};
// c = a · op(b) for each; all of one dtype. Those without rows are left out.
// The one call wants addresses and rows at multiples of 16 bytes: where one is
// not, there is a call for each.
void MultiplyRagged(CudaStream& stream,
                    const std::vector<RaggedProduct>& products,
                    Transpose transpose_b);

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_BLAS_H_
