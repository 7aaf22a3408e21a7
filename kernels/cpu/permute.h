// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#ifndef SWITCHYARD_KERNELS_CPU_PERMUTE_H_
#define SWITCHYARD_KERNELS_CPU_PERMUTE_H_

#include "absl/types/span.h"
#include "switchyard/kernels/permute.h"

namespace switchyard::kernels::cpu {

void Permute(const PermuteArgs& args, int threads);
void Unpermute(const UnpermuteArgs& args, int threads);
void GateGradient(const GateGradientArgs& args, int threads);
void ZeroPadding(absl::Span<const Segment> segments, const TensorView& buffer);

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_PERMUTE_H_
