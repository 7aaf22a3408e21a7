// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#ifndef SWITCHYARD_KERNELS_CUDA_MATMUL_H_
#define SWITCHYARD_KERNELS_CUDA_MATMUL_H_

#include "switchyard/kernels/matmul.h"

namespace switchyard::kernels::cuda {

void MatMul(Stream& stream, const MatMulArgs& args);
void WeightGradient(Stream& stream, const WeightGradientArgs& args);
void GroupedMatMul(Stream& stream, const GroupedMatMulArgs& args);
void GroupedWeightGradient(Stream& stream,
                           const GroupedWeightGradientArgs& args);

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_MATMUL_H_
