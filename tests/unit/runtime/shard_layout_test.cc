// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/optim/shard_layout.h"

#include <memory>
#include <vector>

#include "gtest/gtest.h"
#include "switchyard/kernels/norms.h"

namespace switchyard {
namespace {

// Parameters of these sizes, one after the other.
class Parameters {
 public:
  explicit Parameters(const std::vector<int64_t>& sizes) {
    int64_t offset = 0, chunk = 0;
    for (int64_t size : sizes) {
      auto parameter = std::make_unique<Parameter>();
      parameter->shape = {size};
      parameter->group_offset = offset;
      parameter->first_chunk = chunk;
      offset += size;
      chunk += parameter->chunk_count();
      pointers.push_back(parameter.get());
      owned_.push_back(std::move(parameter));
    }
    element_count = offset;
    chunk_count = chunk;
  }
  std::vector<const Parameter*> pointers;
  int64_t element_count = 0;
  int64_t chunk_count = 0;

 private:
  std::vector<std::unique_ptr<Parameter>> owned_;
};

class ShardLayoutTest : public ::testing::TestWithParam<int> {};

TEST_P(ShardLayoutTest, EveryElementHasOneOwnerAndNoChunkIsSplit) {
  const int ranks = GetParam();
  const Parameters parameters(
      {1, 70000, 3, 3 * kernels::kNormChunk, kBucketElements + 5, 64, 130000});
  std::vector<int> owners(parameters.element_count, 0);
  std::vector<int> chunks(parameters.chunk_count, 0);
  for (int rank = 0; rank < ranks; ++rank) {
    const ShardLayout layout =
        MakeShardLayout(parameters.pointers, ranks, rank);
    int64_t state = 0;
    for (const Piece& piece : layout.pieces) {
      EXPECT_EQ(piece.state_offset, state);
      state += piece.end - piece.begin;
      for (int64_t i = piece.begin; i < piece.end; ++i) ++owners[i];
      const int64_t from_start = piece.begin - piece.parameter->group_offset;
      EXPECT_EQ(from_start % kernels::kNormChunk, 0);
      EXPECT_EQ(piece.first_chunk, piece.parameter->first_chunk +
                                       from_start / kernels::kNormChunk);
      const int64_t count =
          (piece.end - piece.begin + kernels::kNormChunk - 1) /
          kernels::kNormChunk;
      for (int64_t i = 0; i < count; ++i) ++chunks[piece.first_chunk + i];
    }
    EXPECT_EQ(state, layout.own_element_count);
  }
  EXPECT_EQ(owners, std::vector<int>(owners.size(), 1));
  EXPECT_EQ(chunks, std::vector<int>(chunks.size(), 1));
}

TEST_P(ShardLayoutTest, BucketsCoverTheGroupAndAgreeBetweenRanks) {
  const int ranks = GetParam();
  const Parameters parameters({5, 2 * kBucketElements, 100, 70000});
  const ShardLayout first = MakeShardLayout(parameters.pointers, ranks, 0);
  int64_t at = 0;
  for (const Bucket& bucket : first.buckets) {
    EXPECT_EQ(bucket.begin, at);
    EXPECT_LE(bucket.end - bucket.begin, BucketElements(ranks));
    at = bucket.end;
  }
  EXPECT_EQ(at, parameters.element_count);
  for (int rank = 0; rank < ranks; ++rank) {
    const ShardLayout layout =
        MakeShardLayout(parameters.pointers, ranks, rank);
    ASSERT_EQ(layout.buckets.size(), first.buckets.size());
    for (size_t i = 0; i < layout.buckets.size(); ++i) {
      EXPECT_EQ(layout.buckets[i].counts, first.buckets[i].counts);
      EXPECT_EQ(layout.buckets[i].own_end - layout.buckets[i].own_begin,
                first.buckets[i].counts[rank]);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Ranks, ShardLayoutTest,
                         ::testing::Values(1, 2, 3, 4, 7, 64));

// However many they are.
TEST(ShardLayoutTest, EveryRankHasItsShareOfALargeGroup) {
  const Parameters parameters({int64_t{1} << 26});
  for (const int ranks : {2, 16, 64}) {
    for (const int rank : {0, ranks / 2, ranks - 1}) {
      const int64_t own =
          MakeShardLayout(parameters.pointers, ranks, rank).own_element_count;
      EXPECT_EQ(own, parameters.element_count / ranks)
          << rank << " of " << ranks;
    }
  }
}

TEST(ShardLayoutTest, AnEmptyGroupHasNothing) {
  EXPECT_TRUE(MakeShardLayout({}, 2, 0).buckets.empty());
}

}  // namespace
}  // namespace switchyard
