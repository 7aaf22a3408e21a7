// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// A warp a token; bound by writing the probabilities.
//
// A draw is the number n of an expert among those left. Of a chosen expert c,
// c - (chosen ones below c) is the number that it has among those left and
// itself: the expert drawn is n plus how many chosen ones have a number up to
// n. Then n is its own number, and that of the chosen ones above falls by one.
#include <cstdint>

#include "switchyard/kernels/cuda/elements.cuh"
#include "switchyard/kernels/cuda/hash_router.h"
#include "switchyard/kernels/cuda/philox.cuh"
#include "switchyard/kernels/cuda/token_warps.cuh"

namespace switchyard::kernels::cuda {
namespace {

struct Hashing {
  const int32_t* ids;
  uint64_t key;
  int64_t expert_count, k;
  Rows<float> probabilities;
  float* logsumexp;
  Rows<int32_t> experts;
  Rows<float> gates;
};

// Word j % 4 of the counter (id, j / 4, ...), as a number below `from`.
__device__ int32_t Draw(uint64_t key, int32_t id, int64_t j, int64_t from) {
  constexpr uint32_t kPurpose = 0x68617368;
  const PhiloxRow row = {key, {static_cast<uint32_t>(j / 4), kPurpose, 0}};
  uint32_t words[1];
  RandomWords(row, 4 * int64_t{static_cast<uint32_t>(id)} + j % 4, words);
  return static_cast<int32_t>(
      uint64_t{words[0]} * static_cast<uint64_t>(from) >> 32);
}

// The expert of number n. `numbers` are those of the j chosen ones, each its
// lane's own.
__device__ int32_t Choose(int32_t n, int64_t j, int32_t* numbers) {
  int below = 0;
  for (int64_t i = Lane(); i < j; i += kWarp) {
    if (numbers[i] <= n) {
      ++below;
    } else {
      --numbers[i];
    }
  }
  if (Lane() == j % kWarp) numbers[j] = n;
  return n + __reduce_add_sync(kAllLanes, below);
}

__global__ void __launch_bounds__(kTokenBlock)
    HashRouterKernel(TokenWarps warps, Hashing args) {
  const int64_t token = warps.Token();
  if (token >= warps.tokens) return;
  const float gate = 1.0f / static_cast<float>(args.k);
  float* probabilities = args.probabilities[token];
  for (int64_t e = Lane(); e < args.expert_count; e += kWarp) {
    probabilities[e] = 0.0f;
  }
  __syncwarp();
  int32_t* numbers = warps.Row<int32_t>();
  for (int64_t j = 0; j < args.k; ++j) {
    const int32_t n = Draw(args.key, args.ids[token], j, args.expert_count - j);
    const int32_t expert = Choose(n, j, numbers);
    if (Lane() != j % kWarp) continue;
    args.experts[token][j] = expert;
    args.gates[token][j] = gate;
    probabilities[expert] = gate;
  }
  if (Lane() == 0) args.logsumexp[token] = 0.0f;
}

}  // namespace

void HashRouter(Stream& stream, const HashRouterArgs& args) {
  const int64_t k = args.experts.dim(1);
  const Hashing hashing = {args.ids.data<int32_t>(),
                           args.key,
                           args.probabilities.dim(1),
                           k,
                           MutableRowsOf<float>(args.probabilities),
                           args.logsumexp.data<float>(),
                           MutableRowsOf<int32_t>(args.experts),
                           MutableRowsOf<float>(args.gates)};
  RunTokenWarps(CudaStreamOf(stream), args.ids.dim(0), k, HashRouterKernel,
                hashing);
}

}  // namespace switchyard::kernels::cuda
