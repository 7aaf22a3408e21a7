// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Chooses between tensor cores and plain kernels, and makes what both backward
// passes start from.
#include <cstdint>

#include "switchyard/base/check.h"
#include "switchyard/base/cuda/stream_scratch.h"
#include "switchyard/kernels/cuda/attention.h"
#include "switchyard/kernels/cuda/attention_mma.h"
#include "switchyard/kernels/cuda/attention_plain.h"
#include "switchyard/kernels/cuda/attention_shape.cuh"
#include "switchyard/kernels/cuda/reductions.cuh"

namespace switchyard::kernels::cuda {
namespace {

constexpr int kBlock = 256;

template <typename T>
struct Statistics {
  AttentionShape shape;
  Rows<const T> out, dout;
  Rows<const float> logsumexp;
  float2* result;
};

// A warp for each query, query head and sequence, bound by reading out and
// dout. A warp's dot product has one order, whatever the rows' place.
template <typename T>
__global__ void __launch_bounds__(kBlock) StatisticsKernel(Statistics<T> args) {
  const AttentionShape& shape = args.shape;
  const int64_t index = int64_t{blockIdx.x} * WarpCount() + Warp();
  const int64_t head = index % shape.heads();
  const int64_t position = index / shape.heads() % shape.padded_length();
  const int64_t sequence = index / shape.heads() / shape.padded_length();
  if (sequence >= shape.sequences) return;  // the whole warp
  float2 statistics = make_float2(INFINITY, 0.0f);
  if (position < shape.length) {  // likewise
    const int64_t row = sequence * shape.length + position;
    const T* out = args.out[row] + head * shape.head_dim;
    const T* dout = args.dout[row] + head * shape.head_dim;
    float sum = 0.0f;
    for (int64_t i = Lane(); i < shape.head_dim; i += kWarp) {
      sum = fmaf(ToFloat(dout[i]), ToFloat(out[i]), sum);
    }
    statistics = make_float2(args.logsumexp[row][head] * kLog2E, WarpSum(sum));
  }
  if (Lane() == 0) {
    args.result[StatisticsAt(shape, sequence, head, position)] = statistics;
  }
}

template <typename T>
void MakeStatistics(CudaStream& stream, const AttentionBackwardArgs& args,
                    const AttentionShape& shape, float2* result) {
  const Statistics<T> statistics = {shape, RowsOf<T>(args.out),
                                    RowsOf<T>(args.dout),
                                    RowsOf<float>(args.logsumexp), result};
  const int64_t warps = shape.sequences * shape.heads() * shape.padded_length();
  const int64_t blocks = (warps * kWarp + kBlock - 1) / kBlock;
  SWITCHYARD_RUN(StatisticsKernel<T>, dim3(static_cast<unsigned>(blocks)),
                 dim3(kBlock), 0, stream, statistics);
}

void CheckHead(int64_t head_dim) {
  SWITCHYARD_CHECK(head_dim <= kMaxHeadDim)
      << "expected a head_dim of at most " << kMaxHeadDim << " on a GPU, found "
      << head_dim;
}

}  // namespace

void Attention(Stream& stream, const AttentionArgs& args) {
  CheckHead(args.q.dim(2));
  if (args.q.element_count() == 0) return;
  CudaStream& cuda_stream = CudaStreamOf(stream);
  if (TakesTensorCores(args.q)) {
    MmaAttention(cuda_stream, args);
  } else {
    PlainAttention(cuda_stream, args);
  }
}

void AttentionBackward(Stream& stream, const AttentionBackwardArgs& args) {
  CheckHead(args.q.dim(2));
  if (args.q.element_count() == 0) return;
  CudaStream& cuda_stream = CudaStreamOf(stream);
  const AttentionShape shape =
      ShapeOf(args.q, args.k, args.sequence_length, args.scale, args.window);
  const StreamScratch<float2> statistics(
      cuda_stream, shape.sequences * shape.heads() * shape.padded_length());
  ForFloating(args.q.dtype(), [&](auto zero) {
    MakeStatistics<decltype(zero)>(cuda_stream, args, shape, statistics.data());
  });
  if (TakesTensorCores(args.q)) {
    MmaAttentionBackward(cuda_stream, args, statistics.data());
  } else {
    PlainAttentionBackward(cuda_stream, args, statistics.data());
  }
}

}  // namespace switchyard::kernels::cuda
