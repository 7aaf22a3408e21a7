// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// What a waiting rank should do next, by the time that it has waited.
#ifndef SWITCHYARD_COMM_WAIT_CLOCK_H_
#define SWITCHYARD_COMM_WAIT_CLOCK_H_

#include <chrono>

namespace switchyard::comm {

class WaitClock {
 public:
  enum Advice {
    kGoOn,
    kLookAround,  // at most once a second: is this wait in vain?
    kLate,        // the deadline has passed
  };

  explicit WaitClock(double timeout_seconds)
      : timeout_seconds_(timeout_seconds) {}

  // The wait begins with the first call: one that is short reads no clock.
  Advice Look() {
    const Clock::time_point now = Clock::now();
    if (!started_) {
      started_ = true;
      start_ = now;
      next_look_ = now + kLookInterval;
      return kGoOn;
    }
    const std::chrono::duration<double> waited = now - start_;
    if (waited.count() >= timeout_seconds_) return kLate;
    if (now < next_look_) return kGoOn;
    next_look_ = now + kLookInterval;
    return kLookAround;
  }

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::seconds kLookInterval{1};

  double timeout_seconds_;
  bool started_ = false;
  Clock::time_point start_;
  Clock::time_point next_look_;
};

}  // namespace switchyard::comm

#endif  // SWITCHYARD_COMM_WAIT_CLOCK_H_
