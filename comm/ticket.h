// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// A collective under way. Move-only; a moved-from ticket is empty. Wait must be
// called once before it is destroyed: a buffer may not vanish under a transfer.
// Only when the group is dead (communicator.h), so that nothing moves any more,
// may a ticket be dropped: an error path need not collect them.
#ifndef SWITCHYARD_COMM_TICKET_H_
#define SWITCHYARD_COMM_TICKET_H_

#include <utility>

#include "absl/status/status.h"

namespace switchyard::comm {

// What an implementation keeps of a call under way. Owned by its communicator,
// which reuses it, so that starting a collective does not allocate.
class Operation {
 public:
  virtual ~Operation() = default;
  // Blocks until done, failed or late. Called once.
  virtual absl::Status Wait() = 0;
  // Moves data if it can, and returns at once: whether Wait would.
  virtual bool Poll() = 0;
  // The ticket goes without Wait: a bug, unless the group is dead.
  virtual void Abandon() = 0;
};

class Ticket {
 public:
  Ticket() = default;  // of a collective that is complete already
  explicit Ticket(Operation* operation) : operation_(operation) {}
  Ticket(Ticket&& other) noexcept
      : operation_(std::exchange(other.operation_, nullptr)) {}
  Ticket& operator=(Ticket&& other) noexcept {
    if (this != &other) {
      Drop();
      operation_ = std::exchange(other.operation_, nullptr);
    }
    return *this;
  }
  ~Ticket() { Drop(); }

  // Returns when the collective is complete on this rank, or with an error; on
  // a GPU, when its stream will wait for it (communicator.h). Waiting for an
  // empty ticket is fine.
  absl::Status Wait() {
    if (operation_ == nullptr) return absl::OkStatus();
    return std::exchange(operation_, nullptr)->Wait();
  }

  // Between pieces of arithmetic, for libraries that move nothing outside their
  // calls (Open MPI): lets what is under way on this rank go on. Never blocks.
  // Returns whether Wait would return at once; an error is Wait's to tell.
  bool Poll() { return operation_ == nullptr || operation_->Poll(); }

 private:
  void Drop() {
    if (operation_ != nullptr) operation_->Abandon();
    operation_ = nullptr;
  }

  Operation* operation_ = nullptr;
};

}  // namespace switchyard::comm

#endif  // SWITCHYARD_COMM_TICKET_H_
