// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// State tensors (router biases) begin at 0, where many mistakes do not show.
#ifndef SWITCHYARD_TESTS_SUPPORT_STATE_VALUES_H_
#define SWITCHYARD_TESTS_SUPPORT_STATE_VALUES_H_

#include <cstdint>

#include "switchyard/base/stream.h"
#include "switchyard/runtime/nn/parameter.h"

namespace switchyard::testing {

// Sets every state tensor to values on [-0.1, 0.1), a function of (seed, name,
// element) alone, so the same on every layout: enough to change the order of
// near scores, too little to decide alone. On the device of `stream`.
void SetStateValues(Stream& stream, const ParameterStore& store, uint64_t seed);

}  // namespace switchyard::testing

#endif  // SWITCHYARD_TESTS_SUPPORT_STATE_VALUES_H_
