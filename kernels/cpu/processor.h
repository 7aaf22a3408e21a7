// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// What the processor can do, and telling Highway's and oneDNN's code to use no
// more than is wanted (behind instruction_set.h).
#ifndef SWITCHYARD_KERNELS_CPU_PROCESSOR_H_
#define SWITCHYARD_KERNELS_CPU_PROCESSOR_H_

#include "switchyard/kernels/instruction_set.h"

namespace switchyard::kernels::cpu {

InstructionSet DetectInstructionSet();

// False if oneDNN refused, which it does once it has been used.
bool LimitInstructionSet(InstructionSet isa);

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_PROCESSOR_H_
