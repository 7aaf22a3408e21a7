// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/comm/ledger/process_state.h"

#include <fstream>
#include <sstream>
#include <string>

#include "absl/strings/str_cat.h"

namespace switchyard::comm::ledger {
namespace {

// /proc/PID/stat: "PID (name) STATE ...", field 22 the start. The name may hold
// blanks and parentheses, so what counts begins behind the last one.
struct Stat {
  char state = 'X';  // dead
  int64_t start = 0;
};

Stat ReadStat(int64_t process) {
  std::ifstream file(absl::StrCat("/proc/", process, "/stat"));
  std::string line;
  if (!std::getline(file, line)) return {};
  const size_t name_end = line.rfind(')');
  if (name_end == std::string::npos) return {};
  std::istringstream fields(line.substr(name_end + 1));
  Stat stat;
  fields >> stat.state;
  std::string skipped;
  for (int field = 4; field < 22; ++field) fields >> skipped;
  fields >> stat.start;
  return stat;
}

}  // namespace

int64_t ProcessStart(int64_t process) { return ReadStat(process).start; }

ProcessState StateOfProcess(int64_t process, int64_t start) {
  const Stat stat = ReadStat(process);
  if (stat.start != start) return ProcessState::kDead;
  switch (stat.state) {
    case 'X':
    case 'Z':
      return ProcessState::kDead;
    case 'T':
    case 't':
      return ProcessState::kStopped;
    default:
      return ProcessState::kRunning;
  }
}

}  // namespace switchyard::comm::ledger
