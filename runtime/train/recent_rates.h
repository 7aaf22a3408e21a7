// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The speeds of the last steps, in constant memory however long the run is.
#ifndef SWITCHYARD_RUNTIME_TRAIN_RECENT_RATES_H_
#define SWITCHYARD_RUNTIME_TRAIN_RECENT_RATES_H_

#include <array>
#include <cstdint>

namespace switchyard {

class RecentRates {
 public:
  // As many as are kept; older ones are forgotten.
  static constexpr int64_t kWindow = 4096;

  void Add(double tokens_per_second) {
    rates_[count_++ % kWindow] = tokens_per_second;
  }

  // Of the rates that are kept, the upper one of two in the middle; 0 of none.
  double Median() const;

 private:
  std::array<double, kWindow> rates_ = {};
  int64_t count_ = 0;
};

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_TRAIN_RECENT_RATES_H_
