// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Text to learn from, made up on the spot. A sequence has a stride of its own,
// and each token is the last one plus that stride, but for one in eight, which
// is anything. Who guesses evenly has a loss of ln 32 = 3.47 nats a token; who
// knows all this and the stride, one of 0.79.
#ifndef SWITCHYARD_EXAMPLES_05_CUSTOM_ROUTER_ROTATIONS_H_
#define SWITCHYARD_EXAMPLES_05_CUSTOM_ROUTER_ROTATIONS_H_

#include "switchyard/runtime/data/data_source.h"

namespace switchyard::examples {

class Rotations : public DataSource {
 public:
  static constexpr int64_t kVocabulary = 32;
  static constexpr int64_t kStrides = 4;

  Rotations(int64_t sequence_length, int64_t global_batch)
      : sequence_length_(sequence_length), global_batch_(global_batch) {}

  int64_t sequence_length() const override { return sequence_length_; }
  absl::Status Fill(int64_t step, int64_t first, int64_t count,
                    Batch* batch) override;
  // Nothing is held out.
  int64_t eval_sequence_count() const override { return 0; }
  absl::Status FillEval(int64_t first, int64_t count, Batch* batch) override;
  double bytes_per_token() const override { return 1.0; }

 private:
  void AddSequence(int64_t index, Batch& batch) const;

  int64_t sequence_length_;
  int64_t global_batch_;
};

}  // namespace switchyard::examples

#endif  // SWITCHYARD_EXAMPLES_05_CUSTOM_ROUTER_ROTATIONS_H_
