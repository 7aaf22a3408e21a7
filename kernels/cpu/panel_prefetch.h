// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Fetches the memory of an operand's next panel while products are made with
// this one: weights and activations come from far away, and a panel's lines lie
// apart, where processors do not fetch ahead by themselves.
#ifndef SWITCHYARD_KERNELS_CPU_PANEL_PREFETCH_H_
#define SWITCHYARD_KERNELS_CPU_PANEL_PREFETCH_H_

#include <algorithm>
#include <cstdint>

namespace switchyard::kernels::cpu {

class PanelPrefetch {
 public:
  // Nothing to fetch.
  PanelPrefetch() = default;
  // `rows` rows of `row_bytes` bytes, `stride_bytes` apart, in `steps` steps.
  PanelPrefetch(const void* first, int64_t rows, int64_t row_bytes,
                int64_t stride_bytes, int64_t steps)
      : row_(static_cast<const char*>(first)),
        rows_(rows),
        row_bytes_(row_bytes),
        stride_bytes_(stride_bytes) {
    const int64_t lines = rows * ((row_bytes + kLine - 1) / kLine);
    lines_per_step_ = (lines + steps - 1) / std::max<int64_t>(1, steps);
  }

  void Step() {
    for (int64_t i = 0; i < lines_per_step_ && rows_ > 0; ++i) {
      // Into the second-level cache: the first one is full of this panel.
      __builtin_prefetch(row_ + offset_, /*rw=*/0, /*locality=*/2);
      offset_ += kLine;
      if (offset_ < row_bytes_) continue;
      offset_ = 0;
      row_ += stride_bytes_;
      --rows_;
    }
  }

 private:
  static constexpr int64_t kLine = 64;  // bytes

  const char* row_ = nullptr;
  int64_t rows_ = 0;
  int64_t row_bytes_ = 0;
  int64_t stride_bytes_ = 0;
  int64_t offset_ = 0;
  int64_t lines_per_step_ = 0;
};

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_PANEL_PREFETCH_H_
