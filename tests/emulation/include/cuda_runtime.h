// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Stands in for CUDA's header of this name: the runtime API, and what device
// code needs, for a host compiler.
#ifndef SWITCHYARD_TESTS_EMULATION_CUDA_RUNTIME_H_
#define SWITCHYARD_TESTS_EMULATION_CUDA_RUNTIME_H_

#include "emulation/arithmetic.h"
#include "emulation/device_thread.h"
#include "emulation/driver_types.h"
#include "emulation/launch.h"
#include "emulation/memory_operations.h"
#include "emulation/runtime_api.h"
#include "emulation/synchronization.h"
#include "emulation/vector_types.h"

#endif  // SWITCHYARD_TESTS_EMULATION_CUDA_RUNTIME_H_
