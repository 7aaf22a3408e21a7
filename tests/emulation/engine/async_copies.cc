// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "engine/async_copies.h"

#include <cstring>

#include "emulation/control.h"
#include "races/race_checks.h"

namespace switchyard::emulation {

void AsyncCopies::Begin(int thread, PendingCopy copy, const void* pc) {
  used_ = true;
  NoteDeviceAccess(copy.destination, copy.bytes, AccessKind::kWrite, pc);
  NoteUninitialised(copy.destination, copy.bytes);
  if (settings().poison) std::memset(copy.destination, 0xff, copy.bytes);
  Queue& queue = queues_[thread];
  copy.group = queue.open_group;
  queue.copies.push_back(copy);
  ++count_;
}

void AsyncCopies::Wait(int thread, int pending, const void* pc) {
  Queue& queue = queues_[thread];
  while (!queue.copies.empty() &&
         queue.copies.front().group < queue.open_group - pending) {
    const PendingCopy copy = queue.copies.front();
    queue.copies.pop_front();
    --count_;
    NoteDeviceAccess(copy.source, copy.source_bytes, AccessKind::kRead, pc);
    NoteDeviceAccess(copy.destination, copy.bytes, AccessKind::kWrite, pc);
    std::memcpy(copy.destination, copy.source, copy.source_bytes);
    std::memset(static_cast<char*>(copy.destination) + copy.source_bytes, 0,
                copy.bytes - copy.source_bytes);
  }
}

void AsyncCopies::Reset() {
  if (!used_) return;
  for (Queue& queue : queues_) {
    queue.copies.clear();
    queue.open_group = 0;
  }
  count_ = 0;
  used_ = false;
}

}  // namespace switchyard::emulation
