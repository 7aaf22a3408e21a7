// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/examples/05_custom_router/rotations.h"

#include "switchyard/base/philox.h"

namespace switchyard::examples {

absl::Status Rotations::Fill(int64_t step, int64_t first, int64_t count,
                             Batch* batch) {
  batch->sequences = count;
  batch->sequence_length = sequence_length_;
  batch->ids.clear();
  batch->labels.clear();
  batch->sequence_index.clear();
  batch->valid.assign(count * sequence_length_, 1);
  for (int64_t i = first; i < first + count; ++i) {
    AddSequence(step * global_batch_ + i, *batch);
  }
  return absl::OkStatus();
}

// A function of the sequence's number alone: any rank can make it.
void Rotations::AddSequence(int64_t index, Batch& batch) const {
  const uint64_t key = MixKey(MixKey(1, "rotations"), index);
  int64_t last = index % kVocabulary;
  const int64_t stride = 1 + 2 * (key % kStrides);
  for (int64_t i = 0; i < sequence_length_; ++i) {
    const auto random = Philox4x32(key, {static_cast<uint32_t>(i), 0, 0, 0});
    const bool anything = random[0] % 8 == 0;
    const int64_t next = (anything ? random[1] : last + stride) % kVocabulary;
    batch.ids.push_back(static_cast<int32_t>(last));
    batch.labels.push_back(static_cast<int32_t>(next));
    last = next;
  }
  batch.sequence_index.push_back(index);
}

absl::Status Rotations::FillEval(int64_t, int64_t, Batch*) {
  return absl::FailedPreconditionError("nothing is held out");
}

}  // namespace switchyard::examples
