// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Products whose operands only the device knows: arrays of addresses in its
// memory.
#ifndef SWITCHYARD_TESTS_EMULATION_CUBLAS_POINTER_ARRAY_H_
#define SWITCHYARD_TESTS_EMULATION_CUBLAS_POINTER_ARRAY_H_

#include <vector>

#include "cublas/gemm_call.h"

namespace switchyard::emulation {

struct PointerArrays {
  const void* const* a;
  const void* const* b;
  void* const* c;
};
struct PointedProduct {
  GemmShape shape;
  Types types;
  std::function<void(Product&)> set_scalars;
};

// Whether the arrays have so many entries, all in memory of the device.
cublasStatus_t CheckArrays(const char* call, cublasHandle_t handle,
                           const PointerArrays& arrays, int count);

// Entry i of the arrays is for product i. An entry that is no address of the
// device is found when the call runs, and is the device's failure.
cublasStatus_t RunPointedProducts(const char* call, cublasHandle_t handle,
                                  std::vector<PointedProduct> products,
                                  const PointerArrays& arrays);

}  // namespace switchyard::emulation

#endif  // SWITCHYARD_TESTS_EMULATION_CUBLAS_POINTER_ARRAY_H_
