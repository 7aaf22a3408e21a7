// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#ifndef SWITCHYARD_KERNELS_CUDA_ELEMENTWISE_H_
#define SWITCHYARD_KERNELS_CUDA_ELEMENTWISE_H_

#include "switchyard/kernels/elementwise.h"

namespace switchyard::kernels::cuda {

void Add(Stream& stream, const ConstTensorView& a, const ConstTensorView& b,
         const TensorView& y);
// Between two different dtypes.
void Cast(Stream& stream, const ConstTensorView& x, const TensorView& y);
void Fill(Stream& stream, float value, const TensorView& y);
void Normal(Stream& stream, const NormalArgs& args);

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_ELEMENTWISE_H_
