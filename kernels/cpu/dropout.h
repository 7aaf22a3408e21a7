// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#ifndef SWITCHYARD_KERNELS_CPU_DROPOUT_H_
#define SWITCHYARD_KERNELS_CPU_DROPOUT_H_

#include "switchyard/kernels/dropout.h"

namespace switchyard::kernels::cpu {

// Operands are checked.
void SegmentDropout(const SegmentDropoutArgs& args, int threads);

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_DROPOUT_H_
