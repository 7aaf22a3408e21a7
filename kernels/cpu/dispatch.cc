// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/cpu/dispatch.h"

namespace switchyard::kernels::cpu {
namespace {

hwy::ChosenTarget target;

}  // namespace

const hwy::ChosenTarget& HighwayTarget() {
  CurrentInstructionSet();  // fixes one if nobody has
  return target;
}

void SetHighwayTarget(InstructionSet isa) {
  int64_t targets = 0;  // only what the compiler assumes
  if (isa >= InstructionSet::kAvx2) targets |= HWY_AVX2;
  if (isa >= InstructionSet::kAvx512) targets |= HWY_AVX3;
  target.Update(targets);
}

}  // namespace switchyard::kernels::cpu
