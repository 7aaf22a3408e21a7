// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The sequences of a set of token files, and which of them are held out.
// Sequence i of a file is its tokens i·T to i·T + T, T + 1 of them: the labels
// are the next tokens, so neighbours share one. A file of N tokens has
// floor((N - 1) / T) sequences; files are never joined.
//
// A fraction of each file's sequences, rounded up, is held out from its end.
// The fraction is the decimal as written (the shortest that reads back to the
// same double) and is rounded up in integers: 0.07 of 100 sequences are 7. So
// that no label of a training sequence is held-out text, one sequence between
// the two parts belongs to neither.
#ifndef SWITCHYARD_RUNTIME_DATA_SEQUENCE_TABLE_H_
#define SWITCHYARD_RUNTIME_DATA_SEQUENCE_TABLE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace switchyard {

// Where a sequence lies: tokens [begin, begin + T + 1) of a file.
struct SequenceLocation {
  int file = 0;
  int64_t begin = 0;
};

class SequenceTable {
 public:
  struct File {
    std::string path;  // for messages
    int64_t tokens = 0;
  };

  // `held_out` in [0, 1). An error if a file is shorter than one sequence or
  // has none left to train on.
  static absl::StatusOr<SequenceTable> Create(absl::Span<const File> files,
                                              int64_t sequence_length,
                                              double held_out);

  // Sequences of all files, numbered file by file.
  int64_t training_count() const { return training_.back(); }
  int64_t held_out_count() const { return held_out_.back(); }

  // `index` in [0, training_count()) and [0, held_out_count()).
  SequenceLocation Training(int64_t index) const;
  SequenceLocation HeldOut(int64_t index) const;

 private:
  SequenceTable() = default;

  int64_t sequence_length_ = 0;
  // By file: the sequences of all files before it; last, those of all.
  std::vector<int64_t> training_ = {0};
  std::vector<int64_t> held_out_ = {0};
  // By file: its first held-out sequence.
  std::vector<int64_t> first_held_out_;
};

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_DATA_SEQUENCE_TABLE_H_
