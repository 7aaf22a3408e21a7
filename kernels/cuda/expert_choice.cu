// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Three steps: keys of the probabilities, transposed, so that an expert's lie
// together; a block an expert, which finds the last key that it takes digit by
// digit and then goes through its tokens; a warp a token, which sorts the
// experts that took it. The second is the longest: it reads an expert's keys
// five times, with as many blocks as there are experts.
#include <algorithm>
#include <cstdint>

#include "switchyard/base/cuda/stream_scratch.h"
#include "switchyard/kernels/cuda/elements.cuh"
#include "switchyard/kernels/cuda/expert_choice.h"
#include "switchyard/kernels/cuda/reductions.cuh"
#include "switchyard/kernels/cuda/selection.cuh"
#include "switchyard/kernels/cuda/token_warps.cuh"
#include "switchyard/kernels/no_expert.h"

namespace switchyard::kernels::cuda {
namespace {

constexpr int kTile = 32;
constexpr int kTileRows = 8;  // of threads
constexpr int kDigitBits = 8;
constexpr int kDigits = 1 << kDigitBits;  // and threads of a block

// In the order of preference: padding, NaN, probabilities, which are not
// negative, so that their bits are in their order.
constexpr unsigned kPaddingKey = 0;

__device__ unsigned KeyOf(float probability, bool valid) {
  if (!valid) return kPaddingKey;
  return probability >= 0.0f ? __float_as_uint(probability) + 2 : 1;
}

// keys: [experts, tokens]
__global__ void __launch_bounds__(kTile* kTileRows)
    KeysKernel(int64_t tokens, int64_t experts, Rows<const float> probabilities,
               const uint8_t* valid, unsigned* keys) {
  SWITCHYARD_SHARED(unsigned, tile, [kTile][kTile + 1]);
  const int column = threadIdx.x % kTile;
  const int64_t first_token = int64_t{blockIdx.x} * kTile;
  const int64_t first_expert = int64_t{blockIdx.y} * kTile;
  for (int row = threadIdx.x / kTile; row < kTile; row += kTileRows) {
    const int64_t token = first_token + row;
    const int64_t expert = first_expert + column;
    if (token >= tokens || expert >= experts) continue;
    tile[row][column] = KeyOf(probabilities[token][expert], valid[token] != 0);
  }
  __syncthreads();
  for (int row = threadIdx.x / kTile; row < kTile; row += kTileRows) {
    const int64_t token = first_token + column;
    const int64_t expert = first_expert + row;
    if (token >= tokens || expert >= experts) continue;
    keys[expert * tokens + token] = tile[column][row];
  }
}

// The last key that is taken, and how many of those equal to it are.
struct Threshold {
  unsigned key;
  int64_t equal;
};

// Of the `count` greatest of an expert's keys, at least one; for all threads.
__device__ Threshold FindThreshold(const unsigned* keys, int64_t tokens,
                                   int64_t count) {
  SWITCHYARD_SHARED(int, digits, [kDigits]);
  SWITCHYARD_SHARED(int, found, [2]);  // a digit, and keys of greater ones
  const int own = threadIdx.x;
  unsigned prefix = 0;  // the digits found so far
  for (int shift = 32 - kDigitBits; shift >= 0; shift -= kDigitBits) {
    digits[own] = 0;
    __syncthreads();
    for (int64_t t = own; t < tokens; t += kDigits) {
      const uint64_t key = keys[t];
      if (key >> (shift + kDigitBits) != prefix) continue;
      atomicAdd(&digits[key >> shift & (kDigits - 1)], 1);
    }
    __syncthreads();
    int greater = 0;
    for (int digit = 0; digit < kDigits; ++digit) {
      if (digit > own) greater += digits[digit];
    }
    if (greater < count && count <= greater + digits[own]) {
      found[0] = own;
      found[1] = greater;
    }
    __syncthreads();
    prefix = prefix << kDigitBits | static_cast<unsigned>(found[0]);
    count -= found[1];
  }
  return {prefix, count};
}

// How many threads before this one say so, and how many in all.
struct Vote {
  int before, all;
};

__device__ Vote CountVotes(bool vote) {
  SWITCHYARD_SHARED(int, votes, [kDigits / kWarp]);
  const unsigned lanes = __ballot_sync(kAllLanes, vote);
  if (Lane() == 0) votes[Warp()] = __popc(lanes);
  __syncthreads();
  Vote result = {__popc(lanes & ((1u << Lane()) - 1)), 0};
  for (int warp = 0; warp < kDigits / kWarp; ++warp) {
    if (warp < Warp()) result.before += votes[warp];
    result.all += votes[warp];
  }
  __syncthreads();
  return result;
}

// Marks the tokens that an expert takes, of equal ones the first.
__global__ void __launch_bounds__(kDigits)
    TakeKernel(int64_t tokens, int64_t count, const unsigned* all_keys,
               Rows<int32_t> experts) {
  const int64_t expert = blockIdx.x;
  const unsigned* keys = all_keys + expert * tokens;
  Threshold last = {~0u, 0};
  if (count > 0) last = FindThreshold(keys, tokens, count);
  int64_t equal = 0;
  for (int64_t begin = 0; begin < tokens; begin += kDigits) {
    const int64_t token = begin + threadIdx.x;
    const unsigned key = token < tokens ? keys[token] : kPaddingKey;
    const Vote vote = CountVotes(key == last.key);
    const bool taken =
        key > last.key || (key == last.key && equal + vote.before < last.equal);
    equal += vote.all;
    if (token >= tokens) continue;
    experts[token][expert] =
        taken && key != kPaddingKey ? static_cast<int32_t>(expert) : kNoExpert;
  }
}

struct Sorting {
  int64_t expert_count;
  float scaling;
  Rows<const float> probabilities;
  Rows<int32_t> experts;  // marks, then the result
  Rows<float> gates;
};

// Moves the experts that took a token to the front of its row, best first.
__global__ void __launch_bounds__(kTokenBlock)
    SortKernel(TokenWarps warps, Sorting args) {
  const int64_t token = warps.Token();
  if (token >= warps.tokens) return;
  const float* probabilities = args.probabilities[token];
  int32_t* experts = args.experts[token];
  float* gates = args.gates[token];
  float* ranks = warps.Row<float>();
  int count = 0;
  for (int64_t e = Lane(); e < args.expert_count; e += kWarp) {
    const bool took = experts[e] != kNoExpert;
    ranks[e] = took ? RankOf(probabilities[e]) : kOut;
    count += took ? 1 : 0;
  }
  count = __reduce_add_sync(kAllLanes, count);
  for (int j = 0; j < count; ++j) {
    const int expert = TakeGreatest(ranks, args.expert_count);
    if (Lane() != j % kWarp) continue;
    experts[j] = expert;
    gates[j] = args.scaling * probabilities[expert];
  }
  for (int64_t j = Lane(); j < args.expert_count; j += kWarp) {
    if (j < count) continue;
    experts[j] = kNoExpert;
    gates[j] = 0.0f;
  }
}

}  // namespace

void ExpertChoice(Stream& stream, const ExpertChoiceArgs& args) {
  CudaStream& cuda_stream = CudaStreamOf(stream);
  const int64_t tokens = args.probabilities.dim(0);
  const int64_t experts = args.probabilities.dim(1);
  if (tokens == 0 || experts == 0) return;
  const auto tiles = [](int64_t count) {
    return static_cast<unsigned>((count + kTile - 1) / kTile);
  };
  StreamScratch<unsigned> keys(cuda_stream, tokens * experts);
  SWITCHYARD_RUN(KeysKernel, dim3(tiles(tokens), tiles(experts)),
                 dim3(kTile * kTileRows), 0, cuda_stream, tokens, experts,
                 RowsOf<float>(args.probabilities), args.valid.data<uint8_t>(),
                 keys.data());
  SWITCHYARD_RUN(TakeKernel, dim3(static_cast<unsigned>(experts)),
                 dim3(kDigits), 0, cuda_stream, tokens,
                 std::min(args.rows, tokens), keys.data(),
                 MutableRowsOf<int32_t>(args.experts));
  const Sorting sorting = {
      experts, args.scaling, RowsOf<float>(args.probabilities),
      MutableRowsOf<int32_t>(args.experts), MutableRowsOf<float>(args.gates)};
  RunTokenWarps(cuda_stream, tokens, experts, SortKernel, sorting);
}

}  // namespace switchyard::kernels::cuda
