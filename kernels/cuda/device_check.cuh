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

#define SWITCHYARD_TEXT_OF_INNER(value) #value
#define SWITCHYARD_TEXT_OF(value) SWITCHYARD_TEXT_OF_INNER(value)

#ifdef __CUDACC__
#define SWITCHYARD_FAIL_KERNEL(text) (printf("%s\n", text), __trap())
#else
#define SWITCHYARD_FAIL_KERNEL(text) ::switchyard::emulation::FailKernel(text)
#endif

#define SWITCHYARD_DEVICE_CHECK(condition)                    \
  do {                                                        \
    if (!(condition)) {                                       \
      SWITCHYARD_FAIL_KERNEL(__FILE__ ":" SWITCHYARD_TEXT_OF( \
          __LINE__) ": check failed: " #condition);           \
    }                                                         \
  } while (false)

#endif  // SWITCHYARD_KERNELS_CUDA_DEVICE_CHECK_CUH_
