// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/comm/thread/execute.h"

#include <cstring>

#include "absl/container/inlined_vector.h"
#include "switchyard/comm/block_matching.h"
#include "switchyard/comm/combine.h"

namespace switchyard::comm {
namespace {

using Calls = absl::Span<const Call* const>;

void CopyElements(const Call& call, std::byte* dst, const std::byte* src,
                  int64_t count) {
  if (dst == src || count == 0) return;
  std::memcpy(dst, src, count * call.element_bytes());
}

// Elements from byte `offset_bytes` on of every rank's send buffer, or of the
// one buffer that an all-reduce has.
void CombineParts(Calls calls, int64_t offset_bytes, std::byte* result,
                  int64_t count) {
  absl::InlinedVector<const std::byte*, 64> parts;
  for (const Call* call : calls) {
    const bool one_buffer = call->kind == CallKind::kAllReduce;
    parts.push_back((one_buffer ? call->recv : call->send) + offset_bytes);
  }
  Combine(calls[0]->dtype, calls[0]->op, parts, result, count);
}

void AllReduce(Calls calls) {
  const Call& first = *calls[0];
  CombineParts(calls, 0, first.recv, first.count);
  for (const Call* call : calls.subspan(1)) {
    CopyElements(first, call->recv, first.recv, first.count);
  }
}

void ReduceScatter(Calls calls) {
  int64_t offset_bytes = 0;
  for (size_t r = 0; r < calls.size(); ++r) {
    const int64_t count = calls[0]->counts[r];
    CombineParts(calls, offset_bytes, calls[r]->recv, count);
    offset_bytes += count * calls[0]->element_bytes();
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
