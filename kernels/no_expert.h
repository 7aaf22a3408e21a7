// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#ifndef SWITCHYARD_KERNELS_NO_EXPERT_H_
#define SWITCHYARD_KERNELS_NO_EXPERT_H_

#include <cstdint>

namespace switchyard::kernels {

// In the place of an expert: the token has no assignment there. Nobody counts
// it, no row is made for it, and its gate has no gradient.
inline constexpr int32_t kNoExpert = -1;

}  // namespace switchyard::kernels

#endif  // SWITCHYARD_KERNELS_NO_EXPERT_H_
