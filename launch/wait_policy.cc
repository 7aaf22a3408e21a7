// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/launch/wait_policy.h"

#include <limits.h>
#include <unistd.h>

#include <cstdlib>
#include <thread>

namespace switchyard::launch {
namespace {

// Rounds of libgomp's loop: tens of microseconds, more than the threads of one
// operator wait for each other where each has a core of its own. By itself it
// spins for 30 times as long; where cores are shared, that is time taken from
// the very thread that is waited for.
constexpr char kSpinCount[] = "10000";

}  // namespace

void ShortenSpinning(char** arguments) {
  if (std::getenv("OMP_WAIT_POLICY") != nullptr ||
      std::getenv("GOMP_SPINCOUNT") != nullptr ||
      std::thread::hardware_concurrency() < 2) {
    return;
  }
  // The name in full: the process would be called "exe" otherwise.
  char program[PATH_MAX];
  const ssize_t length =
      readlink("/proc/self/exe", program, sizeof(program) - 1);
  if (length <= 0) return;
  program[length] = '\0';
  // The second time the variable is set: no loop.
  if (setenv("GOMP_SPINCOUNT", kSpinCount, 0) != 0) return;
  execv(program, arguments);
  // Not started again: slower where cores are shared, and right.
}

}  // namespace switchyard::launch
