// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// How a parameter group is cut for reduction and for the optimizer. Elements
// lie in the group's flat order. A parameter is cut into norm chunks
// (kernels::kNormChunk elements from its start); consecutive chunks form
// buckets of at most BucketElements, each reduced by one call; the chunks of a
// bucket are dealt out to the ranks that hold the group, each rank a contiguous
// range. So a shard never splits a chunk, and no sum of squares depends on the
// number of ranks.
#ifndef SWITCHYARD_RUNTIME_OPTIM_SHARD_LAYOUT_H_
#define SWITCHYARD_RUNTIME_OPTIM_SHARD_LAYOUT_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "switchyard/runtime/nn/parameter.h"

namespace switchyard {

inline constexpr int64_t kBucketElements = int64_t{1} << 20;

// 2^20, which few ranks reduce fastest, but 2^18 for each rank where there are
// many: a bucket of 16 chunks would leave most of 64 ranks without a share, and
// calls so small wait for each other's latency (docs/adr/0007).
constexpr int64_t BucketElements(int64_t ranks) {
  return kBucketElements > (ranks << 18) ? kBucketElements : ranks << 18;
}

struct Bucket {
  int64_t begin = 0;  // in the group's flat order
  int64_t end = 0;
  std::vector<int64_t> counts;  // elements of each rank, in rank order
  int first_parameter = 0;      // Parameter::index of its first element
  int64_t own_begin = 0;        // this rank's range
  int64_t own_end = 0;
};

// The part of one parameter that this rank updates: whole chunks.
struct Piece {
  const Parameter* parameter = nullptr;
  int64_t begin = 0;  // in the group's flat order
  int64_t end = 0;
  int64_t first_chunk = 0;   // global number of the first chunk
  int64_t state_offset = 0;  // elements of this rank's shard before it
};

struct ShardLayout {
  std::vector<Bucket> buckets;
  std::vector<Piece> pieces;
  int64_t own_element_count = 0;
};

// Elements of the largest shard at most, of a group of `elements` in parameters
// of at most `largest`. The chunks that a rank gets of a bucket have their
// middles in its share, so they reach beyond it by a chunk at most; a bucket
// that is not the last is full but for less than a chunk:
//   elements / ranks + chunk · (elements / (bucket - chunk) + 1)
int64_t LargestShard(int64_t elements, int64_t largest, int64_t ranks);

// The layout for rank `rank` of `ranks`.
ShardLayout MakeShardLayout(absl::Span<const Parameter* const> parameters,
                            int ranks, int rank);

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_OPTIM_SHARD_LAYOUT_H_
