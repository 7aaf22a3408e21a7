// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Products in groups of one shape each.
#include <vector>

#include "cublas/gemm_call.h"
#include "cublas/pointer_array.h"
#include "runtime/memory.h"

namespace switchyard::emulation {
namespace {

constexpr char kCall[] = "cublasGemmGroupedBatchedEx";

cublasStatus_t Invalid(const std::string& text) {
  return BlasError(CUBLAS_STATUS_INVALID_VALUE,
                   std::string(kCall) + ": " + text);
}

// The host reads these arrays.
cublasStatus_t CheckHostArrays(std::initializer_list<const void*> arrays) {
  for (const void* const array : arrays) {
    const auto found = Memory::Get().Find(array);
    if (array == nullptr || (found && found->kind == MemoryKind::kDevice)) {
      return Invalid(
          "an array of sizes, operations or scalars is not in "
          "memory of the host");
    }
  }
  return CUBLAS_STATUS_SUCCESS;
}

}  // namespace
}  // namespace switchyard::emulation

cublasStatus_t cublasGemmGroupedBatchedEx(
    cublasHandle_t handle, const cublasOperation_t transa_array[],
    const cublasOperation_t transb_array[], const int m_array[],
    const int n_array[], const int k_array[], const void* alpha_array,
    const void* const a_array[], cudaDataType a_type, const int lda_array[],
    const void* const b_array[], cudaDataType b_type, const int ldb_array[],
    const void* beta_array, void* const c_array[], cudaDataType c_type,
    const int ldc_array[], int group_count, const int group_size[],
    cublasComputeType_t compute_type) {
  using namespace switchyard::emulation;  // NOLINT: this call is of it
  const Types types = {a_type, b_type, c_type, compute_type};
  SWITCHYARD_EMULATION_RETURN_IF_BLAS_ERROR(CheckHandle(kCall, handle));
  SWITCHYARD_EMULATION_RETURN_IF_BLAS_ERROR(CheckTypes(kCall, types, true));
  if (group_count < 0) return Invalid("less than no groups");
  if (group_count == 0) return CUBLAS_STATUS_SUCCESS;
  if (handle->pointer_mode == CUBLAS_POINTER_MODE_DEVICE) {
    return BlasError(CUBLAS_STATUS_NOT_SUPPORTED,
                     std::string(kCall) + ": scalars in the device's memory");
  }
  SWITCHYARD_EMULATION_RETURN_IF_BLAS_ERROR(CheckHostArrays(
      {transa_array, transb_array, m_array, n_array, k_array, alpha_array,
       beta_array, lda_array, ldb_array, ldc_array, group_size}));
  std::vector<PointedProduct> products;
  for (int i = 0; i < group_count; ++i) {
    const GemmShape shape = {transa_array[i], transb_array[i], m_array[i],
                             n_array[i],      k_array[i],      lda_array[i],
                             ldb_array[i],    ldc_array[i]};
    SWITCHYARD_EMULATION_RETURN_IF_BLAS_ERROR(CheckShape(kCall, shape));
    if (group_size[i] < 0) return Invalid("a group of less than nothing");
    const Scalars scalars = {static_cast<const float*>(alpha_array) + i,
                             static_cast<const float*>(beta_array) + i};
    products.insert(products.end(), group_size[i],
                    {shape, types, MakeScalarSetter(handle, scalars)});
  }
  const PointerArrays arrays = {a_array, b_array, c_array};
  SWITCHYARD_EMULATION_RETURN_IF_BLAS_ERROR(
      CheckArrays(kCall, handle, arrays, static_cast<int>(products.size())));
  return RunPointedProducts(kCall, handle, std::move(products), arrays);
}
