// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#ifndef SWITCHYARD_TESTS_EMULATION_CUDA_RUNTIME_API_H_
#define SWITCHYARD_TESTS_EMULATION_CUDA_RUNTIME_API_H_

#include "emulation/runtime_api.h"

#endif  // SWITCHYARD_TESTS_EMULATION_CUDA_RUNTIME_API_H_
