// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#ifndef SWITCHYARD_KERNELS_CUDA_POSITIONS_H_
#define SWITCHYARD_KERNELS_CUDA_POSITIONS_H_

#include "switchyard/kernels/positions.h"

namespace switchyard::kernels::cuda {

void Positions(Stream& stream, const PositionsArgs& args);
void RowIndex(Stream& stream, const RowIndexArgs& args);

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_POSITIONS_H_
