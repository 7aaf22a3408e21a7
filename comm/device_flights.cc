// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/comm/device_flights.h"

#include <thread>
#include <utility>

#include "switchyard/base/status.h"
#include "switchyard/comm/failure.h"

namespace switchyard::comm {

DeviceFlights::DeviceFlights(std::unique_ptr<DeviceTransport> transport,
                             Device& device, double timeout_seconds)
    : transport_(std::move(transport)),
      device_(device),
      timeout_seconds_(timeout_seconds),
      clock_(timeout_seconds) {
  AddWatcher(device, this);
}

DeviceFlights::~DeviceFlights() { RemoveWatcher(device_, this); }

void DeviceFlights::LandComplete() {
  while (!calls_.empty() && calls_.front()->flight().Landed()) {
    FlyingCall* call = calls_.front();
    calls_.pop_front();
    clock_ = WaitClock(timeout_seconds_);
    call->Land();
  }
}

void DeviceFlights::LandAll() {
  while (!calls_.empty()) {
    Look();
    std::this_thread::yield();
  }
}

void DeviceFlights::Abort() {
  transport_->Abort();
  // Nothing of them moves any more.
  while (!calls_.empty()) {
    FlyingCall* call = calls_.front();
    calls_.pop_front();
    call->Land();
  }
}

void DeviceFlights::Look() {
  LandComplete();
  if (calls_.empty()) return;
  const absl::Status trouble = Trouble();
  if (!trouble.ok()) calls_.front()->Crash(trouble);
}

absl::Status DeviceFlights::Trouble() {
  switch (clock_.Look()) {
    case WaitClock::kGoOn:
      return absl::OkStatus();
    case WaitClock::kLookAround:
      SWITCHYARD_RETURN_IF_ERROR(transport_->Health());
      return calls_.front()->LookForTrouble();
    case WaitClock::kLate:
      return DeadlineError(timeout_seconds_);
  }
  return absl::OkStatus();
}

}  // namespace switchyard::comm
