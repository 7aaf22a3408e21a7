// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// What a trainer reads its batches from. text_data_source.h reads files; a
// custom trainer brings its own.
#ifndef SWITCHYARD_RUNTIME_DATA_DATA_SOURCE_H_
#define SWITCHYARD_RUNTIME_DATA_DATA_SOURCE_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"

namespace switchyard {

// The label of a position that carries no loss.
inline constexpr int32_t kNoLabel = -100;

// Sequences of one length, one after the other. Reused: filling it again
// allocates nothing unless it grows.
struct Batch {
  int64_t sequences = 0;
  int64_t sequence_length = 0;
  // Each [sequences · sequence_length].
  std::vector<int32_t> ids;
  std::vector<int32_t> labels;  // the next tokens, or kNoLabel
  std::vector<uint8_t> valid;   // 1, or 0 for padding
  // [sequences]: a name for the sequence, the same in every layout; -1 for a
  // sequence of padding.
  std::vector<int64_t> sequence_index;
  // [layers, sequences · sequence_length, k]: the experts that tokens go to in
  // training, best first and distinct; empty: routers choose. Sources leave it
  // alone: RoutingReplay fills it.
  std::vector<int32_t> experts;
};

class DataSource {
 public:
  virtual ~DataSource() = default;

  virtual int64_t sequence_length() const = 0;

  // Sequences [first, first + count) of the global batch of `step`, which
  // counts from 0. A function of its arguments alone.
  virtual absl::Status Fill(int64_t step, int64_t first, int64_t count,
                            Batch* batch) = 0;

  // The held-out sequences in a fixed order; 0 if there are none.
  virtual int64_t eval_sequence_count() const = 0;

  // Held-out sequences [first, first + count). Those at and after
  // eval_sequence_count() are padding.
  virtual absl::Status FillEval(int64_t first, int64_t count, Batch* batch) = 0;

  // Tells this data from other data: ranks compare it before they start. A
  // source that cannot differ between ranks may leave it at 0.
  virtual uint64_t identity() const { return 0; }

  // Bytes of text that a token stands for on average, for bits per byte; 0 if
  // it is not known, and then there are none.
  virtual double bytes_per_token() const = 0;
};

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_DATA_DATA_SOURCE_H_
