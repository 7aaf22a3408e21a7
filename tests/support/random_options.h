// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Small runs with options of all kinds drawn together, and layouts for them.
#ifndef SWITCHYARD_TESTS_SUPPORT_RANDOM_OPTIONS_H_
#define SWITCHYARD_TESTS_SUPPORT_RANDOM_OPTIONS_H_

#include <cstdint>
#include <initializer_list>

#include "switchyard/runtime/data/data_source.h"
#include "switchyard/runtime/train/options.h"
#include "switchyard/tests/support/layout_run.h"

namespace switchyard::testing {

// A stream of numbers, a function of (seed, draw).
class RandomChoice {
 public:
  RandomChoice(uint64_t seed, uint64_t draw);
  uint32_t Word();
  int64_t Between(int64_t least, int64_t most);
  bool OneIn(int64_t n) { return Between(1, n) == 1; }
  double Uniform();  // in [0, 1)
  template <typename T>
  T Of(std::initializer_list<T> values) {
    return values.begin()[Between(0, static_cast<int64_t>(values.size()) - 1)];
  }

 private:
  uint64_t key_;
  uint32_t count_ = 0;
};

// Options that Validate accepts: what it refuses is drawn again.
TrainOptions RandomOptions(RandomChoice& choice);

// 2, 3 or 4 ranks, or one with two threads; a width that divides ranks and
// experts.
Layout RandomLayout(RandomChoice& choice, int64_t experts);

// Cuts sequences, some of them to nothing, and takes labels away: the same
// sequences whatever batch they are in.
void RandomPadding(uint64_t seed, Batch& batch);

}  // namespace switchyard::testing

#endif  // SWITCHYARD_TESTS_SUPPORT_RANDOM_OPTIONS_H_
