// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Logits of a chunk are read three times, twice of them from cache, and their
// gradients written once; products of matrices are most of the time.
#include <algorithm>
#include <cstdint>

#include "switchyard/kernels/cuda/blas.h"
#include "switchyard/kernels/cuda/device_check.cuh"
#include "switchyard/kernels/cuda/elements.cuh"
#include "switchyard/kernels/cuda/lm_head.h"
#include "switchyard/kernels/cuda/reductions.cuh"
#include "switchyard/kernels/fixed_point.h"

namespace switchyard::kernels::cuda {
namespace {

constexpr int kBlock = 256;

// The maximum over a block; `shared` has kWarp elements, and may be used again
// at once.
__device__ __forceinline__ float BlockMax(float value, float* shared) {
  value = WarpMax(value);
  if (Lane() == 0) shared[Warp()] = value;
  __syncthreads();
  value = shared[Lane() % WarpCount()];
  __syncthreads();
  return WarpMax(value);
}

// One block a token: its loss, and the gradients of its logits in `dlogits`
// (null: none), which may be the logits.
template <typename T>
__global__ void __launch_bounds__(kBlock)
    CrossEntropyKernel(Rows<const float> logits, const int32_t* labels,
                       int64_t vocabulary, float loss_scale, double* losses,
                       Rows<T> dlogits) {
  SWITCHYARD_SHARED(float, shared, [kWarp]);
  const int64_t token = blockIdx.x;
  const float* row = logits[token];
  const int32_t label = labels[token];
  const bool counted = label != kIgnoredLabel;
  SWITCHYARD_DEVICE_CHECK(!counted || (label >= 0 && label < vocabulary));
  float most = -INFINITY;
  for (int64_t i = threadIdx.x; i < vocabulary; i += kBlock) {
    most = fmaxf(most, row[i]);
  }
  most = BlockMax(most, shared);
  float sum = 0.0f;
  for (int64_t i = threadIdx.x; i < vocabulary; i += kBlock) {
    sum += expf(row[i] - most);
  }
  sum = BlockSum(sum, shared);
  if (threadIdx.x == 0) {
    losses[token] = counted ? static_cast<double>(most) - row[label] +
                                  static_cast<double>(logf(sum))
                            : 0.0;
  }
  if (dlogits.data == nullptr) return;
  __syncthreads();  // the loss is read before its logit is overwritten
  const float scale = counted ? loss_scale : 0.0f;
  const float factor = scale / sum;
  for (int64_t i = threadIdx.x; i < vocabulary; i += kBlock) {
    // What is ignored has no gradient, even of logits that are not finite.
    const float p = counted ? expf(row[i] - most) * factor : 0.0f;
    dlogits[token][i] = FromFloat<T>(i == label ? p - scale : p);
  }
}

// One block: every thread adds every kBlock-th loss, then the threads' sums in
// a tree. The order is the same for the same number of tokens.
__global__ void __launch_bounds__(kBlock)
    AddLossesKernel(const double* losses, int64_t tokens, double* sum) {
  SWITCHYARD_SHARED(double, shared, [kWarp]);
  double own = 0.0;
  for (int64_t i = threadIdx.x; i < tokens; i += kBlock) own += losses[i];
  own = BlockSum(own, shared);
  if (threadIdx.x == 0) *sum = own;
}

// A chunk of tokens: [begin, end).
class ChunkedHead {
 public:
  ChunkedHead(CudaStream& stream, const LmHeadLossArgs& args,
              const LmHeadScratch& scratch)
      : stream_(stream), args_(args), scratch_(scratch) {}

  void Run(int64_t begin, int64_t end) {
    const ConstTensorView x = args_.x.Rows(begin, end);
    const TensorView logits = scratch_.logits.Rows(0, end - begin);
    Multiply(stream_, {.a = x,
                       .b = args_.weight,
                       .transpose_b = Transpose::kYes,
                       .c = logits});
    const TensorView dlogits = CrossEntropy(begin, logits);
    if (args_.dx.defined()) {
      Multiply(
          stream_,
          {.a = dlogits, .b = args_.weight, .c = args_.dx.Rows(begin, end)});
    }
    if (!args_.gradient.sum.defined()) return;
    const bool integers = scratch_.leaf.defined();
    Multiply(stream_, {.a = dlogits,
                       .transpose_a = Transpose::kYes,
                       .b = x,
                       .c = integers ? scratch_.leaf : args_.gradient.sum,
                       .accumulate = !integers || begin > 0});
  }

 private:
  bool has_gradient() const {
    return args_.dx.defined() || args_.gradient.sum.defined();
  }

  // The gradients of the logits, in the operands' dtype.
  TensorView CrossEntropy(int64_t begin, const TensorView& logits) {
    const int64_t tokens = logits.dim(0);
    TensorView dlogits;
    if (has_gradient()) {
      dlogits = args_.x.dtype() == DType::kFloat32
                    ? logits
                    : scratch_.dlogits.Rows(0, tokens);
    }
    ForFloating(args_.x.dtype(), [&](auto zero) {
      using T = decltype(zero);
      SWITCHYARD_RUN(CrossEntropyKernel<T>, dim3(static_cast<unsigned>(tokens)),
                     dim3(kBlock), 0, stream_, RowsOf<float>(logits),
                     args_.labels.data<int32_t>() + begin, logits.dim(1),
                     args_.loss_scale, scratch_.losses.data<double>() + begin,
                     MutableRowsOf<T>(dlogits));
    });
    return dlogits;
  }

  CudaStream& stream_;
  const LmHeadLossArgs& args_;
  const LmHeadScratch& scratch_;
};

}  // namespace

void LmHeadLoss(Stream& stream, const LmHeadLossArgs& args,
                const LmHeadScratch& scratch) {
  CudaStream& cuda = CudaStreamOf(stream);
  const int64_t tokens = args.x.dim(0);
  ChunkedHead head(cuda, args, scratch);
  for (int64_t begin = 0; begin < tokens; begin += kLmHeadChunk) {
    head.Run(begin, std::min(begin + kLmHeadChunk, tokens));
  }
  SWITCHYARD_RUN(AddLossesKernel, dim3(1), dim3(kBlock), 0, cuda,
                 scratch.losses.data<double>(), tokens,
                 args.loss_sum.data<double>());
  if (scratch.leaf.defined() && tokens > 0) {
    AddToFixedPoint(stream, scratch.leaf, args.format, args.gradient);
  }
}

}  // namespace switchyard::kernels::cuda
