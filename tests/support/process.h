// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Other processes of this machine.
#ifndef SWITCHYARD_TESTS_SUPPORT_PROCESS_H_
#define SWITCHYARD_TESTS_SUPPORT_PROCESS_H_

#include <sys/types.h>
#include <unistd.h>

#include <fstream>
#include <string>

namespace switchyard::testing {

// Ended, or ended and not yet waited for by whoever adopted it.
inline bool IsGone(pid_t pid) {
  std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  // A process that ends in between is an error of the read, which getline
  // keeps in the stream.
  std::getline(stat, text);
  return text.empty() || text.find(") Z ") != std::string::npos;
}

// The same within so many seconds.
inline bool IsGoneWithin(pid_t pid, double seconds) {
  for (int i = 0; i < static_cast<int>(seconds * 50); ++i) {
    if (IsGone(pid)) return true;
    usleep(20000);
  }
  return IsGone(pid);
}

}  // namespace switchyard::testing

#endif  // SWITCHYARD_TESTS_SUPPORT_PROCESS_H_
