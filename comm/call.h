// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// One collective as one rank called it: what implementations carry out and what
// ranks must agree on.
#ifndef SWITCHYARD_COMM_CALL_H_
#define SWITCHYARD_COMM_CALL_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "switchyard/base/dtype.h"
#include "switchyard/base/stream.h"
#include "switchyard/comm/communicator.h"

namespace switchyard::comm {

enum class CallKind : uint8_t {
  kAllReduce,
  kReduceScatter,
  kAllGather,
  kAllToAllV,
  kBroadcast,
  kBarrier,
  kSplit,
};

// "all-reduce", ...
const char* NameOf(CallKind kind);
// "sum", "min", "max".
const char* NameOf(ReduceOp op);

struct Call {
  CallKind kind = CallKind::kBarrier;
  DType dtype = DType::kUInt8;
  ReduceOp op = ReduceOp::kSum;  // all-reduce, reduce-scatter
  int root = 0;                  // broadcast
  int color = 0;                 // split
  int key = 0;                   // split
  // All-reduce and broadcast use `recv` alone, `count` elements of it. For
  // reduce-scatter and all-gather `count` is the sum of `counts`, for
  // all-to-all-v what this rank sends, to itself too.
  const std::byte* send = nullptr;
  std::byte* recv = nullptr;
  int64_t count = 0;
  std::vector<int64_t> counts;          // by rank
  absl::Span<const Block> send_blocks;  // all-to-all-v
  absl::Span<const Block> recv_blocks;  // all-to-all-v
  Caller caller;
  Stream* stream = nullptr;  // behind whose work it begins; may be null

  int64_t element_bytes() const { return static_cast<int64_t>(SizeOf(dtype)); }
};

// Elements of the ranks before `rank`: where its part of a buffer begins.
int64_t SumBefore(absl::Span<const int64_t> counts, int rank);

// Whether two ranks may meet with these calls: everything that must agree does.
// The blocks of an all-to-all-v are compared elsewhere (block_matching.h).
bool SameCall(const Call& a, const Call& b);

}  // namespace switchyard::comm

#endif  // SWITCHYARD_COMM_CALL_H_
