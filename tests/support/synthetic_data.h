// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// A data source without files: sequences of a small language in which the next
// token depends on the last two, so that a model has something to learn.
#ifndef SWITCHYARD_TESTS_SUPPORT_SYNTHETIC_DATA_H_
#define SWITCHYARD_TESTS_SUPPORT_SYNTHETIC_DATA_H_

#include <cstdint>
#include <functional>

#include "switchyard/runtime/data/data_source.h"

namespace switchyard::testing {

class SyntheticData : public DataSource {
 public:
  SyntheticData(int64_t vocabulary, int64_t sequence_length,
                int64_t global_batch)
      : vocabulary_(vocabulary),
        sequence_length_(sequence_length),
        global_batch_(global_batch) {}

  int64_t sequence_length() const override { return sequence_length_; }
  absl::Status Fill(int64_t step, int64_t first, int64_t count,
                    Batch* batch) override;
  int64_t eval_sequence_count() const override { return 3; }
  absl::Status FillEval(int64_t first, int64_t count, Batch* batch) override;
  double bytes_per_token() const override { return 1.0; }

  // Called with every batch before it is handed out: tests mark padding and
  // unlabelled positions with it.
  std::function<void(Batch& batch)> edit;

 private:
  void FillSequence(int64_t index, int64_t at, Batch& batch) const;

  int64_t vocabulary_;
  int64_t sequence_length_;
  int64_t global_batch_;
};

}  // namespace switchyard::testing

#endif  // SWITCHYARD_TESTS_SUPPORT_SYNTHETIC_DATA_H_
