// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The instruction set of the CPU's operators: the one global setting. Results
// are a function of it (docs/numerics.md, "One arithmetic on all ranks"), so
// ranks agree on the least one among them before the first operator.
#ifndef SWITCHYARD_KERNELS_INSTRUCTION_SET_H_
#define SWITCHYARD_KERNELS_INSTRUCTION_SET_H_

#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace switchyard::kernels {

// In ascending order. Each includes those before it.
enum class InstructionSet {
  kBaseline = 0,    // what the compiler assumes
  kAvx2 = 1,        // with FMA and F16C
  kAvx512 = 2,      // F, BW, CD, DQ, VL
  kAvx512Bf16 = 3,  // with BF16 products
  kAmx = 4,         // with AMX-BF16 tiles
};

// "baseline", "avx2", "avx512", "avx512_bf16", "amx".
const char* NameOf(InstructionSet isa);
// An error names the known ones.
absl::StatusOr<InstructionSet> ParseInstructionSet(std::string_view name);

// The widest that this processor has.
InstructionSet BestInstructionSet();

// Fixes the instruction set of all operators of this process. Call it before
// the first operator, or not at all (then it is the best one). Asking again for
// the same one is fine; for another one, for one that the processor lacks, or
// for another than that to which the host program fixed oneDNN before, is an
// error.
absl::Status SetInstructionSet(InstructionSet isa);

// What operators use. If nothing was set, fixes the best one, or, where the
// host program used or limited oneDNN before, the one that this left.
InstructionSet CurrentInstructionSet();

// The widest that operators of this process may still use: what was fixed, or
// else the best one. Fixes nothing.
InstructionSet WidestInstructionSet();

// True if bf16 products are made by the processor; otherwise operands go
// through fp32 (exact) and products accumulate in fp32.
bool HasBFloat16Products();

}  // namespace switchyard::kernels

#endif  // SWITCHYARD_KERNELS_INSTRUCTION_SET_H_
