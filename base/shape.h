// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The extents of a tensor: at most four, each zero or more, outermost first, of
// at most 2^60 elements.
#ifndef SWITCHYARD_BASE_SHAPE_H_
#define SWITCHYARD_BASE_SHAPE_H_

#include <array>
#include <cstdint>
#include <initializer_list>
#include <string>

#include "switchyard/base/check.h"

namespace switchyard {

class Shape {
 public:
  static constexpr int kMaxRank = 4;
  // So that the bytes of every dtype fit an int64_t.
  static constexpr int64_t kMaxElements = int64_t{1} << 60;

  Shape() = default;  // rank 0: no elements are addressed through it
  Shape(std::initializer_list<int64_t> dims) {
    SWITCHYARD_CHECK(static_cast<int>(dims.size()) <= kMaxRank) << dims.size();
    for (int64_t dim : dims) {
      SWITCHYARD_CHECK(dim >= 0) << dim;
      dims_[rank_++] = dim;
    }
    CheckProduct();
  }

  int rank() const { return rank_; }
  int64_t operator[](int axis) const {
    SWITCHYARD_CHECK(axis >= 0 && axis < rank_) << axis << " of " << rank_;
    return dims_[axis];
  }
  // The product of all extents; 0 for rank 0.
  int64_t element_count() const {
    if (rank_ == 0) return 0;
    int64_t count = 1;
    for (int axis = 0; axis < rank_; ++axis) count *= dims_[axis];
    return count;
  }
  // Elements of one entry along the outermost axis.
  int64_t row_element_count() const {
    int64_t count = 1;
    for (int axis = 1; axis < rank_; ++axis) count *= dims_[axis];
    return count;
  }
  // The same shape with another outermost extent.
  Shape WithRows(int64_t rows) const {
    SWITCHYARD_CHECK(rank_ > 0 && rows >= 0) << rows;
    Shape result = *this;
    result.dims_[0] = rows;
    result.CheckProduct();
    return result;
  }

  // "[512, 256]"
  std::string ToString() const;

  friend bool operator==(const Shape& a, const Shape& b) {
    return a.rank_ == b.rank_ && a.dims_ == b.dims_;
  }
  friend bool operator!=(const Shape& a, const Shape& b) { return !(a == b); }

 private:
  // Of the extents that are not zero: no product of some of them may overflow.
  void CheckProduct() const {
    int64_t product = 1;
    for (int axis = 0; axis < rank_; ++axis) {
      if (dims_[axis] == 0) continue;
      SWITCHYARD_CHECK(
          !__builtin_mul_overflow(product, dims_[axis], &product) &&
          product <= kMaxElements)
          << ToString() << " has too many elements";
    }
  }

  std::array<int64_t, kMaxRank> dims_ = {0, 0, 0, 0};
  int rank_ = 0;
};

}  // namespace switchyard

#endif  // SWITCHYARD_BASE_SHAPE_H_
