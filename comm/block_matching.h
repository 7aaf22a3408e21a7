// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Which block of a sender belongs to which block of a receiver in an
// all-to-all-v: the non-empty ones between the two, in list order.
#ifndef SWITCHYARD_COMM_BLOCK_MATCHING_H_
#define SWITCHYARD_COMM_BLOCK_MATCHING_H_

#include <cstdint>
#include <cstring>

#include "absl/types/span.h"
#include "switchyard/comm/call.h"
#include "switchyard/comm/communicator.h"

namespace switchyard::comm {

// The first non-empty block for `peer` from index `i` on; blocks.size() if
// none.
inline size_t NextBlock(absl::Span<const Block> blocks, int peer, size_t i) {
  while (i < blocks.size() &&
         (blocks[i].peer != peer || blocks[i].count == 0)) {
    ++i;
  }
  return i;
}

// Calls visit(send_block, recv_block) for each pair of blocks that go from
// `sender` (whose list is `send_blocks`) to `receiver`. False, at the first
// pair that disagrees in count or lacks its other half.
template <typename Visit>
bool MatchBlocks(absl::Span<const Block> send_blocks, int sender,
                 absl::Span<const Block> recv_blocks, int receiver,
                 const Visit& visit) {
  size_t s = NextBlock(send_blocks, receiver, 0);
  size_t r = NextBlock(recv_blocks, sender, 0);
  while (s < send_blocks.size() && r < recv_blocks.size()) {
    if (send_blocks[s].count != recv_blocks[r].count) return false;
    visit(send_blocks[s], recv_blocks[r]);
    s = NextBlock(send_blocks, receiver, s + 1);
    r = NextBlock(recv_blocks, sender, r + 1);
  }
  return s == send_blocks.size() && r == recv_blocks.size();
}

// Copies what rank `rank` sends to itself. False if that is not what it expects
// from itself.
inline bool CopyOwnBlocks(const Call& call, int rank) {
  const int64_t bytes = call.element_bytes();
  return MatchBlocks(call.send_blocks, rank, call.recv_blocks, rank,
                     [&](const Block& send, const Block& recv) {
                       std::memcpy(call.recv + recv.offset * bytes,
                                   call.send + send.offset * bytes,
                                   send.count * bytes);
                     });
}

}  // namespace switchyard::comm

#endif  // SWITCHYARD_COMM_BLOCK_MATCHING_H_
