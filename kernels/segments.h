// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// A segment is the rows of one expert from one micro-batch, in the order
// (global token, choice), padded with zero rows to a size of a fixed list. It
// is the unit of every expert product (docs/numerics.md, "The unit is the
// micro-batch, never the rank"), so the list is part of the numerics.
#ifndef SWITCHYARD_KERNELS_SEGMENTS_H_
#define SWITCHYARD_KERNELS_SEGMENTS_H_

#include <cstdint>
#include <vector>

namespace switchyard::kernels {

struct Segment {
  int expert = 0;           // index among the experts that this rank owns
  int64_t row = 0;          // first row in the buffer of all segments
  int64_t rows = 0;         // real rows; 0 rows pad to 0
  int64_t padded_rows = 0;  // PaddedRows(rows)
};

// The least listed size >= rows: 0, the multiples of 8 up to 256, then 16 sizes
// an octave (272, 288, ..., 512, 544, ...).
int64_t PaddedRows(int64_t rows);

// All listed sizes in (0, PaddedRows(max_rows)].
std::vector<int64_t> PaddedRowList(int64_t max_rows);

}  // namespace switchyard::kernels

#endif  // SWITCHYARD_KERNELS_SEGMENTS_H_
