// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/cuda/blas.h"

#include <cublas_v2.h>

#include <algorithm>
#include <limits>
#include <memory>

#include "switchyard/base/check.h"
#include "switchyard/base/cuda/cuda_device_impl.h"
#include "switchyard/base/cuda/stream_scratch.h"

namespace switchyard::kernels::cuda {
namespace {

// What cuBLAS itself takes on the newest GPUs.
constexpr size_t kWorkspaceBytes = size_t{32} << 20;

void CheckBlas(cublasStatus_t status, const char* call) {
  SWITCHYARD_CHECK(status == CUBLAS_STATUS_SUCCESS)
      << call << ": " << cublasGetStatusString(status);
}

// Of one stream; lives with it.
class BlasHandle {
 public:
  explicit BlasHandle(CudaStream& stream) : device_(stream.cuda_device()) {
    device_.Rest();
    CheckBlas(cublasCreate(&handle_), "cublasCreate");
    CheckBlas(cublasSetStream(handle_, stream.handle()), "cublasSetStream");
    // Else partial sums of bf16 products may be added in bf16.
    CheckBlas(cublasSetMathMode(
                  handle_, CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION),
              "cublasSetMathMode");
    workspace_ = device_.Allocate(kWorkspaceBytes);
    CheckBlas(cublasSetWorkspace(handle_, workspace_, kWorkspaceBytes),
              "cublasSetWorkspace");
  }
  ~BlasHandle() {
    CheckBlas(cublasDestroy(handle_), "cublasDestroy");
    device_.Free(workspace_, kWorkspaceBytes);
  }
  BlasHandle(const BlasHandle&) = delete;
  BlasHandle& operator=(const BlasHandle&) = delete;

  cublasHandle_t get() const { return handle_; }

 private:
  CudaDevice& device_;
  cublasHandle_t handle_ = nullptr;
  void* workspace_ = nullptr;
};

cublasHandle_t HandleOf(CudaStream& stream) {
  std::shared_ptr<void>& kept = stream.products();
  if (kept == nullptr) kept = std::make_shared<BlasHandle>(stream);
  return static_cast<BlasHandle*>(kept.get())->get();
}

cudaDataType_t TypeOf(const ConstTensorView& view) {
  return view.dtype() == DType::kFloat32 ? CUDA_R_32F : CUDA_R_16BF;
}

cublasOperation_t OperationOf(Transpose transpose) {
  return transpose == Transpose::kYes ? CUBLAS_OP_T : CUBLAS_OP_N;
}

int Int(int64_t size) {
  SWITCHYARD_CHECK(size <= std::numeric_limits<int>::max()) << size;
  return static_cast<int>(size);
}

// Elements from one row to the next. A matrix of one row may have any.
int Leading(const ConstTensorView& view) {
  return Int(std::max<int64_t>(view.row_stride(), 1));
}

// It may take a second kernel, such as one that adds partial sums.
void CountProduct(CudaStream& stream) {
  stream.CountWork(1);
  stream.cuda_device().CountLaunch();
}

// cuBLAS counts columns first: to it a row-major matrix is its transpose, so
// cᵀ = op(b)ᵀ · op(a)ᵀ is asked for.
void Ask(CudaStream& stream, const MatMulArgs& args, int64_t inner) {
  stream.MakeRoom();
  const float one = 1.0f;
  const float beta = args.accumulate ? 1.0f : 0.0f;
  CheckBlas(cublasGemmEx(HandleOf(stream), OperationOf(args.transpose_b),
                         OperationOf(args.transpose_a), Int(args.c.dim(1)),
                         Int(args.c.dim(0)), Int(inner), &one, args.b.raw(),
                         TypeOf(args.b), Leading(args.b), args.a.raw(),
                         TypeOf(args.a), Leading(args.a), &beta, args.c.raw(),
                         TypeOf(args.c), Leading(args.c), CUBLAS_COMPUTE_32F,
                         CUBLAS_GEMM_DEFAULT),
            "cublasGemmEx");
  CountProduct(stream);
}

// The arrays of one grouped call: a group for each product.
struct Groups {
  std::vector<int> rows, columns, inner;
  std::vector<int> a_leading, b_leading, c_leading;
  std::vector<const void*> a, b;
  std::vector<void*> c;

  void Add(const RaggedProduct& product) {
    rows.push_back(Int(product.c.dim(0)));
    columns.push_back(Int(product.c.dim(1)));
    inner.push_back(Int(product.a.dim(1)));
    a_leading.push_back(Leading(product.a));
    b_leading.push_back(Leading(product.b));
    c_leading.push_back(Leading(product.c));
    a.push_back(product.a.raw());
    b.push_back(product.b.raw());
    c.push_back(product.c.raw());
  }
};

bool IsAligned(const ConstTensorView& view) {
  constexpr int64_t kBytes = 16;
  const int64_t pitch =
      view.row_stride() * static_cast<int64_t>(SizeOf(view.dtype()));
  return reinterpret_cast<uintptr_t>(view.raw()) % kBytes == 0 &&
         pitch % kBytes == 0;
}

}  // namespace

void Multiply(CudaStream& stream, const MatMulArgs& args) {
  if (args.c.element_count() == 0) return;
  const int64_t inner = args.a.dim(args.transpose_a == Transpose::kYes ? 0 : 1);
  if (inner > 0) {
    Ask(stream, args, inner);
  } else if (!args.accumulate) {
    stream.Zero(args.c);
  }
}

void MultiplyRagged(CudaStream& stream,
                    const std::vector<RaggedProduct>& products,
                    Transpose transpose_b) {
  Groups groups;
  bool aligned = true;
  for (const RaggedProduct& product : products) {
    if (product.c.element_count() == 0) continue;
    groups.Add(product);
    aligned = aligned && IsAligned(product.a) && IsAligned(product.b) &&
              IsAligned(product.c);
  }
  if (groups.rows.empty()) return;
  if (!aligned) {
    for (const RaggedProduct& product : products) {
      Multiply(stream, {.a = product.a,
                        .b = product.b,
                        .transpose_b = transpose_b,
                        .c = product.c});
    }
    return;
  }
  const size_t count = groups.rows.size();
  const std::vector<cublasOperation_t> weights(count, OperationOf(transpose_b));
  const std::vector<cublasOperation_t> inputs(count, CUBLAS_OP_N);
  const std::vector<float> ones(count, 1.0f), zeros(count, 0.0f);
  const std::vector<int> sizes(count, 1);
  // cuBLAS reads the addresses on the device, the sizes here.
  const StreamScratch<const void*> a(stream, absl::MakeConstSpan(groups.a));
  const StreamScratch<const void*> b(stream, absl::MakeConstSpan(groups.b));
  const StreamScratch<void*> c(stream, absl::MakeConstSpan(groups.c));
  const cudaDataType_t type = TypeOf(products[0].a);
  stream.MakeRoom();
  CheckBlas(cublasGemmGroupedBatchedEx(
                HandleOf(stream), weights.data(), inputs.data(),
                groups.columns.data(), groups.rows.data(), groups.inner.data(),
                ones.data(), b.data(), type, groups.b_leading.data(), a.data(),
                type, groups.a_leading.data(), zeros.data(), c.data(), type,
                groups.c_leading.data(), Int(static_cast<int64_t>(count)),
                sizes.data(), CUBLAS_COMPUTE_32F),
            "cublasGemmGroupedBatchedEx");
  CountProduct(stream);
}

}  // namespace switchyard::kernels::cuda
