// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Places are stable ranks (stable_ranks.cuh): an assignment is kept if fewer
// than the capacity come before it at its expert, in the order of priority of
// its scope; rows are the ranks of the kept ones by (token, choice). Each round
// of rerouting is another ranking of the tokens, which starts where the one
// before ended: four launches a round, one after the other.
#include <algorithm>
#include <climits>
#include <cstdint>

#include "switchyard/kernels/cuda/chosen_experts.cuh"
#include "switchyard/kernels/cuda/elements.cuh"
#include "switchyard/kernels/cuda/positions.h"
#include "switchyard/kernels/cuda/stable_ranks.cuh"

namespace switchyard::kernels::cuda {
namespace {

constexpr int kBlock = 256;

constexpr int32_t kKept = 0;  // until rows are numbered
constexpr int32_t kDropped = -1;
constexpr int32_t kUnassigned = -2;

struct Placement {
  int64_t tokens, experts;
  int choices, scope;
  Rows<const int32_t> chosen;
  const uint8_t* valid;
  const int32_t* order;  // null: by token
  Rows<const int32_t> next_experts;
  Rows<int32_t> marks;   // in the end positions
  Rows<int32_t> placed;  // null: nothing is rerouted
  int32_t* overflow;     // null: not counted
  int limit;

  // The `place`-th token of a scope, in the order of priority.
  __device__ int64_t TokenAt(int64_t number, int place) const {
    const int64_t i = number * scope + place;
    return order != nullptr ? order[i] : i;
  }
  __device__ void Count(OverflowCount what, int32_t expert) const {
    if (overflow != nullptr) atomicAdd(&overflow[what * experts + expert], 1);
  }
  // The token's first choice without a place, `choices` if there is none.
  __device__ int FirstDropped(int64_t token) const {
    int j = 0;
    while (j < choices && marks[token][j] != kDropped) ++j;
    return j;
  }
};

// A scope's choices: all first ones, then all second ones, ...
struct ChoiceItems {
  Placement all;

  __device__ int Key(const Item& item) const {
    const int j = item.index / all.scope;
    const int64_t token = all.TokenAt(item.sequence, item.index % all.scope);
    const int32_t expert = all.chosen[token][j];
    if (all.valid[token] == 0 || expert == kNoExpert) return kNoKey;
    return CheckedExpert(expert, all.experts);
  }
  __device__ void Place(const Item& item, int key, int rank) const {
    const int j = item.index / all.scope;
    const int64_t token = all.TokenAt(item.sequence, item.index % all.scope);
    const int32_t found = rank < all.limit ? kKept : kDropped;
    all.marks[token][j] = key == kNoKey ? kUnassigned : found;
    if (all.placed.data != nullptr) all.placed[token][j] = all.chosen[token][j];
  }
};

// The tokens of a scope, with what they try in this round.
struct RerouteItems {
  Placement all;
  int64_t round;

  __device__ int Key(const Item& item) const {
    const int64_t token = all.TokenAt(item.sequence, item.index);
    if (all.FirstDropped(token) == all.choices) return kNoKey;
    const int32_t expert = all.next_experts[token][round];
    return expert == kNoExpert ? kNoKey : CheckedExpert(expert, all.experts);
  }
  __device__ void Place(const Item& item, int key, int rank) const {
    if (key == kNoKey || rank >= all.limit) return;
    const int64_t token = all.TokenAt(item.sequence, item.index);
    const int j = all.FirstDropped(token);
    all.placed[token][j] = key;
    all.marks[token][j] = kKept;
    all.Count(kRerouted, all.chosen[token][j]);
  }
};

// All assignments by (token, choice): from marks to rows.
struct RowItems {
  Placement all;

  __device__ int Key(const Item& item) const {
    const int token = item.index / all.choices;
    const int j = item.index % all.choices;
    if (all.marks[token][j] != kKept) return kNoKey;
    return all.placed.data != nullptr ? all.placed[token][j]
                                      : all.chosen[token][j];
  }
  __device__ void Place(const Item& item, int key, int rank) const {
    if (key == kNoKey) return;
    all.marks[item.index / all.choices][item.index % all.choices] = rank;
  }
};

// Tokens that lost all they were assigned to.
__global__ void __launch_bounds__(kBlock) CountLostKernel(Placement all) {
  const int64_t token = int64_t{blockIdx.x} * kBlock + threadIdx.x;
  if (token >= all.tokens) return;
  for (int j = 0; j < all.choices; ++j) {
    if (all.marks[token][j] == kKept) return;
  }
  const int first = all.FirstDropped(token);
  if (first < all.choices) all.Count(kLostTokens, all.chosen[token][first]);
}

__global__ void __launch_bounds__(kBlock)
    RowIndexKernel(int64_t count, int64_t choices, int64_t expert_count,
                   Rows<const int32_t> experts, Rows<const int32_t> positions,
                   const int32_t* base, Rows<int32_t> rows) {
  const int64_t i = int64_t{blockIdx.x} * kBlock + threadIdx.x;
  if (i >= count) return;
  const int64_t token = i / choices;
  const int64_t j = i % choices;
  const int32_t expert = experts[token][j];
  const int32_t position = positions[token][j];
  rows[token][j] = position < 0 || expert == kNoExpert
                       ? -1
                       : base[CheckedExpert(expert, expert_count)] + position;
}

dim3 BlocksFor(int64_t threads) {
  return dim3(static_cast<unsigned>((threads + kBlock - 1) / kBlock));
}

Placement PlacementOf(const PositionsArgs& args) {
  const int64_t tokens = args.experts.dim(0);
  const int64_t scope = args.scope_tokens == 0 ? tokens : args.scope_tokens;
  const int64_t limit = args.capacity == 0 ? INT_MAX : args.capacity;
  return {tokens,
          args.assigned.dim(0),
          static_cast<int>(args.experts.dim(1)),
          static_cast<int>(scope),
          RowsOf<int32_t>(args.experts),
          args.valid.data<uint8_t>(),
          static_cast<const int32_t*>(args.order.raw()),
          RowsOf<int32_t>(args.next_experts),
          MutableRowsOf<int32_t>(args.positions),
          MutableRowsOf<int32_t>(args.placed),
          static_cast<int32_t*>(args.overflow.raw()),
          static_cast<int>(std::min<int64_t>(limit, INT_MAX))};
}

void PlaceScopes(CudaStream& stream, const PositionsArgs& args,
                 const Placement& all) {
  const int64_t scopes = all.tokens / all.scope;
  const int64_t places = scopes * all.experts;
  StreamScratch<int> taken(stream, places);
  stream.Zero(TensorView(taken.data(), DType::kInt32, {places}));
  RankTotals totals = {taken.data(), all.limit, args.assigned.data<int32_t>(),
                       nullptr};
  if (all.overflow != nullptr) {
    totals.over = all.overflow + kOverCapacity * all.experts;
  }
  StableRanks choices(stream,
                      {scopes, int64_t{all.scope} * all.choices, all.experts});
  choices.Count(ChoiceItems{all}, totals);
  choices.Place(ChoiceItems{all});
  if (!args.next_experts.defined()) return;
  StableRanks tries(stream, {scopes, all.scope, all.experts});
  for (int64_t round = 0; round < args.next_experts.dim(1); ++round) {
    const RerouteItems items = {all, round};
    tries.Count(items, {taken.data(), all.limit});
    tries.Place(items);
  }
}

}  // namespace

void Positions(Stream& stream, const PositionsArgs& args) {
  CudaStream& cuda_stream = CudaStreamOf(stream);
  const Placement all = PlacementOf(args);
  stream.Zero(args.assigned);
  stream.Zero(args.kept);
  if (all.overflow != nullptr) stream.Zero(args.overflow);
  if (all.tokens == 0) return;
  PlaceScopes(cuda_stream, args, all);
  if (all.overflow != nullptr) {
    SWITCHYARD_RUN(CountLostKernel, BlocksFor(all.tokens), dim3(kBlock), 0,
                   cuda_stream, all);
  }
  StableRanks rows(cuda_stream, {1, all.tokens * all.choices, all.experts});
  rows.Count(RowItems{all}, {args.kept.data<int32_t>(), INT_MAX});
  rows.Place(RowItems{all});
}

void RowIndex(Stream& stream, const RowIndexArgs& args) {
  const int64_t choices = args.experts.dim(1);
  const int64_t count = args.experts.dim(0) * choices;
  if (count == 0) return;
  SWITCHYARD_RUN(RowIndexKernel, BlocksFor(count), dim3(kBlock), 0,
                 CudaStreamOf(stream), count, choices, args.base.dim(0),
                 RowsOf<int32_t>(args.experts), RowsOf<int32_t>(args.positions),
                 args.base.data<int32_t>(), MutableRowsOf<int32_t>(args.rows));
}

}  // namespace switchyard::kernels::cuda
