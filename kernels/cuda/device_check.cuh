// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// A check of values inside a kernel. One that fails prints the condition and
// its place and ends the kernel, and with it the process: the next call of CUDA
// fails.
#ifndef SWITCHYARD_KERNELS_CUDA_DEVICE_CHECK_CUH_
#define SWITCHYARD_KERNELS_CUDA_DEVICE_CHECK_CUH_

#include <cstdio>

#include "switchyard/kernels/cuda/portable.cuh"

#define SWITCHYARD_DEVICE_CHECK(condition)                                 \
  do {                                                                     \
    if (!(condition)) {                                                    \
      printf("%s:%d: check failed: %s\n", __FILE__, __LINE__, #condition); \
      __trap();                                                            \
    }                                                                      \
  } while (false)

#endif  // SWITCHYARD_KERNELS_CUDA_DEVICE_CHECK_CUH_
