// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The ledger: what a rank called, in order, for each of its groups, and where
// it is now. When a job is stuck, the ledgers of its ranks side by side say
// which rank, which layer and which call.
//
// Each rank keeps its last calls (sequence number, operation, caller, dtype,
// count, bytes to each peer, start, end) in a file that it maps, so that the
// other ranks of the host can read those of a rank that is stopped or dead.
// Communicators write it; a runtime says where it is between collectives:
//
//   world.ledger().SetPosition(step, layer, "attention");
#ifndef SWITCHYARD_COMM_LEDGER_H_
#define SWITCHYARD_COMM_LEDGER_H_

#include <cstdint>
#include <string>

namespace switchyard::comm {

// One for each rank of a world; shared by the groups split off it.
class Ledger {
 public:
  virtual ~Ledger() = default;
  Ledger(const Ledger&) = delete;
  Ledger& operator=(const Ledger&) = delete;

  // Costs a few stores. `layer` is -1 outside the layers; of `phase` the first
  // 24 characters are kept.
  virtual void SetPosition(int64_t step, int layer, const char* phase) = 0;

  // Reads the ledgers of all ranks that it can and says, in a few lines: which
  // ranks are dead or stopped, the first call at which ranks differ or that is
  // not complete and who is missing, and where each rank is. Any thread may
  // call it at any time, such as one that waits for a signal.
  virtual std::string Report() const = 0;

 protected:
  Ledger() = default;
};

}  // namespace switchyard::comm

#endif  // SWITCHYARD_COMM_LEDGER_H_
