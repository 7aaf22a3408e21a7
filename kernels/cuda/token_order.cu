// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// A stable radix sort, from the last digit of 8 bits to the first: three passes
// for a vocabulary of 128k. A pass counts the digits of tiles of 1024 tokens,
// adds the counts up in one block, digit by digit and tile by tile, and places
// the tokens. 32k tokens are 32 tiles: nine short kernels, bound by latency.
#include <algorithm>
#include <bit>
#include <cstdint>

#include "switchyard/base/cuda/stream_scratch.h"
#include "switchyard/kernels/cuda/device_check.cuh"
#include "switchyard/kernels/cuda/portable.cuh"
#include "switchyard/kernels/cuda/reductions.cuh"
#include "switchyard/kernels/cuda/token_order.h"

namespace switchyard::kernels::cuda {
namespace {

constexpr int kDigitBits = 8;
constexpr int kDigits = 1 << kDigitBits;
constexpr int kBlock = kDigits;
constexpr int kWarps = kBlock / kWarp;
constexpr int kSteps = 4;                  // tokens of a thread
constexpr int kTile = kBlock * kSteps;     // tokens of a block
constexpr int kWarpTile = kWarp * kSteps;  // consecutive ones of a warp
constexpr int kScanBlock = 1024;

// One pass over one digit of the ids.
struct Pass {
  const int32_t* ids;
  int64_t tokens;
  int64_t rows;
  int shift;
  const int32_t* from;  // tokens in the order so far; null: as they are
  int32_t* to;
  int32_t* counts;  // [digits, tiles], then where each one's tokens begin
  int64_t tiles;

  __device__ __forceinline__ int32_t TokenAt(int64_t place) const {
    return from == nullptr ? static_cast<int32_t>(place) : from[place];
  }
  __device__ __forceinline__ int DigitOf(int32_t token) const {
    return ids[token] >> shift & (kDigits - 1);
  }
};

// The place of a thread's token number `step` within the whole order: warps
// have consecutive ones.
__device__ __forceinline__ int64_t PlaceOf(int step) {
  return int64_t{blockIdx.x} * kTile + Warp() * kWarpTile + step * kWarp +
         Lane();
}

__global__ void __launch_bounds__(kBlock) CountDigitsKernel(Pass pass) {
  SWITCHYARD_SHARED(int, count, [kDigits]);
  count[threadIdx.x] = 0;
  __syncthreads();
  for (int step = 0; step < kSteps; ++step) {
    const int64_t place = PlaceOf(step);
    if (place >= pass.tokens) continue;
    const int32_t token = pass.TokenAt(place);
    SWITCHYARD_DEVICE_CHECK(0 <= pass.ids[token] &&
                            pass.ids[token] < pass.rows);
    atomicAdd(&count[pass.DigitOf(token)], 1);
  }
  __syncthreads();
  pass.counts[threadIdx.x * pass.tiles + blockIdx.x] = count[threadIdx.x];
}

// Turns counts into the sums of those before, in one block.
__global__ void __launch_bounds__(kScanBlock)
    ScanKernel(int32_t* counts, int64_t count) {
  SWITCHYARD_SHARED(int, warp_sums, [kScanBlock / kWarp]);
  int before = 0;  // of earlier rounds
  for (int64_t begin = 0; begin < count; begin += kScanBlock) {
    const int64_t i = begin + threadIdx.x;
    const int own = i < count ? counts[i] : 0;
    int sum = own;  // over the warp's lanes up to this one
    for (int distance = 1; distance < kWarp; distance *= 2) {
      const int lower = __shfl_up_sync(kAllLanes, sum, distance);
      if (Lane() >= distance) sum += lower;
    }
    if (Lane() == kWarp - 1) warp_sums[Warp()] = sum;
    __syncthreads();
    const int other = warp_sums[Lane()];
    const int lower_warps = WarpSum(Lane() < Warp() ? other : 0);
    const int all = WarpSum(other);
    if (i < count) counts[i] = before + lower_warps + sum - own;
    before += all;
    __syncthreads();
  }
}

__global__ void __launch_bounds__(kBlock) PlaceTokensKernel(Pass pass) {
  // Counts of each warp's digits, then the next place of each.
  SWITCHYARD_SHARED(int, next, [kWarps][kDigits]);
  for (int warp = 0; warp < kWarps; ++warp) next[warp][threadIdx.x] = 0;
  __syncthreads();
  for (int step = 0; step < kSteps; ++step) {
    const int64_t place = PlaceOf(step);
    if (place >= pass.tokens) continue;
    atomicAdd(&next[Warp()][pass.DigitOf(pass.TokenAt(place))], 1);
  }
  __syncthreads();
  int begin = pass.counts[threadIdx.x * pass.tiles + blockIdx.x];
  for (int warp = 0; warp < kWarps; ++warp) {
    const int count = next[warp][threadIdx.x];
    next[warp][threadIdx.x] = begin;
    begin += count;
  }
  __syncthreads();
  for (int step = 0; step < kSteps; ++step) {
    const int64_t place = PlaceOf(step);
    const bool there = place < pass.tokens;
    const int32_t token = there ? pass.TokenAt(place) : 0;
    const int digit = there ? pass.DigitOf(token) : kDigits;
    const unsigned peers = __match_any_sync(kAllLanes, digit);
    const int rank = __popc(peers & ((1u << Lane()) - 1));
    const int first = there ? next[Warp()][digit] : 0;
    __syncwarp();
    if (there && rank == 0) next[Warp()][digit] = first + __popc(peers);
    __syncwarp();
    if (there) pass.to[first + rank] = token;
  }
}

void RunPass(CudaStream& stream, const Pass& pass) {
  const dim3 grid(static_cast<unsigned>(pass.tiles));
  SWITCHYARD_RUN(CountDigitsKernel, grid, dim3(kBlock), 0, stream, pass);
  SWITCHYARD_RUN(ScanKernel, dim3(1), dim3(kScanBlock), 0, stream, pass.counts,
                 kDigits * pass.tiles);
  SWITCHYARD_RUN(PlaceTokensKernel, grid, dim3(kBlock), 0, stream, pass);
}

}  // namespace

void SortTokensById(CudaStream& stream, const int32_t* ids, int64_t tokens,
                    int64_t rows, int32_t* order) {
  if (tokens == 0) return;
  const int bits = std::bit_width(static_cast<uint64_t>(rows - 1));
  const int passes = std::max(1, (bits + kDigitBits - 1) / kDigitBits);
  const int64_t tiles = (tokens + kTile - 1) / kTile;
  const StreamScratch<int32_t> counts(stream, kDigits * tiles);
  const StreamScratch<int32_t> other(stream, passes > 1 ? tokens : 0);
  Pass pass = {ids, tokens, rows, 0, nullptr, nullptr, counts.data(), tiles};
  for (int i = 0; i < passes; ++i) {
    pass.shift = i * kDigitBits;
    pass.to = (passes - i) % 2 == 1 ? order : other.data();
    RunPass(stream, pass);
    pass.from = pass.to;
  }
}

}  // namespace switchyard::kernels::cuda
