// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/base/arena.h"

#include <algorithm>

namespace switchyard {
namespace {
constexpr size_t kAlignment = 64;
}  // namespace

TensorView Arena::Allocate(DType dtype, const Shape& shape) {
  const size_t wanted =
      static_cast<size_t>(shape.element_count()) * SizeOf(dtype);
  const size_t bytes = (wanted + kAlignment - 1) / kAlignment * kAlignment;
  while (block_ < blocks_.size() &&
         offset_ + bytes > blocks_[block_].byte_count()) {
    ++block_;
    offset_ = 0;
  }
  if (block_ == blocks_.size()) Grow(bytes);
  TensorView view = blocks_[block_].View(dtype, shape, offset_);
  offset_ += bytes;
  used_bytes_ += bytes;
  peak_bytes_ = std::max(peak_bytes_, used_bytes_);
  return view;
}

void Arena::Grow(size_t bytes) {
  const size_t size = std::max({bytes, first_bytes_, reserved_bytes_});
  blocks_.emplace_back(device_, size);
  reserved_bytes_ += size;
  ++growth_count_;
  offset_ = 0;
}

void Arena::Release(const Mark& mark) {
  block_ = mark.block;
  offset_ = mark.offset;
  used_bytes_ = mark.used_bytes;
}

void Arena::Compact() {
  SWITCHYARD_CHECK(used_bytes_ == 0) << used_bytes_ << " bytes are in use";
  if (blocks_.size() <= 1) return;
  blocks_.clear();
  blocks_.emplace_back(device_, reserved_bytes_);
  ++growth_count_;
  block_ = 0;
  offset_ = 0;
}

}  // namespace switchyard
