// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The time in ledgers: the steady clock, which all processes of a host share.
#ifndef SWITCHYARD_COMM_LEDGER_CLOCK_H_
#define SWITCHYARD_COMM_LEDGER_CLOCK_H_

#include <chrono>
#include <cstdint>

namespace switchyard::comm::ledger {

inline int64_t NowNs() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace switchyard::comm::ledger

#endif  // SWITCHYARD_COMM_LEDGER_CLOCK_H_
