// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/comm/staging.h"

#include <algorithm>
#include <cstdint>

#include "switchyard/base/stream.h"
#include "switchyard/comm/block_matching.h"

namespace switchyard::comm {
namespace {

// `count` elements from element `offset` of one of the call's buffers.
TensorView Part(const Call& call, const std::byte* buffer, int64_t offset,
                int64_t count) {
  const int64_t bytes = call.element_bytes();
  return TensorView(const_cast<std::byte*>(buffer) + offset * bytes,
                    DType::kUInt8, {count * bytes});
}

// Calls visit(offset, count) for what this rank gives from its send buffer.
template <typename Visit>
void ForEachSent(const Call& call, int rank, const Visit& visit) {
  switch (call.kind) {
    case CallKind::kReduceScatter:
      return visit(0, call.count);
    case CallKind::kAllGather:
      return visit(0, call.counts[rank]);
    case CallKind::kAllToAllV:
      for (const Block& block : call.send_blocks) {
        visit(block.offset, block.count);
      }
      return;
    case CallKind::kAllReduce:
    case CallKind::kBroadcast:
    case CallKind::kBarrier:
    case CallKind::kSplit:
      return;  // they send what lies where they receive
  }
}

// Likewise for what it takes into its receive buffer.
template <typename Visit>
void ForEachReceived(const Call& call, int rank, const Visit& visit) {
  switch (call.kind) {
    case CallKind::kReduceScatter:
      return visit(0, call.counts[rank]);
    case CallKind::kAllGather:
    case CallKind::kAllReduce:
    case CallKind::kBroadcast:
      return visit(0, call.count);
    case CallKind::kAllToAllV:
      for (const Block& block : call.recv_blocks) {
        visit(block.offset, block.count);
      }
      return;
    case CallKind::kBarrier:
    case CallKind::kSplit:
      return;
  }
}

// Bytes of a buffer up to the end of the last part.
template <typename ForEach>
size_t Extent(const Call& call, const ForEach& for_each) {
  int64_t end = 0;
  for_each([&end](int64_t offset, int64_t count) {
    if (count > 0) end = std::max(end, offset + count);
  });
  return static_cast<size_t>(end * call.element_bytes());
}

void GrowTo(size_t bytes, std::vector<std::byte>& buffer) {
  if (buffer.size() < bytes) buffer.resize(bytes);
}

}  // namespace

void Staging::Begin(Call& call, int rank) {
  const auto sent = [&](const auto& visit) { ForEachSent(call, rank, visit); };
  const auto received = [&](const auto& visit) {
    ForEachReceived(call, rank, visit);
  };
  GrowTo(Extent(call, sent), send_);
  GrowTo(Extent(call, received), recv_);
  Stream& stream = *call.stream;
  const int64_t bytes = call.element_bytes();
  sent([&](int64_t offset, int64_t count) {
    stream.CopyToHost(send_.data() + offset * bytes,
                      Part(call, call.send, offset, count));
  });
  if (call.kind == CallKind::kAllReduce ||
      (call.kind == CallKind::kBroadcast && call.root == rank)) {
    stream.CopyToHost(recv_.data(), Part(call, call.recv, 0, call.count));
  }
  stream.Wait();
  device_recv_ = call.recv;
  call.send = send_.data();
  call.recv = recv_.data();
}

void Staging::End(const Call& call, int rank) {
  if (call.kind == CallKind::kBroadcast && call.root == rank) return;
  const int64_t bytes = call.element_bytes();
  ForEachReceived(call, rank, [&](int64_t offset, int64_t count) {
    call.stream->CopyToDevice(Part(call, device_recv_, offset, count),
                              recv_.data() + offset * bytes);
  });
}

bool CopyOnDevice(const Call& call) {
  const auto copy = [&call](int64_t to, int64_t from, int64_t count) {
    call.stream->Copy(Part(call, call.recv, to, count),
                      Part(call, call.send, from, count));
  };
  switch (call.kind) {
    case CallKind::kReduceScatter:
    case CallKind::kAllGather:
      if (call.send != call.recv) copy(0, 0, call.count);
      return true;
    case CallKind::kAllToAllV:
      return MatchBlocks(call.send_blocks, 0, call.recv_blocks, 0,
                         [&](const Block& send, const Block& recv) {
                           copy(recv.offset, send.offset, send.count);
                         });
    case CallKind::kAllReduce:
    case CallKind::kBroadcast:
    case CallKind::kBarrier:
    case CallKind::kSplit:
      return true;
  }
  return true;
}

}  // namespace switchyard::comm
