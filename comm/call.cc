// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/comm/call.h"

#include <numeric>

namespace switchyard::comm {

const char* NameOf(CallKind kind) {
  switch (kind) {
    case CallKind::kAllReduce:
      return "all-reduce";
    case CallKind::kReduceScatter:
      return "reduce-scatter";
    case CallKind::kAllGather:
      return "all-gather";
    case CallKind::kAllToAllV:
      return "all-to-all-v";
    case CallKind::kBroadcast:
      return "broadcast";
    case CallKind::kBarrier:
      return "barrier";
    case CallKind::kSplit:
      return "split";
  }
  return "?";
}

const char* NameOf(ReduceOp op) {
  switch (op) {
    case ReduceOp::kSum:
      return "sum";
    case ReduceOp::kMin:
      return "min";
    case ReduceOp::kMax:
      return "max";
  }
  return "?";
}

int64_t SumBefore(absl::Span<const int64_t> counts, int rank) {
  return std::accumulate(counts.begin(), counts.begin() + rank, int64_t{0});
}

bool SameCall(const Call& a, const Call& b) {
  if (a.kind != b.kind || a.dtype != b.dtype) return false;
  if (a.kind == CallKind::kAllToAllV) return true;  // counts are a rank's own
  return a.op == b.op && a.root == b.root && a.count == b.count &&
         a.counts == b.counts;
}

}  // namespace switchyard::comm
