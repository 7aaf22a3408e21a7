// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/optim/shard_layout.h"

#include <algorithm>

#include "switchyard/kernels/norms.h"

namespace switchyard {
namespace {

struct Chunk {
  const Parameter* parameter = nullptr;
  int64_t begin = 0;  // in the group's flat order
  int64_t end = 0;
  int64_t number = 0;  // among the chunks of all parameters
};

std::vector<Chunk> CutIntoChunks(
    absl::Span<const Parameter* const> parameters) {
  std::vector<Chunk> chunks;
  for (const Parameter* parameter : parameters) {
    for (int64_t i = 0; i < parameter->chunk_count(); ++i) {
      const int64_t begin = parameter->group_offset + i * kernels::kNormChunk;
      const int64_t end =
          std::min(begin + kernels::kNormChunk,
                   parameter->group_offset + parameter->element_count());
      chunks.push_back({parameter, begin, end, parameter->first_chunk + i});
    }
  }
  return chunks;
}

// The rank whose share of the bucket holds the chunk's middle.
int Owner(const Bucket& bucket, const Chunk& chunk, int ranks) {
  const int64_t twice_middle = chunk.begin + chunk.end - 2 * bucket.begin;
  return static_cast<int>(twice_middle * ranks /
                          (2 * (bucket.end - bucket.begin)));
}

void AddToPieces(const Chunk& chunk, ShardLayout& layout) {
  const bool continues = !layout.pieces.empty() &&
                         layout.pieces.back().parameter == chunk.parameter &&
                         layout.pieces.back().end == chunk.begin;
  if (continues) {
    layout.pieces.back().end = chunk.end;
  } else {
    layout.pieces.push_back({chunk.parameter, chunk.begin, chunk.end,
                             chunk.number, layout.own_element_count});
  }
  layout.own_element_count += chunk.end - chunk.begin;
}

// Deals out chunks [first, last) as one bucket.
void AddBucket(absl::Span<const Chunk> chunks, int ranks, int rank,
               ShardLayout& layout) {
  Bucket bucket;
  bucket.begin = chunks.front().begin;
  bucket.end = chunks.back().end;
  bucket.first_parameter = chunks.front().parameter->index;
  bucket.counts.assign(ranks, 0);
  for (const Chunk& chunk : chunks) {
    const int owner = Owner(bucket, chunk, ranks);
    bucket.counts[owner] += chunk.end - chunk.begin;
    if (owner == rank) AddToPieces(chunk, layout);
  }
  bucket.own_begin = bucket.begin;
  for (int before = 0; before < rank; ++before) {
    bucket.own_begin += bucket.counts[before];
  }
  bucket.own_end = bucket.own_begin + bucket.counts[rank];
  layout.buckets.push_back(bucket);
}

}  // namespace

int64_t LargestShard(int64_t elements, int64_t largest, int64_t ranks) {
  if (ranks == 1) return elements;
  const int64_t chunk = std::min(kernels::kNormChunk, largest);
  const int64_t buckets = elements / (BucketElements(ranks) - chunk) + 1;
  return std::min(elements, elements / ranks + 1 + chunk * buckets);
}

ShardLayout MakeShardLayout(absl::Span<const Parameter* const> parameters,
                            int ranks, int rank) {
  const std::vector<Chunk> chunks = CutIntoChunks(parameters);
  const int64_t most = BucketElements(ranks);
  ShardLayout layout;
  size_t first = 0;
  for (size_t i = 0; i < chunks.size(); ++i) {
    const bool last = i + 1 == chunks.size() ||
                      chunks[i + 1].end - chunks[first].begin > most;
    if (!last) continue;
    AddBucket(absl::MakeSpan(chunks).subspan(first, i + 1 - first), ranks, rank,
              layout);
    first = i + 1;
  }
  return layout;
}

}  // namespace switchyard
