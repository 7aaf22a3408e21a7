// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/segments.h"

#include "switchyard/base/check.h"

namespace switchyard::kernels {
namespace {

constexpr int64_t kFineStep = 8;
constexpr int64_t kLastFineSize = 256;
constexpr int64_t kSizesAnOctave = 16;

// The distance of the listed sizes around `rows`.
int64_t StepAt(int64_t rows) {
  if (rows <= kLastFineSize) return kFineStep;
  int64_t octave = kLastFineSize;  // octave < rows <= 2 * octave
  while (2 * octave < rows) octave *= 2;
  return octave / kSizesAnOctave;
}

}  // namespace

int64_t PaddedRows(int64_t rows) {
  SWITCHYARD_CHECK(rows >= 0) << rows;
  const int64_t step = StepAt(rows);
  return (rows + step - 1) / step * step;
}

std::vector<int64_t> PaddedRowList(int64_t max_rows) {
  std::vector<int64_t> sizes;
  for (int64_t rows = 1; rows <= max_rows; rows = sizes.back() + 1) {
    sizes.push_back(PaddedRows(rows));
  }
  return sizes;
}

}  // namespace switchyard::kernels
