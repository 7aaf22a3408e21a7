// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// What is wrong, from the ledgers of the ranks of a group.
#ifndef SWITCHYARD_COMM_LEDGER_DIAGNOSIS_H_
#define SWITCHYARD_COMM_LEDGER_DIAGNOSIS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "switchyard/comm/ledger/snapshot.h"

namespace switchyard::comm::ledger {

// The group whose calls are compared.
struct GroupInfo {
  uint64_t id = 0;
  std::string name;
  std::vector<int> world_ranks;  // by rank in the group
};

struct Diagnosis {
  int64_t sequence = 0;
  // The first call at which two ranks differ, if any: what differs, in words.
  std::string mismatch;
  // Otherwise, of call `sequence`, by rank in the world:
  std::vector<int> missing;     // have not made it
  std::vector<int> unfinished;  // are in it
  std::vector<int> unknown;     // their ledgers cannot be read
};

// Looks at the calls up to `sequence`, one that this rank waits for. `world`
// has all ranks, by rank; those of the group at least have it read.
Diagnosis Diagnose(const GroupInfo& group, int64_t sequence,
                   const std::vector<RankSnapshot>& world);

// True if the rank will never make another call: its process is dead, it has
// left, or a failure ended its communication.
bool IsLost(const RankSnapshot& rank);

}  // namespace switchyard::comm::ledger

#endif  // SWITCHYARD_COMM_LEDGER_DIAGNOSIS_H_
