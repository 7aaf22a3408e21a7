// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Which sequences a global batch holds: a function of (seed, step) alone.
// Batches take sequences one after the other from epochs; an epoch is a keyed
// permutation of all training sequences, so each is drawn once in it. A batch
// may hold the end of one epoch and the start of the next.
#ifndef SWITCHYARD_RUNTIME_DATA_SAMPLER_H_
#define SWITCHYARD_RUNTIME_DATA_SAMPLER_H_

#include <cstdint>

#include "switchyard/runtime/data/permutation.h"

namespace switchyard {

class Sampler {
 public:
  // `sequences` and `global_batch` are positive.
  Sampler(uint64_t seed, int64_t sequences, int64_t global_batch);

  // The index in [0, sequences) of sequence `position` of [0, global_batch) of
  // the batch of `step`, which counts from 0.
  int64_t Sequence(int64_t step, int64_t position);

 private:
  const uint64_t seed_;
  const int64_t sequences_;
  const int64_t global_batch_;
  // Of the epoch that was asked for last.
  int64_t epoch_ = 0;
  Permutation permutation_;
};

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_DATA_SAMPLER_H_
