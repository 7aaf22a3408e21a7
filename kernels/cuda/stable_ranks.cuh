// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Stable ranks: how many items of a sequence come before an item and have its
// key. Exact, and the same however many processors there are: a warp counts the
// keys of a chunk of items, a scan over the chunks of a sequence gives each
// chunk its start by key, and a warp goes through its chunk once more.
//
//   struct Items {
//     __device__ int Key(const Item& item) const;  // or kNoKey
//     __device__ void Place(const Item& item, int key, int rank) const;
//   };
//   StableRanks ranks(stream, sequences);
//   ranks.Count(items, totals);
//   ranks.Place(items);
//
// Items are read twice. Between them lie keys / kChunkItems of their number in
// counts, which are written and read three times; the scan is as long as a
// sequence has chunks.
#ifndef SWITCHYARD_KERNELS_CUDA_STABLE_RANKS_CUH_
#define SWITCHYARD_KERNELS_CUDA_STABLE_RANKS_CUH_

#include <climits>
#include <cstdint>

#include "switchyard/base/check.h"
#include "switchyard/base/cuda/stream_scratch.h"
#include "switchyard/kernels/cuda/portable.cuh"
#include "switchyard/kernels/cuda/reductions.cuh"

namespace switchyard::kernels::cuda {

inline constexpr int kNoKey = -1;

// Sequences of equal length, below 2^31 as ranks are; keys are below `keys`.
struct Sequences {
  int64_t count = 0;
  int64_t length = 0;
  int64_t keys = 0;
};

struct Item {
  int64_t sequence;
  int index;  // in the sequence
};

// What a count starts from and adds up to. Null: not wanted.
struct RankTotals {
  int* ranks;           // [sequences, keys]: the first rank; then the next one,
                        // or `limit`
  int limit;            // ranks from here on are beyond it
  int* all = nullptr;   // [keys], added to: items
  int* over = nullptr;  // [keys], added to: those beyond the limit
};

namespace stable_ranks {

inline constexpr int kBlock = 256;
inline constexpr int64_t kChunkItems = 1024;

__host__ __device__ inline int64_t ChunksOf(const Sequences& sequences) {
  return (sequences.length + kChunkItems - 1) / kChunkItems;
}

// The rank of a lane's item, where `next` [keys] has that of the next item, and
// moves it on.
__device__ __forceinline__ int TakeRank(int key, int* next) {
  const unsigned same = __match_any_sync(kAllLanes, key);
  const unsigned before = same & ((1u << Lane()) - 1);
  const int start = key == kNoKey ? 0 : next[key];
  __syncwarp();
  if (key != kNoKey && before == 0) next[key] = start + __popc(same);
  __syncwarp();
  return start + __popc(before);
}

// `counts`: [chunks, keys], 0 before and then counts; when placing the first
// ranks before.
template <bool kPlaces, typename Items>
__global__ void __launch_bounds__(kBlock)
    ChunksKernel(Sequences sequences, Items items, int* counts) {
  const int64_t chunks = ChunksOf(sequences);
  const int64_t chunk = int64_t{blockIdx.x} * WarpCount() + Warp();
  if (chunk >= sequences.count * chunks) return;
  const int64_t sequence = chunk / chunks;
  const int64_t first = (chunk - sequence * chunks) * kChunkItems;
  const int64_t end = min(first + kChunkItems, sequences.length);
  int* next = counts + chunk * sequences.keys;
  for (int64_t group = first; group < end; group += kWarp) {
    const Item item = {sequence, static_cast<int>(group) + Lane()};
    const int key = item.index < end ? items.Key(item) : kNoKey;
    const int rank = TakeRank(key, next);
    if (kPlaces && item.index < end) items.Place(item, key, rank);
  }
}

// A thread for each key of each sequence: from counts to first ranks. It loads
// kBatch of them at a time, which do not wait for each other.
template <int kBatch>
__global__ void __launch_bounds__(kBlock)
    ScanKernel(Sequences sequences, int* counts, RankTotals totals) {
  const int64_t thread = int64_t{blockIdx.x} * kBlock + threadIdx.x;
  if (thread >= sequences.count * sequences.keys) return;
  const int64_t chunks = ChunksOf(sequences);
  const int64_t key = thread % sequences.keys;
  int* column =
      counts + thread / sequences.keys * chunks * sequences.keys + key;
  const int first = totals.ranks[thread];
  int rank = first;
  for (int64_t begin = 0; begin < chunks; begin += kBatch) {
    int batch[kBatch];
#pragma unroll
    for (int i = 0; i < kBatch; ++i) {
      const bool there = begin + i < chunks;
      batch[i] = there ? column[(begin + i) * sequences.keys] : 0;
    }
#pragma unroll
    for (int i = 0; i < kBatch; ++i) {
      if (begin + i < chunks) column[(begin + i) * sequences.keys] = rank;
      rank += batch[i];
    }
  }
  totals.ranks[thread] = min(rank, totals.limit);
  if (totals.all != nullptr) atomicAdd(&totals.all[key], rank - first);
  if (totals.over != nullptr && rank > totals.limit) {
    atomicAdd(&totals.over[key], rank - max(first, totals.limit));
  }
}

}  // namespace stable_ranks

class StableRanks {
 public:
  StableRanks(CudaStream& stream, const Sequences& sequences)
      : stream_(stream),
        sequences_(sequences),
        chunks_(sequences.count * stable_ranks::ChunksOf(sequences)),
        counts_(stream, chunks_ * sequences.keys) {
    SWITCHYARD_CHECK(sequences.length <= INT_MAX)
        << sequences.length << " assignments are too many for their positions";
  }

  template <typename Items>
  void Count(const Items& items, const RankTotals& totals) {
    using namespace stable_ranks;
    if (chunks_ == 0) return;
    stream_.Zero(
        TensorView(counts_.data(), DType::kInt32, {chunks_ * sequences_.keys}));
    SWITCHYARD_RUN((ChunksKernel<false, Items>), Blocks(), dim3(kBlock), 0,
                   stream_, sequences_, items, counts_.data());
    const int64_t columns = sequences_.count * sequences_.keys;
    SWITCHYARD_RUN(ScanKernel<16>,
                   dim3(static_cast<unsigned>((columns + kBlock - 1) / kBlock)),
                   dim3(kBlock), 0, stream_, sequences_, counts_.data(),
                   totals);
  }

  template <typename Items>
  void Place(const Items& items) {
    using namespace stable_ranks;
    if (chunks_ == 0) return;
    SWITCHYARD_RUN((ChunksKernel<true, Items>), Blocks(), dim3(kBlock), 0,
                   stream_, sequences_, items, counts_.data());
  }

 private:
  dim3 Blocks() const {
    constexpr int64_t kWarps = stable_ranks::kBlock / kWarp;
    return dim3(static_cast<unsigned>((chunks_ + kWarps - 1) / kWarps));
  }

  CudaStream& stream_;
  const Sequences sequences_;
  const int64_t chunks_;
  StreamScratch<int> counts_;
};

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_STABLE_RANKS_CUH_
