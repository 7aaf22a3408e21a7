// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/data/sampler.h"

#include "switchyard/base/check.h"
#include "switchyard/base/philox.h"

namespace switchyard {
namespace {

uint64_t EpochKey(uint64_t seed, int64_t epoch) {
  return MixKey(MixKey(seed, "sampler"), static_cast<uint64_t>(epoch));
}

}  // namespace

Sampler::Sampler(uint64_t seed, int64_t sequences, int64_t global_batch)
    : seed_(seed),
      sequences_(sequences),
      global_batch_(global_batch),
      permutation_(EpochKey(seed, 0), sequences) {
  SWITCHYARD_CHECK(global_batch > 0) << global_batch;
}

int64_t Sampler::Sequence(int64_t step, int64_t position) {
  SWITCHYARD_CHECK(step >= 0 && position >= 0 && position < global_batch_)
      << step << " " << position << " " << global_batch_;
  const int64_t drawn = step * global_batch_ + position;
  const int64_t epoch = drawn / sequences_;
  if (epoch != epoch_) {
    epoch_ = epoch;
    permutation_ = Permutation(EpochKey(seed_, epoch), sequences_);
  }
  return permutation_(drawn % sequences_);
}

}  // namespace switchyard
