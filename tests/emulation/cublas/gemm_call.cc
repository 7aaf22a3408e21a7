// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "cublas/gemm_call.h"

#include <algorithm>
#include <mutex>
#include <utility>

#include "races/race_checks.h"
#include "runtime/memory.h"
#include "runtime/stream.h"

namespace switchyard::emulation {
namespace {

// Two calls that may run at once must not have one workspace; its start stands
// for all of it.
constexpr size_t kNotedWorkspaceBytes = 64;

void NoteMatrix(const Matrix& matrix, AccessKind kind) {
  const size_t bytes = matrix.rows * matrix.element_bytes();
  if (matrix.rows == matrix.leading) {
    NoteRange(matrix.address, bytes * matrix.columns, kind);
    return;
  }
  for (int column = 0; column < matrix.columns; ++column) {
    const size_t offset =
        static_cast<size_t>(column) * matrix.leading * matrix.element_bytes();
    NoteRange(static_cast<char*>(matrix.address) + offset, bytes, kind);
  }
}

std::string CheckMatrix(const char* name, const Matrix& matrix, int device) {
  const size_t bytes = matrix.span_bytes();
  if (bytes == 0) return "";
  std::string problem = CheckDeviceRange(matrix.address, bytes, device);
  if (problem.empty() &&
      reinterpret_cast<size_t>(matrix.address) % matrix.element_bytes() != 0) {
    problem = "is not aligned to its elements";
  }
  return problem.empty() ? problem : std::string(name) + " " + problem;
}

Matrix MakeMatrix(const void* address, cudaDataType type, int leading,
                  bool transposed, std::pair<int, int> size) {
  // `size` is that of op(matrix).
  if (transposed) std::swap(size.first, size.second);
  return {const_cast<void*>(address),
          type,
          size.first,
          size.second,
          leading,
          transposed};
}

bool OnDevice(const void* address) {
  const auto found = Memory::Get().Find(address);
  return found && found->kind == MemoryKind::kDevice;
}

}  // namespace

cublasStatus_t CheckTypes(const char* call, const Types& types, bool grouped) {
  const bool fp32 =
      types.a == CUDA_R_32F && types.b == CUDA_R_32F && types.c == CUDA_R_32F;
  const bool bf16 = types.a == CUDA_R_16BF && types.b == CUDA_R_16BF &&
                    (types.c == CUDA_R_16BF || !grouped);
  const bool compute = types.compute == CUBLAS_COMPUTE_32F ||
                       types.compute == CUBLAS_COMPUTE_32F_PEDANTIC;
  if (compute && (fp32 || bf16)) return CUBLAS_STATUS_SUCCESS;
  return BlasError(
      CUBLAS_STATUS_NOT_SUPPORTED,
      std::string(call) + ": operands of types " + std::to_string(types.a) +
          " and " + std::to_string(types.b) + ", a result of type " +
          std::to_string(types.c) + " and compute type " +
          std::to_string(types.compute) + " are not supported together");
}

cublasStatus_t CheckShape(const char* call, const GemmShape& shape) {
  const int a_rows = shape.transa == CUBLAS_OP_N ? shape.m : shape.k;
  const int b_rows = shape.transb == CUBLAS_OP_N ? shape.k : shape.n;
  if (shape.m >= 0 && shape.n >= 0 && shape.k >= 0 &&
      shape.lda >= std::max(1, a_rows) && shape.ldb >= std::max(1, b_rows) &&
      shape.ldc >= std::max(1, shape.m)) {
    return CUBLAS_STATUS_SUCCESS;
  }
  return BlasError(
      CUBLAS_STATUS_INVALID_VALUE,
      std::string(call) + ": m " + std::to_string(shape.m) + ", n " +
          std::to_string(shape.n) + ", k " + std::to_string(shape.k) +
          " with leading dimensions " + std::to_string(shape.lda) + ", " +
          std::to_string(shape.ldb) + " and " + std::to_string(shape.ldc));
}

Product MakeProduct(const GemmShape& shape, const Types& types,
                    const Operands& operands) {
  Product product;
  product.a = MakeMatrix(operands.a, types.a, shape.lda,
                         shape.transa != CUBLAS_OP_N, {shape.m, shape.k});
  product.b = MakeMatrix(operands.b, types.b, shape.ldb,
                         shape.transb != CUBLAS_OP_N, {shape.k, shape.n});
  product.c =
      MakeMatrix(operands.c, types.c, shape.ldc, false, {shape.m, shape.n});
  product.k = shape.k;
  return product;
}

std::string CheckOperands(const Product& product, int device) {
  if (product.c.span_bytes() == 0) return "";
  for (const auto& [name, matrix] :
       {std::pair<const char*, const Matrix&>{"A", product.a},
        {"B", product.b},
        {"C", product.c}}) {
    std::string problem = CheckMatrix(name, matrix, device);
    if (!problem.empty()) return problem;
  }
  return "";
}

cublasStatus_t CheckScalars(const char* call, cublasHandle_t handle,
                            const Scalars& scalars) {
  const bool device = handle->pointer_mode == CUBLAS_POINTER_MODE_DEVICE;
  if (scalars.alpha != nullptr && scalars.beta != nullptr &&
      OnDevice(scalars.alpha) == device && OnDevice(scalars.beta) == device) {
    return CUBLAS_STATUS_SUCCESS;
  }
  return BlasError(CUBLAS_STATUS_INVALID_VALUE,
                   std::string(call) +
                       ": alpha and beta must be in memory of "
                       "the " +
                       (device ? "device" : "host"));
}

std::function<void(Product&)> MakeScalarSetter(cublasHandle_t handle,
                                               const Scalars& scalars) {
  const auto* const alpha = static_cast<const float*>(scalars.alpha);
  const auto* const beta = static_cast<const float*>(scalars.beta);
  if (handle->pointer_mode == CUBLAS_POINTER_MODE_HOST) {
    return [alpha = *alpha, beta = *beta](Product& product) {
      product.alpha = alpha;
      product.beta = beta;
    };
  }
  return [alpha, beta](Product& product) {
    NoteRange(alpha, sizeof *alpha, AccessKind::kRead);
    NoteRange(beta, sizeof *beta, AccessKind::kRead);
    product.alpha = *alpha;
    product.beta = *beta;
  };
}

void RunProduct(const Product& product) {
  if (product.c.span_bytes() == 0) return;
  NoteMatrix(product.a, AccessKind::kRead);
  NoteMatrix(product.b, AccessKind::kRead);
  if (product.beta != 0) NoteMatrix(product.c, AccessKind::kRead);
  NoteMatrix(product.c, AccessKind::kWrite);
  Multiply(product);
}

cublasStatus_t EnqueueBlas(const char* call, cublasHandle_t handle,
                           std::function<void()> work) {
  const auto run = [workspace = handle->workspace,
                    bytes = handle->workspace_bytes, work = std::move(work)] {
    const std::lock_guard lock(DeviceMutex());
    NoteRange(workspace, std::min(bytes, kNotedWorkspaceBytes),
              AccessKind::kWrite);
    work();
  };
  if (Enqueue(handle->stream, call, run) == cudaSuccess) {
    return CUBLAS_STATUS_SUCCESS;
  }
  return BlasError(CUBLAS_STATUS_EXECUTION_FAILED, call);
}

}  // namespace switchyard::emulation
