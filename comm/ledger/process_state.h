// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Whether a process of this host is running, stopped or gone.
#ifndef SWITCHYARD_COMM_LEDGER_PROCESS_STATE_H_
#define SWITCHYARD_COMM_LEDGER_PROCESS_STATE_H_

#include <cstdint>

namespace switchyard::comm::ledger {

enum class ProcessState { kRunning, kStopped, kDead };

// When the process started, in the kernel's clock ticks; 0 if it is gone. With
// the process id it names a process for good.
int64_t ProcessStart(int64_t process);

// `start` is what ProcessStart said earlier. Stopped: by a signal or a
// debugger.
ProcessState StateOfProcess(int64_t process, int64_t start);

}  // namespace switchyard::comm::ledger

#endif  // SWITCHYARD_COMM_LEDGER_PROCESS_STATE_H_
