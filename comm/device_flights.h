// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The calls of one group that are under way on a device. The host does not wait
// for them; whenever it waits for the device, it looks after them here: what is
// complete goes into the ledger, and one that is late, has failed or waits for
// a lost rank ends them all, so that the device comes to rest.
#ifndef SWITCHYARD_COMM_DEVICE_FLIGHTS_H_
#define SWITCHYARD_COMM_DEVICE_FLIGHTS_H_

#include <deque>
#include <memory>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "switchyard/base/cuda/cuda_device.h"
#include "switchyard/comm/device_transport.h"
#include "switchyard/comm/wait_clock.h"

namespace switchyard::comm {

// A call as its group keeps it.
class FlyingCall {
 public:
  virtual ~FlyingCall() = default;
  virtual DeviceTransport::Flight& flight() = 0;
  // It is complete.
  virtual void Land() = 0;
  // An error, to be explained, if it is waited for in vain.
  virtual absl::Status LookForTrouble() = 0;
  // It has failed, and its group with it.
  virtual void Crash(const absl::Status& cause) = 0;
};

class DeviceFlights : public CudaWatcher {
 public:
  DeviceFlights(std::unique_ptr<DeviceTransport> transport, Device& device,
                double timeout_seconds);
  ~DeviceFlights() override;

  DeviceTransport& transport() { return *transport_; }
  Device& device() const { return device_; }
  double timeout_seconds() const { return timeout_seconds_; }

  // `call` has been given to the transport.
  void Add(FlyingCall* call) { calls_.push_back(call); }
  // Lets those land that are complete: the first ones.
  void LandComplete();
  // Waits for all of them.
  void LandAll();
  // The group is dead because of `failure`: ends all of the process' calls. A
  // device that does not come to rest ends the process with that report.
  void Abort(const absl::Status& failure);

  // The oldest call has failed; false if none is under way.
  bool CrashOldest(const absl::Status& cause);

  // That a failure was found of which no caller knows yet, in any group that
  // shares the notice.
  void NoteUntold() { *untold_ = true; }
  bool TakeUntold() { return std::exchange(*untold_, false); }
  void ShareNotice(const DeviceFlights& other) { untold_ = other.untold_; }

  void Look() override;
  bool Busy() const override { return !calls_.empty(); }

 private:
  [[noreturn]] void GiveUp() const;
  // Why the first call will not be complete, if so.
  absl::Status Trouble();

  const std::unique_ptr<DeviceTransport> transport_;
  Device& device_;
  const double timeout_seconds_;
  std::shared_ptr<bool> untold_ = std::make_shared<bool>(false);
  std::deque<FlyingCall*> calls_;  // the oldest first
  std::optional<WaitClock> rest_;  // since the device should come to rest
  absl::Status failure_;           // why
  WaitClock clock_;                // of the oldest
};

}  // namespace switchyard::comm

#endif  // SWITCHYARD_COMM_DEVICE_FLIGHTS_H_
