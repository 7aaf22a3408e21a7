// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Alone in its file, so that a test can answer otherwise.
#include "switchyard/kernels/cpu/product.h"
#include "switchyard/kernels/instruction_set.h"

namespace switchyard::kernels::cpu {

bool UsesOneDnn(DType dtype) {
  return dtype == DType::kBFloat16 && HasBFloat16Products();
}

}  // namespace switchyard::kernels::cpu
