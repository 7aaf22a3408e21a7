// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#ifndef SWITCHYARD_TESTS_EMULATION_RACES_DEVICE_CHECKS_H_
#define SWITCHYARD_TESTS_EMULATION_RACES_DEVICE_CHECKS_H_

#include "races/clocks.h"
#include "races/shadow.h"

namespace switchyard::emulation {

// The kernel of this operation starts; null: nothing is checked.
void BeginKernelChecks(const Operation* operation);

// The device needs addresses of vectors to be multiples of their size.
[[noreturn]] void FailMisaligned(const void* address, size_t bytes,
                                 AccessKind kind, const void* pc);

}  // namespace switchyard::emulation

#endif  // SWITCHYARD_TESTS_EMULATION_RACES_DEVICE_CHECKS_H_
