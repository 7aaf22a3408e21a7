// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Bound by reading the probabilities once: a warp a token makes its entropy,
// which one block adds up; pairs are counted by a thread a token.
#include <cstdint>

#include "switchyard/base/cuda/stream_scratch.h"
#include "switchyard/kernels/cuda/elements.cuh"
#include "switchyard/kernels/cuda/reductions.cuh"
#include "switchyard/kernels/cuda/routing_statistics.h"

namespace switchyard::kernels::cuda {
namespace {

constexpr int kBlock = 256;
constexpr int kSumBlock = 1024;
constexpr int kPairCounts = 3;

struct Statistics {
  int64_t tokens, expert_count, choices, sequence_length;
  Rows<const float> probabilities;
  Rows<const int32_t> experts;
  const uint8_t* valid;
};

__device__ float Entropy(const float* p, int64_t experts) {
  float sum = 0.0f, logs = 0.0f;
  for (int64_t e = Lane(); e < experts; e += kWarp) {
    sum += p[e];
    if (p[e] != 0.0f) logs = fmaf(p[e], logf(p[e]), logs);
  }
  sum = WarpSum(sum);
  logs = WarpSum(logs);
  const float entropy = logf(sum) - logs / sum;
  return entropy < 0.0f ? 0.0f : entropy;  // rounding; NaN stays
}

// entropies: [tokens]; 0 of padding
__global__ void __launch_bounds__(kBlock)
    EntropyKernel(Statistics args, float* entropies) {
  const int64_t token = int64_t{blockIdx.x} * WarpCount() + Warp();
  if (token >= args.tokens) return;
  float entropy = 0.0f;
  if (args.valid[token] != 0) {
    entropy = Entropy(args.probabilities[token], args.expert_count);
  }
  if (Lane() == 0) entropies[token] = entropy;
}

// One block, so that the order of the sum is fixed.
__global__ void __launch_bounds__(kSumBlock)
    AddEntropiesKernel(int64_t tokens, const float* entropies, double* result) {
  SWITCHYARD_SHARED(double, shared, [kWarp]);
  double sum = 0.0;
  for (int64_t t = threadIdx.x; t < tokens; t += kSumBlock) {
    sum += entropies[t];
  }
  sum = BlockSum(sum, shared);
  if (threadIdx.x == 0) *result = sum;
}

// The two best choices of a token, -1 where there is none.
struct Best {
  int32_t first, second;
};

__device__ Best BestOf(const Statistics& args, int64_t token) {
  const int32_t* chosen = args.experts[token];
  return {chosen[0], args.choices > 1 ? chosen[1] : -1};
}

__device__ bool Has(const Best& best, int32_t expert) {
  return expert >= 0 && (expert == best.first || expert == best.second);
}

// Whether the token and the one before it are a pair.
__device__ bool IsPair(const Statistics& args, int64_t token) {
  return token < args.tokens && token % args.sequence_length != 0 &&
         args.valid[token] != 0 && args.valid[token - 1] != 0 &&
         args.experts[token][0] >= 0 && args.experts[token - 1][0] >= 0;
}

__global__ void __launch_bounds__(kBlock)
    PairsKernel(Statistics args, unsigned long long* pairs) {
  SWITCHYARD_SHARED(int, shared, [kWarp]);
  const int64_t token = int64_t{blockIdx.x} * kBlock + threadIdx.x;
  int counts[kPairCounts] = {};
  if (IsPair(args, token)) {
    const Best before = BestOf(args, token - 1);
    const Best now = BestOf(args, token);
    counts[0] = 1;
    counts[1] = before.first == now.first ? 1 : 0;
    counts[2] = Has(now, before.first) || Has(now, before.second) ? 1 : 0;
  }
  for (int i = 0; i < kPairCounts; ++i) {
    const int sum = BlockSum(counts[i], shared);
    if (threadIdx.x == 0 && sum > 0) {
      atomicAdd(&pairs[i], static_cast<unsigned long long>(sum));
    }
  }
}

// One block, which reads a value a thread at a time: there are few.
__global__ void __launch_bounds__(kBlock)
    ValueRangeKernel(int64_t count, const float* values, float* range) {
  SWITCHYARD_SHARED(float, greatest, [2][kBlock / kWarp]);  // -value, value
  SWITCHYARD_SHARED(int, shared, [kWarp]);
  float smallest = values[0], largest = values[0];
  int nans = 0;
  for (int64_t i = threadIdx.x; i < count; i += kBlock) {
    smallest = fminf(smallest, values[i]);
    largest = fmaxf(largest, values[i]);
    nans += isnan(values[i]) ? 1 : 0;
  }
  nans = BlockSum(nans, shared);
  smallest = -WarpMax(-smallest);
  largest = WarpMax(largest);
  if (Lane() == 0) {
    greatest[0][Warp()] = -smallest;
    greatest[1][Warp()] = largest;
  }
  __syncthreads();
  if (threadIdx.x >= 2) return;
  float result = greatest[threadIdx.x][0];
  for (int warp = 1; warp < kBlock / kWarp; ++warp) {
    result = fmaxf(result, greatest[threadIdx.x][warp]);
  }
  if (threadIdx.x == 0) result = -result;
  range[threadIdx.x] = nans > 0 ? nanf("") : result;
}

}  // namespace

void RoutingStatistics(Stream& stream, const RoutingStatisticsArgs& args) {
  CudaStream& cuda_stream = CudaStreamOf(stream);
  const int64_t tokens = args.probabilities.dim(0);
  const Statistics statistics = {tokens,
                                 args.probabilities.dim(1),
                                 args.experts.dim(1),
                                 args.sequence_length,
                                 RowsOf<float>(args.probabilities),
                                 RowsOf<int32_t>(args.experts),
                                 args.valid.data<uint8_t>()};
  StreamScratch<float> entropies(cuda_stream, tokens);
  const auto blocks = [tokens](int64_t per_block) {
    return dim3(static_cast<unsigned>((tokens + per_block - 1) / per_block));
  };
  if (tokens > 0) {
    SWITCHYARD_RUN(EntropyKernel, blocks(kBlock / kWarp), dim3(kBlock), 0,
                   cuda_stream, statistics, entropies.data());
    SWITCHYARD_RUN(PairsKernel, blocks(kBlock), dim3(kBlock), 0, cuda_stream,
                   statistics,
                   static_cast<unsigned long long*>(args.pairs.raw()));
  }
  SWITCHYARD_RUN(AddEntropiesKernel, dim3(1), dim3(kSumBlock), 0, cuda_stream,
                 tokens, entropies.data(), args.entropy.data<double>());
}

void ValueRange(Stream& stream, const ValueRangeArgs& args) {
  SWITCHYARD_RUN(ValueRangeKernel, dim3(1), dim3(kBlock), 0,
                 CudaStreamOf(stream), args.values.dim(0),
                 args.values.data<float>(), args.range.data<float>());
}

}  // namespace switchyard::kernels::cuda
