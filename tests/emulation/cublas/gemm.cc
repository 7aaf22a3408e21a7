// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// One product, and batches of one shape.
#include <vector>

#include "cublas/gemm_call.h"
#include "cublas/pointer_array.h"

namespace switchyard::emulation {
namespace {

cublasStatus_t CheckGemm(const char* call, cublasHandle_t handle,
                         const GemmShape& shape, const Types& types,
                         const Scalars& scalars) {
  SWITCHYARD_EMULATION_RETURN_IF_BLAS_ERROR(CheckHandle(call, handle));
  SWITCHYARD_EMULATION_RETURN_IF_BLAS_ERROR(CheckTypes(call, types, false));
  SWITCHYARD_EMULATION_RETURN_IF_BLAS_ERROR(CheckShape(call, shape));
  return CheckScalars(call, handle, scalars);
}

// Products whose operands the host knows.
cublasStatus_t RunProducts(const char* call, cublasHandle_t handle,
                           std::vector<Product> products,
                           const Scalars& scalars) {
  for (const Product& product : products) {
    const std::string problem = CheckOperands(product, handle->device);
    if (!problem.empty()) {
      return BlasError(CUBLAS_STATUS_INVALID_VALUE,
                       std::string(call) + ": " + problem);
    }
  }
  const auto set_scalars = MakeScalarSetter(handle, scalars);
  return EnqueueBlas(call, handle, [products, set_scalars]() mutable {
    for (Product& product : products) {
      set_scalars(product);
      RunProduct(product);
    }
  });
}

const void* Advance(const void* address, cudaDataType type, long long count) {
  return static_cast<const char*>(address) +
         count * (type == CUDA_R_32F ? 4 : 2);
}

}  // namespace
}  // namespace switchyard::emulation

using switchyard::emulation::Advance;
using switchyard::emulation::BlasError;
using switchyard::emulation::CheckGemm;
using switchyard::emulation::GemmShape;
using switchyard::emulation::MakeProduct;
using switchyard::emulation::Operands;
using switchyard::emulation::Product;
using switchyard::emulation::RunProducts;
using switchyard::emulation::Scalars;
using switchyard::emulation::Types;

cublasStatus_t cublasGemmEx(cublasHandle_t handle, cublasOperation_t transa,
                            cublasOperation_t transb, int m, int n, int k,
                            const void* alpha, const void* a,
                            cudaDataType a_type, int lda, const void* b,
                            cudaDataType b_type, int ldb, const void* beta,
                            void* c, cudaDataType c_type, int ldc,
                            cublasComputeType_t compute_type,
                            cublasGemmAlgo_t) {
  constexpr char kCall[] = "cublasGemmEx";
  const GemmShape shape = {transa, transb, m, n, k, lda, ldb, ldc};
  const Types types = {a_type, b_type, c_type, compute_type};
  const Scalars scalars = {alpha, beta};
  SWITCHYARD_EMULATION_RETURN_IF_BLAS_ERROR(
      CheckGemm(kCall, handle, shape, types, scalars));
  return RunProducts(kCall, handle, {MakeProduct(shape, types, {a, b, c})},
                     scalars);
}

cublasStatus_t cublasGemmStridedBatchedEx(
    cublasHandle_t handle, cublasOperation_t transa, cublasOperation_t transb,
    int m, int n, int k, const void* alpha, const void* a, cudaDataType a_type,
    int lda, long long stride_a, const void* b, cudaDataType b_type, int ldb,
    long long stride_b, const void* beta, void* c, cudaDataType c_type, int ldc,
    long long stride_c, int batch_count, cublasComputeType_t compute_type,
    cublasGemmAlgo_t) {
  constexpr char kCall[] = "cublasGemmStridedBatchedEx";
  const GemmShape shape = {transa, transb, m, n, k, lda, ldb, ldc};
  const Types types = {a_type, b_type, c_type, compute_type};
  const Scalars scalars = {alpha, beta};
  SWITCHYARD_EMULATION_RETURN_IF_BLAS_ERROR(
      CheckGemm(kCall, handle, shape, types, scalars));
  if (batch_count < 0) {
    return BlasError(CUBLAS_STATUS_INVALID_VALUE,
                     std::string(kCall) + ": a batch of less than nothing");
  }
  std::vector<Product> products;
  for (int i = 0; i < batch_count; ++i) {
    const Operands operands = {
        Advance(a, a_type, i * stride_a), Advance(b, b_type, i * stride_b),
        const_cast<void*>(Advance(c, c_type, i * stride_c))};
    products.push_back(MakeProduct(shape, types, operands));
  }
  return RunProducts(kCall, handle, std::move(products), scalars);
}

cublasStatus_t cublasGemmBatchedEx(
    cublasHandle_t handle, cublasOperation_t transa, cublasOperation_t transb,
    int m, int n, int k, const void* alpha, const void* const a_array[],
    cudaDataType a_type, int lda, const void* const b_array[],
    cudaDataType b_type, int ldb, const void* beta, void* const c_array[],
    cudaDataType c_type, int ldc, int batch_count,
    cublasComputeType_t compute_type, cublasGemmAlgo_t) {
  constexpr char kCall[] = "cublasGemmBatchedEx";
  const GemmShape shape = {transa, transb, m, n, k, lda, ldb, ldc};
  const Types types = {a_type, b_type, c_type, compute_type};
  const Scalars scalars = {alpha, beta};
  SWITCHYARD_EMULATION_RETURN_IF_BLAS_ERROR(
      CheckGemm(kCall, handle, shape, types, scalars));
  const switchyard::emulation::PointerArrays arrays = {a_array, b_array,
                                                       c_array};
  SWITCHYARD_EMULATION_RETURN_IF_BLAS_ERROR(
      CheckArrays(kCall, handle, arrays, batch_count));
  std::vector<switchyard::emulation::PointedProduct> products(batch_count);
  for (auto& product : products) {
    product = {shape, types, MakeScalarSetter(handle, scalars)};
  }
  return RunPointedProducts(kCall, handle, std::move(products), arrays);
}
