// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// What the calls for products have in common: checks, and how they run.
#ifndef SWITCHYARD_TESTS_EMULATION_CUBLAS_GEMM_CALL_H_
#define SWITCHYARD_TESTS_EMULATION_CUBLAS_GEMM_CALL_H_

#include <functional>
#include <string>

#include "cublas/handle.h"
#include "cublas/product.h"

namespace switchyard::emulation {

struct Types {
  cudaDataType a, b, c;
  cublasComputeType_t compute;
};
struct GemmShape {
  cublasOperation_t transa, transb;
  int m, n, k;
  int lda, ldb, ldc;
};
// Where scalars are, as the handle's pointer mode says.
struct Scalars {
  const void* alpha;
  const void* beta;
};
struct Operands {
  const void* a;
  const void* b;
  void* c;
};

// `grouped`: of cublasGemmGroupedBatchedEx, which takes fewer.
cublasStatus_t CheckTypes(const char* call, const Types& types, bool grouped);
cublasStatus_t CheckShape(const char* call, const GemmShape& shape);
// Empty if the product's matrices are memory of this device, else what is
// wrong.
std::string CheckOperands(const Product& product, int device);

Product MakeProduct(const GemmShape& shape, const Types& types,
                    const Operands& operands);

cublasStatus_t CheckScalars(const char* call, cublasHandle_t handle,
                            const Scalars& scalars);
// Sets a product's alpha and beta. Scalars of the host are read when the setter
// is made, those of the device when it is called, while the call runs.
std::function<void(Product&)> MakeScalarSetter(cublasHandle_t handle,
                                               const Scalars& scalars);

// Runs the product and tells the race checker. The device's mutex is held.
void RunProduct(const Product& product);

// Runs `work` in the order of the handle's stream, with the device's mutex.
cublasStatus_t EnqueueBlas(const char* call, cublasHandle_t handle,
                           std::function<void()> work);

}  // namespace switchyard::emulation

#endif  // SWITCHYARD_TESTS_EMULATION_CUBLAS_GEMM_CALL_H_
