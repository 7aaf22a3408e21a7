// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#ifndef SWITCHYARD_KERNELS_CUDA_PERMUTE_H_
#define SWITCHYARD_KERNELS_CUDA_PERMUTE_H_

#include "switchyard/kernels/permute.h"

namespace switchyard::kernels::cuda {

void Permute(Stream& stream, const PermuteArgs& args);
void Unpermute(Stream& stream, const UnpermuteArgs& args);
void GateGradient(Stream& stream, const GateGradientArgs& args);
void ZeroPadding(Stream& stream, absl::Span<const Segment> segments,
                 const TensorView& buffer);

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_PERMUTE_H_
