// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The end of a process that gets no more memory. That is the environment's
// error, not a bug: one sentence instead of an abort with its stack.
#ifndef SWITCHYARD_BASE_OUT_OF_MEMORY_H_
#define SWITCHYARD_BASE_OUT_OF_MEMORY_H_

#include <cstddef>

namespace switchyard {

// Prints the sentence, calls the fatal handler (check.h) and ends the process
// with exit code 1. `bytes` were asked for; 0: it is not known how many.
[[noreturn]] void EndOutOfMemory(size_t bytes);

// Likewise where a GPU has no `bytes` more: of its `total` so many are `free`.
[[noreturn]] void EndOutOfDeviceMemory(const char* device, size_t bytes,
                                       size_t free, size_t total);

}  // namespace switchyard

#endif  // SWITCHYARD_BASE_OUT_OF_MEMORY_H_
