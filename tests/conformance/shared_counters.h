// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Counters that all ranks of a test share beside the communicator, whether they
// are threads or processes of one host: what one rank does can wait for what
// another has done without a collective.
#ifndef SWITCHYARD_TESTS_CONFORMANCE_SHARED_COUNTERS_H_
#define SWITCHYARD_TESTS_CONFORMANCE_SHARED_COUNTERS_H_

#include <memory>

#include "absl/status/statusor.h"
#include "switchyard/tests/conformance/implementation.h"

namespace switchyard::comm {

class SharedCounters {
 public:
  static constexpr int kCount = 64;

  // All zero. Every rank calls it, first of all. Rank 0's must live until all
  // ranks have theirs.
  static absl::StatusOr<std::unique_ptr<SharedCounters>> Open(Rank& rank);
  ~SharedCounters();
  SharedCounters(const SharedCounters&) = delete;
  SharedCounters& operator=(const SharedCounters&) = delete;

  void Add(int counter);
  int Get(int counter) const;
  // Until the counter has reached `value`; a minute at most.
  absl::Status AwaitAtLeast(int counter, int value) const;

 private:
  SharedCounters(int file, void* memory) : file_(file), memory_(memory) {}

  const int file_;
  void* const memory_;
};

}  // namespace switchyard::comm

#endif  // SWITCHYARD_TESTS_CONFORMANCE_SHARED_COUNTERS_H_
