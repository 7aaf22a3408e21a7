// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// What operators share that read chosen experts and make gates.
#ifndef SWITCHYARD_KERNELS_CPU_CHOSEN_EXPERTS_H_
#define SWITCHYARD_KERNELS_CPU_CHOSEN_EXPERTS_H_

#include <cstdint>

#include "switchyard/base/check.h"

namespace switchyard::kernels::cpu {

// Keeps a quotient by a sum of scores finite where all of them are 0.
inline constexpr float kLeastSum = 1e-20f;

// An expert that does not exist is a bug of whoever chose it.
inline int32_t CheckedExpert(int32_t expert, int64_t experts) {
  SWITCHYARD_CHECK(0 <= expert && expert < experts)
      << "expert " << expert << " of " << experts;
  return expert;
}

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_CHOSEN_EXPERTS_H_
