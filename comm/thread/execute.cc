// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/comm/thread/execute.h"

#include <algorithm>
#include <cstring>

#include "switchyard/base/check.h"
#include "switchyard/base/cpu/floating_point_mode.h"
#include "switchyard/comm/block_matching.h"

namespace switchyard::comm {
namespace {

using Calls = absl::Span<const Call* const>;

template <typename T>
void Combine(ReduceOp op, T* acc, const T* x, int64_t count) {
  switch (op) {
    case ReduceOp::kSum:
      for (int64_t i = 0; i < count; ++i) acc[i] += x[i];
      break;
    case ReduceOp::kMin:
      for (int64_t i = 0; i < count; ++i) acc[i] = std::min(acc[i], x[i]);
      break;
    case ReduceOp::kMax:
      for (int64_t i = 0; i < count; ++i) acc[i] = std::max(acc[i], x[i]);
      break;
  }
}

template <typename T>
void CombineBytes(ReduceOp op, std::byte* acc, const std::byte* x,
                  int64_t count) {
  Combine(op, reinterpret_cast<T*>(acc), reinterpret_cast<const T*>(x), count);
}

// acc = acc op x, elementwise.
void Combine(const Call& call, std::byte* acc, const std::byte* x,
             int64_t count) {
  switch (call.dtype) {
    case DType::kFloat32:
      return CombineBytes<float>(call.op, acc, x, count);
    case DType::kFloat64:
      return CombineBytes<double>(call.op, acc, x, count);
    case DType::kInt32:
      return CombineBytes<int32_t>(call.op, acc, x, count);
    case DType::kInt64:
      return CombineBytes<int64_t>(call.op, acc, x, count);
    case DType::kBFloat16:
    case DType::kUInt8:
      break;
  }
  SWITCHYARD_CHECK(false) << NameOf(call.dtype) << " cannot be reduced";
}

void CopyElements(const Call& call, std::byte* dst, const std::byte* src,
                  int64_t count) {
  if (dst == src || count == 0) return;
  std::memcpy(dst, src, count * call.element_bytes());
}

void AllReduce(Calls calls) {
  const Call& first = *calls[0];
  for (const Call* call : calls.subspan(1)) {
    Combine(first, first.recv, call->recv, first.count);
  }
  for (const Call* call : calls.subspan(1)) {
    CopyElements(first, call->recv, first.recv, first.count);
  }
}

void ReduceScatter(Calls calls) {
  const Call& first = *calls[0];
  // Rank 0's send buffer collects: the contract leaves it undefined afterwards.
  std::byte* part = const_cast<std::byte*>(first.send);
  int64_t offset_bytes = 0;
  for (size_t r = 0; r < calls.size(); ++r) {
    const int64_t count = first.counts[r];
    for (const Call* call : calls.subspan(1)) {
      Combine(first, part, call->send + offset_bytes, count);
    }
    CopyElements(first, calls[r]->recv, part, count);
    part += count * first.element_bytes();
    offset_bytes += count * first.element_bytes();
  }
}

void AllGather(Calls calls) {
  const Call& first = *calls[0];
  int64_t offset_bytes = 0;
  for (size_t r = 0; r < calls.size(); ++r) {
    for (const Call* call : calls) {
      CopyElements(first, call->recv + offset_bytes, calls[r]->send,
                   first.counts[r]);
    }
    offset_bytes += first.counts[r] * first.element_bytes();
  }
}

bool AllToAllV(Calls calls) {
  const int ranks = static_cast<int>(calls.size());
  const int64_t bytes = calls[0]->element_bytes();
  for (int sender = 0; sender < ranks; ++sender) {
    for (int receiver = 0; receiver < ranks; ++receiver) {
      const bool matched = MatchBlocks(
          calls[sender]->send_blocks, sender, calls[receiver]->recv_blocks,
          receiver, [&](const Block& send, const Block& recv) {
            std::memcpy(calls[receiver]->recv + recv.offset * bytes,
                        calls[sender]->send + send.offset * bytes,
                        send.count * bytes);
          });
      if (!matched) return false;
    }
  }
  return true;
}

void Broadcast(Calls calls) {
  const Call& root = *calls[calls[0]->root];
  for (const Call* call : calls) {
    CopyElements(root, call->recv, root.recv, root.count);
  }
}

}  // namespace

bool Execute(Calls calls) {
  ScopedFloatingPointMode mode;
  switch (calls[0]->kind) {
    case CallKind::kAllReduce:
      AllReduce(calls);
      return true;
    case CallKind::kReduceScatter:
      ReduceScatter(calls);
      return true;
    case CallKind::kAllGather:
      AllGather(calls);
      return true;
    case CallKind::kAllToAllV:
      return AllToAllV(calls);
    case CallKind::kBroadcast:
      Broadcast(calls);
      return true;
    case CallKind::kBarrier:
    case CallKind::kSplit:
      return true;
  }
  return true;
}

}  // namespace switchyard::comm
