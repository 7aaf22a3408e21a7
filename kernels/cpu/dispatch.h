// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// From a function to its version for this process's instruction set. A file of
// vector code looks like fixed_point.cc: functions on plain pointers inside
// HWY_NAMESPACE, one dispatch per operator, threads outside.
//
//   HWY_EXPORT(AddBlock);
//   const auto add_block = SWITCHYARD_DISPATCH(AddBlock);
//   ParallelForBlocks(..., [&](...) { add_block(...); });
#ifndef SWITCHYARD_KERNELS_CPU_DISPATCH_H_
#define SWITCHYARD_KERNELS_CPU_DISPATCH_H_

#include "hwy/highway.h"
#include "switchyard/kernels/instruction_set.h"

namespace switchyard::kernels::cpu {

// The choice is kept here and not in Highway's own variable, which belongs to
// the whole process: a host program that uses Highway keeps its choice.
const hwy::ChosenTarget& HighwayTarget();
void SetHighwayTarget(InstructionSet isa);

}  // namespace switchyard::kernels::cpu

#if (HWY_TARGETS & (HWY_TARGETS - 1)) == 0
#define SWITCHYARD_DISPATCH(function) (&HWY_STATIC_DISPATCH(function))
#else
#define SWITCHYARD_DISPATCH(function) \
  (HWY_DISPATCH_TABLE(                \
      function)[::switchyard::kernels::cpu::HighwayTarget().GetIndex()])
#endif

#endif  // SWITCHYARD_KERNELS_CPU_DISPATCH_H_
