// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// What the processor can do, and telling Highway's and oneDNN's code to use no
// more than is wanted (behind instruction_set.h).
#ifndef SWITCHYARD_KERNELS_CPU_PROCESSOR_H_
#define SWITCHYARD_KERNELS_CPU_PROCESSOR_H_

#include "absl/status/status.h"
#include "switchyard/kernels/instruction_set.h"

namespace switchyard::kernels::cpu {

// Only asks: what a process needs permission for is requested by
// LimitInstructionSet.
InstructionSet DetectInstructionSet();

// For isa up to the detected one. An error if oneDNN, which takes one limit
// before its first use, is fixed to another, or if the system refuses.
absl::Status LimitInstructionSet(InstructionSet isa);

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_PROCESSOR_H_
