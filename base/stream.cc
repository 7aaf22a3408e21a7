// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/base/stream.h"

#include <cstring>
#include <vector>

#include "switchyard/base/cpu/check_cpu.h"

// The CUDA device will copy through its own stream; until then every stream
// belongs to a CPU, whose memory the host can address.
namespace switchyard {
namespace {

template <typename RowFn>
void ForEachRow(const ConstTensorView& view, const RowFn& row_fn) {
  const int64_t rows = view.contiguous() ? 1 : view.dim(0);
  const int64_t bytes = rows == 0 ? 0 : view.byte_count() / rows;
  if (bytes == 0) return;
  for (int64_t row = 0; row < rows; ++row) row_fn(row, bytes);
}

const char* RowAddress(const ConstTensorView& view, int64_t row) {
  return static_cast<const char*>(view.raw()) +
         row * view.row_stride() * static_cast<int64_t>(SizeOf(view.dtype()));
}

char* RowAddress(const TensorView& view, int64_t row) {
  return const_cast<char*>(
      RowAddress(static_cast<const ConstTensorView&>(view), row));
}

}  // namespace

void Stream::Copy(const TensorView& dst, const ConstTensorView& src) {
  CheckCpu(*this);
  SWITCHYARD_CHECK(dst.dtype() == src.dtype() && dst.shape() == src.shape())
      << NameOf(dst.dtype()) << dst.shape().ToString() << " from "
      << NameOf(src.dtype()) << src.shape().ToString();
  Enqueue([dst, src] {
    if (src.element_count() == 0) return;
    if (dst.contiguous() && src.contiguous()) {
      std::memcpy(dst.raw(), src.raw(), src.byte_count());
      return;
    }
    const int64_t row_bytes = src.byte_count() / src.dim(0);
    for (int64_t row = 0; row < src.dim(0); ++row) {
      std::memcpy(RowAddress(dst, row), RowAddress(src, row), row_bytes);
    }
  });
}

void Stream::CopyToHost(void* dst, const ConstTensorView& src) {
  CheckCpu(*this);
  SWITCHYARD_CHECK(src.contiguous());
  Enqueue([dst, src] {
    if (src.byte_count() > 0) std::memcpy(dst, src.raw(), src.byte_count());
  });
}

void Stream::CopyToDevice(const TensorView& dst, const void* src) {
  CheckCpu(*this);
  SWITCHYARD_CHECK(dst.contiguous());
  if (dst.byte_count() == 0) return;
  if (runs_at_once_) {
    std::memcpy(dst.raw(), src, dst.byte_count());
    return;
  }
  const char* bytes = static_cast<const char*>(src);
  Enqueue([dst, staged = std::vector<char>(bytes, bytes + dst.byte_count())] {
    std::memcpy(dst.raw(), staged.data(), staged.size());
  });
}

void Stream::Zero(const TensorView& dst) {
  CheckCpu(*this);
  Enqueue([dst] {
    ForEachRow(dst, [&dst](int64_t row, int64_t bytes) {
      std::memset(RowAddress(dst, row), 0, bytes);
    });
  });
}

}  // namespace switchyard
