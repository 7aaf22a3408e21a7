// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Carries collectives whose buffers are in a GPU's memory, on the device's own
// queues: the host only enqueues. A group that has none moves such buffers
// through host memory (staging.h).
#ifndef SWITCHYARD_COMM_DEVICE_TRANSPORT_H_
#define SWITCHYARD_COMM_DEVICE_TRANSPORT_H_

#include <memory>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "switchyard/base/stream.h"
#include "switchyard/comm/call.h"

namespace switchyard::comm {

class DeviceTransport {
 public:
  // What it keeps of one call. Reused.
  class Flight {
   public:
    virtual ~Flight() = default;
    // Whether the call is complete. Never blocks.
    virtual bool Landed() = 0;
    // What `stream` is given from now on begins behind the call.
    virtual void HoldBack(Stream& stream) = 0;
  };

  virtual ~DeviceTransport() = default;

  // Asked at most once a second while a call waits for other ranks: an error if
  // it does so in vain.
  using Look = absl::FunctionRef<absl::Status()>;

  virtual std::unique_ptr<Flight> NewFlight() = 0;
  // Waits until the group's queue takes another call without blocking the host.
  virtual void MakeRoom() = 0;
  // Enqueues `call` behind the work of its stream and the group's calls before.
  // The order of calls of all groups of a process must be the same on all
  // ranks; those of several groups may run at once.
  virtual absl::Status Start(const Call& call, Flight& flight, Look look) = 0;
  // An error of a call that was enqueued before, in any group of the process.
  // Never blocks.
  virtual absl::Status Health() = 0;
  // Ends what is under way, in all groups of the process: nothing waits for it
  // any more, and what it would have written is undefined. May be repeated.
  // False if that is not done after so long.
  virtual bool Abort(double seconds) = 0;
  // The transport of a group of ranks of this one: those with the same
  // `color`, at least 0, in the order of `key`. A collective call.
  virtual absl::StatusOr<std::unique_ptr<DeviceTransport>> Split(int color,
                                                                 int key,
                                                                 Look look) = 0;
};

}  // namespace switchyard::comm

#endif  // SWITCHYARD_COMM_DEVICE_TRANSPORT_H_
