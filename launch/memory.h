// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Does a run fit into this machine? Said before anything is allocated: later a
// system that promises more memory than it has kills the run without a word.
#ifndef SWITCHYARD_LAUNCH_MEMORY_H_
#define SWITCHYARD_LAUNCH_MEMORY_H_

#include <cstdint>
#include <limits>
#include <string>

#include "absl/status/status.h"

namespace switchyard::launch {

struct HostMemory {
  std::string host;
  int64_t physical = 0;       // bytes of the machine
  int64_t address_space = 0;  // bytes that one process may map
  // Bytes that the system lets all ranks of the machine have.
  int64_t control_group = std::numeric_limits<int64_t>::max();
};

// Of this machine and process; what cannot be found out is without limit.
HostMemory ReadHostMemory(const std::string& host);

// An error if `ranks` ranks of the host cannot hold `rank_bytes` each, what is
// there from the first step to the last: Plan's memory.fixed().
absl::Status CheckMemory(const HostMemory& memory, int64_t ranks,
                         int64_t rank_bytes);

}  // namespace switchyard::launch

#endif  // SWITCHYARD_LAUNCH_MEMORY_H_
