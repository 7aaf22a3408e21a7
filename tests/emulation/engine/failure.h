// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The device's failure: the first is kept, and holds until ClearFailure().
#ifndef SWITCHYARD_TESTS_EMULATION_ENGINE_FAILURE_H_
#define SWITCHYARD_TESTS_EMULATION_ENGINE_FAILURE_H_

#include <string>

#include "emulation/control.h"

namespace switchyard::emulation {

void RecordFailure(const std::string& text);
bool DeviceFailed();
void ForgetFailure();

// Counted by the engine.
Counters& mutable_counters();

}  // namespace switchyard::emulation

#endif  // SWITCHYARD_TESTS_EMULATION_ENGINE_FAILURE_H_
