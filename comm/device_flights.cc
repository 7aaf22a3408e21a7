// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/comm/device_flights.h"

#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "switchyard/base/status.h"
#include "switchyard/comm/end_process.h"
#include "switchyard/comm/failure.h"

namespace switchyard::comm {
namespace {

// For what was aborted to leave the device.
constexpr double kSecondsToRest = 30.0;

}  // namespace

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

void DeviceFlights::Abort(const absl::Status& failure) {
  if (!rest_.has_value()) {
    failure_ = failure;
    rest_.emplace(kSecondsToRest);
    if (!transport_->Abort(kSecondsToRest)) GiveUp();
  }
  // Nothing of them moves any more.
  while (!calls_.empty()) {
    FlyingCall* call = calls_.front();
    calls_.pop_front();
    call->Land();
  }
}

void DeviceFlights::GiveUp() const {
  EndProcess(absl::StrCat("the GPU does not come to rest after a failure: ",
                          failure_.message()));
}

void DeviceFlights::Look() {
  if (rest_.has_value()) {
    if (rest_->Look() == WaitClock::kLate) GiveUp();
    return;
  }
  LandComplete();
  if (calls_.empty()) return;
  const absl::Status trouble = Trouble();
  if (!trouble.ok()) CrashOldest(trouble);
}

bool DeviceFlights::CrashOldest(const absl::Status& cause) {
  if (calls_.empty()) return false;
  calls_.front()->Crash(cause);
  return true;
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
