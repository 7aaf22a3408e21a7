// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/tests/support/synthetic_data.h"

#include "switchyard/base/philox.h"

namespace switchyard::testing {
namespace {

constexpr int64_t kFirstEvalSequence = int64_t{1} << 40;

void Resize(int64_t count, int64_t sequence_length, Batch& batch) {
  batch.sequences = count;
  batch.sequence_length = sequence_length;
  batch.ids.resize(count * sequence_length);
  batch.labels.resize(count * sequence_length);
  batch.valid.assign(count * sequence_length, 1);
  batch.sequence_index.resize(count);
}

}  // namespace

void SyntheticData::FillSequence(int64_t index, int64_t at,
                                 Batch& batch) const {
  const uint64_t key = MixKey(77, static_cast<uint64_t>(index));
  int64_t before = 0;
  int64_t last = index % vocabulary_;
  for (int64_t i = 0; i < sequence_length_; ++i) {
    const uint32_t noise =
        Philox4x32(key, {static_cast<uint32_t>(i), 0, 0, 0})[0];
    const int64_t next = noise % 4 == 0
                             ? static_cast<int64_t>(noise / 4) % vocabulary_
                             : (3 * before + 5 * last + 1) % vocabulary_;
    batch.ids[at * sequence_length_ + i] = static_cast<int32_t>(last);
    batch.labels[at * sequence_length_ + i] = static_cast<int32_t>(next);
    before = last;
    last = next;
  }
  batch.sequence_index[at] = index;
}

absl::Status SyntheticData::Fill(int64_t step, int64_t first, int64_t count,
                                 Batch* batch) {
  Resize(count, sequence_length_, *batch);
  for (int64_t i = 0; i < count; ++i) {
    FillSequence(step * global_batch_ + first + i, i, *batch);
  }
  if (edit) edit(*batch);
  return absl::OkStatus();
}

absl::Status SyntheticData::FillEval(int64_t first, int64_t count,
                                     Batch* batch) {
  Resize(count, sequence_length_, *batch);
  for (int64_t i = 0; i < count; ++i) {
    FillSequence(kFirstEvalSequence + first + i, i, *batch);
    if (first + i < eval_sequence_count()) continue;
    for (int64_t t = 0; t < sequence_length_; ++t) {
      batch->labels[i * sequence_length_ + t] = kNoLabel;
      batch->valid[i * sequence_length_ + t] = 0;
    }
  }
  return absl::OkStatus();
}

}  // namespace switchyard::testing
