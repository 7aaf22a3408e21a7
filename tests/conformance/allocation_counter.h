// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Counts the calls of operator new in the program that it is linked into.
#ifndef SWITCHYARD_TESTS_CONFORMANCE_ALLOCATION_COUNTER_H_
#define SWITCHYARD_TESTS_CONFORMANCE_ALLOCATION_COUNTER_H_

#include <cstdint>

namespace switchyard::comm {

// Of the calling thread, so far.
int64_t AllocationCount();

}  // namespace switchyard::comm

#endif  // SWITCHYARD_TESTS_CONFORMANCE_ALLOCATION_COUNTER_H_
