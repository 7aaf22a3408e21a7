// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Copies that a device thread began and has not yet waited for.
#ifndef SWITCHYARD_TESTS_EMULATION_ENGINE_ASYNC_COPIES_H_
#define SWITCHYARD_TESTS_EMULATION_ENGINE_ASYNC_COPIES_H_

#include <array>
#include <cstddef>
#include <deque>

#include "emulation/call_site.h"

namespace switchyard::emulation {

struct PendingCopy {
  void* destination;
  const void* source;
  size_t bytes;
  size_t source_bytes;
  int group;
};

class AsyncCopies {
 public:
  void Begin(int thread, PendingCopy copy, const void* pc);
  void Commit(int thread) { ++queues_[thread].open_group; }
  void Wait(int thread, int pending, const void* pc);
  bool any() const { return count_ > 0; }
  // At the end of a thread: whether a copy was never waited for.
  bool Unfinished(int thread) const { return !queues_[thread].copies.empty(); }
  // At the start of a block.
  void Reset();

 private:
  struct Queue {
    std::deque<PendingCopy> copies;
    int open_group = 0;
  };

  size_t count_ = 0;
  bool used_ = false;
  std::array<Queue, 1024> queues_;
};

}  // namespace switchyard::emulation

#endif  // SWITCHYARD_TESTS_EMULATION_ENGINE_ASYNC_COPIES_H_
