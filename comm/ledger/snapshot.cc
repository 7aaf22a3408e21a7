// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/comm/ledger/snapshot.h"

#include <algorithm>
#include <utility>

namespace switchyard::comm::ledger {
namespace {

// False if the record holds another call, or did while it was read.
bool ReadCall(const Record& record, int64_t sequence, int peers,
              CallSnapshot& call) {
  if (record.sequence != sequence) return false;
  call.sequence = sequence;
  call.kind = static_cast<CallKind>(int32_t{record.kind});
  call.dtype = static_cast<DType>(int32_t{record.dtype});
  call.op = static_cast<ReduceOp>(int32_t{record.op});
  call.root = record.root;
  call.count = record.count;
  call.counts_key = record.counts_key;
  call.layer = record.layer;
  call.phase = record.phase.ToString();
  call.start_ns = record.start_ns;
  call.end_ns = record.end_ns;
  if (call.kind == CallKind::kAllToAllV) {
    for (int p = 0; p < peers; ++p) {
      call.sent_bytes.push_back(record.peers()[p]);
      call.received_bytes.push_back(record.peers()[peers + p]);
    }
  }
  return record.sequence == sequence;
}

GroupSnapshot ReadGroup(const GroupHeader& header, const Layout& layout,
                        uint64_t id) {
  GroupSnapshot group;
  group.id = id;
  group.name = header.name.ToString();
  group.rank = header.rank;
  group.begun = header.begun;
  const int64_t first = std::max<int64_t>(1, group.begun - layout.depth() + 1);
  for (int64_t sequence = first; sequence <= group.begun; ++sequence) {
    CallSnapshot call;
    if (ReadCall(*layout.record(&header, sequence), sequence, header.size,
                 call)) {
      group.calls.push_back(std::move(call));
    }
  }
  return group;
}

}  // namespace

const CallSnapshot* GroupSnapshot::Find(int64_t sequence) const {
  const auto call = std::lower_bound(
      calls.begin(), calls.end(), sequence,
      [](const CallSnapshot& c, int64_t s) { return c.sequence < s; });
  return call != calls.end() && call->sequence == sequence ? &*call : nullptr;
}

const GroupSnapshot* RankSnapshot::Find(uint64_t group_id) const {
  for (const GroupSnapshot& group : groups) {
    if (group.id == group_id) return &group;
  }
  return nullptr;
}

bool ReadLedger(const void* base, const Layout& layout, uint64_t group_id,
                RankSnapshot& rank) {
  const Header& header = *static_cast<const Header*>(base);
  if (header.magic != kMagic) return false;
  rank.readable = true;
  rank.state = static_cast<State>(int32_t{header.state});
  rank.step = header.step;
  rank.layer = header.layer;
  rank.phase = header.phase.ToString();
  rank.position_ns = header.position_ns;
  for (int region = 0; region < kMaxRegions; ++region) {
    const uint64_t id = header.group_ids[region];
    if (id == 0 || (group_id != 0 && id != group_id)) continue;
    GroupSnapshot group = ReadGroup(*layout.group(base, region), layout, id);
    // Unless another group has moved in meanwhile.
    if (header.group_ids[region] == id) rank.groups.push_back(std::move(group));
  }
  return true;
}

}  // namespace switchyard::comm::ledger
