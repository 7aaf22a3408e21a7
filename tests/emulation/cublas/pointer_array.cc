// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "cublas/pointer_array.h"

#include <utility>

#include "engine/failure.h"
#include "races/race_checks.h"
#include "runtime/memory.h"

namespace switchyard::emulation {
namespace {

using NamedArray = std::pair<const char*, const void*>;

std::vector<NamedArray> Named(const PointerArrays& arrays) {
  return {{"A", arrays.a}, {"B", arrays.b}, {"C", arrays.c}};
}

}  // namespace

cublasStatus_t CheckArrays(const char* call, cublasHandle_t handle,
                           const PointerArrays& arrays, int count) {
  if (count < 0) {
    return BlasError(CUBLAS_STATUS_INVALID_VALUE,
                     std::string(call) + ": a batch of less than nothing");
  }
  if (count == 0) return CUBLAS_STATUS_SUCCESS;
  for (const auto& [name, array] : Named(arrays)) {
    const std::string problem =
        CheckDeviceRange(array, count * sizeof(void*), handle->device);
    if (!problem.empty()) {
      return BlasError(CUBLAS_STATUS_INVALID_VALUE,
                       std::string(call) + ": the array of addresses of " +
                           name + " " + problem);
    }
  }
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t RunPointedProducts(const char* call, cublasHandle_t handle,
                                  std::vector<PointedProduct> products,
                                  const PointerArrays& arrays) {
  const int device = handle->device;
  const auto run = [call = std::string(call), products = std::move(products),
                    arrays, device] {
    for (const auto& [name, array] : Named(arrays)) {
      NoteRange(array, products.size() * sizeof(void*), AccessKind::kRead);
    }
    for (size_t i = 0; i < products.size(); ++i) {
      Product product = MakeProduct(products[i].shape, products[i].types,
                                    {arrays.a[i], arrays.b[i], arrays.c[i]});
      products[i].set_scalars(product);
      const std::string problem = CheckOperands(product, device);
      if (!problem.empty()) {
        RecordFailure(call + ", product " + std::to_string(i) + ": " + problem);
        return;
      }
      RunProduct(product);
    }
  };
  return EnqueueBlas(call, handle, run);
}

}  // namespace switchyard::emulation
