// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/base/stream.h"

#include <cstring>
#include <vector>

namespace switchyard {
namespace {

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
  SWITCHYARD_CHECK(dst.dtype() == src.dtype() && dst.shape() == src.shape())
      << NameOf(dst.dtype()) << dst.shape().ToString() << " from "
      << NameOf(src.dtype()) << src.shape().ToString();
  if (src.element_count() > 0) CopyRows(dst, src);
}

void Stream::CopyToHost(void* dst, const ConstTensorView& src) {
  SWITCHYARD_CHECK(src.contiguous());
  if (src.byte_count() > 0) CopyBytesToHost(dst, src);
}

void Stream::CopyToDevice(const TensorView& dst, const void* src) {
  SWITCHYARD_CHECK(dst.contiguous());
  if (dst.byte_count() > 0) CopyBytesToDevice(dst, src);
}

void Stream::Zero(const TensorView& dst) {
  if (dst.element_count() > 0) ZeroRows(dst);
}

void Stream::CopyRows(const TensorView& dst, const ConstTensorView& src) {
  Enqueue([dst, src] {
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

void Stream::CopyBytesToHost(void* dst, const ConstTensorView& src) {
  Enqueue([dst, src] { std::memcpy(dst, src.raw(), src.byte_count()); });
}

void Stream::CopyBytesToDevice(const TensorView& dst, const void* src) {
  if (runs_at_once_) {
    std::memcpy(dst.raw(), src, dst.byte_count());
    return;
  }
  const char* bytes = static_cast<const char*>(src);
  Enqueue([dst, staged = std::vector<char>(bytes, bytes + dst.byte_count())] {
    std::memcpy(dst.raw(), staged.data(), staged.size());
  });
}

void Stream::ZeroRows(const TensorView& dst) {
  Enqueue([dst] {
    const int64_t rows = dst.contiguous() ? 1 : dst.dim(0);
    const int64_t bytes = dst.byte_count() / rows;
    for (int64_t row = 0; row < rows; ++row) {
      std::memset(RowAddress(dst, row), 0, bytes);
    }
  });
}

}  // namespace switchyard
