// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Finds accesses that nothing orders: of two threads of a block without a
// barrier between, of two blocks of a launch, of operations of two streams that
// no event orders, of the host before it waited. And reads of what was never
// written, accesses outside allocations, device code that follows host
// addresses, host code that follows device addresses, misaligned accesses.
//
// Device code reports its accesses if it is compiled with -fsanitize=thread
// (races/thread_sanitizer_calls.cc); copies, cuBLAS and NCCL report theirs with
// NoteRange(). Host code that is not compiled so is not seen.
#ifndef SWITCHYARD_TESTS_EMULATION_RACES_RACE_CHECKS_H_
#define SWITCHYARD_TESTS_EMULATION_RACES_RACE_CHECKS_H_

#include <cstddef>

#include "races/shadow.h"

namespace switchyard::emulation {

extern bool g_race_checks;
inline bool RaceChecks() { return g_race_checks; }

// What the runtime reports of its memory.
void NoteAllocated(const void* address, size_t bytes);
void NoteFreed(const void* address, size_t bytes);
// Poison that was written into it does not count as a value.
void NoteUninitialised(const void* address, size_t bytes);

// An access to memory of the device, or pinned, by the operation that this
// thread executes. A race is the device's failure.
void NoteRange(const void* address, size_t bytes, AccessKind kind);
// A copy between them; what was not initialised still is not.
void NoteCopy(const void* to, const void* from, size_t bytes);

// An access by device code, at `pc`; a problem ends the kernel.
void NoteDeviceAccess(const void* address, size_t bytes, AccessKind kind,
                      const void* pc);
// An access by host code that is compiled to report it.
void NoteHostAccess(const void* address, size_t bytes, AccessKind kind,
                    const void* pc);

}  // namespace switchyard::emulation

#endif  // SWITCHYARD_TESTS_EMULATION_RACES_RACE_CHECKS_H_
