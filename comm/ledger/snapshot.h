// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// A copy of what a ledger says at one moment, in ordinary types, for reports.
#ifndef SWITCHYARD_COMM_LEDGER_SNAPSHOT_H_
#define SWITCHYARD_COMM_LEDGER_SNAPSHOT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "switchyard/base/dtype.h"
#include "switchyard/comm/call.h"
#include "switchyard/comm/communicator.h"
#include "switchyard/comm/ledger/layout.h"
#include "switchyard/comm/ledger/process_state.h"

namespace switchyard::comm::ledger {

struct CallSnapshot {
  int64_t sequence = 0;
  CallKind kind = CallKind::kBarrier;
  DType dtype = DType::kUInt8;
  ReduceOp op = ReduceOp::kSum;
  int root = 0;
  int64_t count = 0;
  uint64_t counts_key = 0;
  int layer = -1;
  std::string phase;
  int64_t start_ns = 0;
  int64_t end_ns = 0;                   // 0: under way
  std::vector<int64_t> sent_bytes;      // all-to-all-v: to each peer
  std::vector<int64_t> received_bytes;  // all-to-all-v: from each peer
};

// Whether two ranks may meet with these calls (SameCall in call.h), as far as
// ledgers hold them: of two CallSnapshots or two Records (layout.h).
template <typename Recorded>
bool Agree(const Recorded& a, const Recorded& b) {
  if (a.kind != b.kind || a.dtype != b.dtype) return false;
  if (static_cast<int>(a.kind) == static_cast<int>(CallKind::kAllToAllV)) {
    return true;
  }
  return a.op == b.op && a.root == b.root && a.count == b.count &&
         a.counts_key == b.counts_key;
}

struct GroupSnapshot {
  uint64_t id = 0;
  std::string name;
  int rank = 0;
  int64_t begun = 0;                // the last call's sequence number
  std::vector<CallSnapshot> calls;  // the last ones, in order

  const CallSnapshot* Find(int64_t sequence) const;
};

struct RankSnapshot {
  Member member;
  ProcessState process = ProcessState::kRunning;
  bool process_known = false;
  bool readable = false;  // if not, nothing below is known
  State state = kActive;
  int64_t step = 0;
  int layer = -1;
  std::string phase;
  int64_t position_ns = 0;  // 0: the runtime never said
  std::vector<GroupSnapshot> groups;

  const GroupSnapshot* Find(uint64_t group_id) const;
};

// Reads the ledger at `base` into `rank`; false if there is none (yet). With a
// `group_id` other than 0 only that group is read.
bool ReadLedger(const void* base, const Layout& layout, uint64_t group_id,
                RankSnapshot& rank);

}  // namespace switchyard::comm::ledger

#endif  // SWITCHYARD_COMM_LEDGER_SNAPSHOT_H_
