// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Positions and row indices on the CPU: one pass over a few thousand integers,
// in one thread.
#ifndef SWITCHYARD_KERNELS_CPU_POSITIONS_H_
#define SWITCHYARD_KERNELS_CPU_POSITIONS_H_

#include "switchyard/kernels/positions.h"

namespace switchyard::kernels::cpu {

void Positions(const PositionsArgs& args);
void RowIndex(const RowIndexArgs& args);

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_POSITIONS_H_
