// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Counts allocations and mappings of the program and of its libraries (the C
// library maps memory for its malloc by itself, but then malloc was called). It
// replaces those functions in the program that links it.
#ifndef SWITCHYARD_TESTS_MULTI_RANK_ALLOCATION_COUNTER_H_
#define SWITCHYARD_TESTS_MULTI_RANK_ALLOCATION_COUNTER_H_

#include <cstdint>

namespace switchyard::testing {

// On all threads, from here to StopCounting, which returns the number. What
// oneDNN allocates while it executes a primitive is left out: it does so at
// every bf16 product (docs/adr/0004-fp32-products.md).
void StartCounting();
int64_t StopCounting();

}  // namespace switchyard::testing

#endif  // SWITCHYARD_TESTS_MULTI_RANK_ALLOCATION_COUNTER_H_
