// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/comm/mpi/mpi_failure.h"

#include <atomic>
#include <mutex>

namespace switchyard::comm {
namespace {

struct Failure {
  std::atomic<bool> noted{false};
  std::mutex mutex;
  absl::Status first;
};

Failure& TheFailure() {
  static Failure* failure = new Failure;  // outlives every static destructor
  return *failure;
}

}  // namespace

void NoteMpiFailure(const absl::Status& failure) {
  Failure& the = TheFailure();
  std::lock_guard<std::mutex> lock(the.mutex);
  the.first.Update(failure);
  the.noted = true;
}

bool MpiHasFailed() { return TheFailure().noted; }

absl::Status FirstMpiFailure() {
  Failure& the = TheFailure();
  std::lock_guard<std::mutex> lock(the.mutex);
  return the.first;
}

}  // namespace switchyard::comm
