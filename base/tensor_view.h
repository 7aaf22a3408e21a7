// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Views of tensors in device memory. A view owns nothing: Storage and Arena
// do. Elements of one row (one entry along the outermost axis) are contiguous;
// rows are `row_stride` elements apart, so a column range of a matrix is a view
// too.
//
// Only operators (kernels/) and collectives (comm/) follow the address in a
// view. Everyone else handles shapes.
#ifndef SWITCHYARD_BASE_TENSOR_VIEW_H_
#define SWITCHYARD_BASE_TENSOR_VIEW_H_

#include <cstdint>

#include "switchyard/base/check.h"
#include "switchyard/base/dtype.h"
#include "switchyard/base/shape.h"

namespace switchyard {

class ConstTensorView {
 public:
  // An absent tensor: `defined()` is false. Optional operands use it.
  ConstTensorView() = default;
  // `row_stride` is in elements; -1 means rows are packed.
  ConstTensorView(const void* data, DType dtype, const Shape& shape,
                  int64_t row_stride = -1)
      : data_(data),
        shape_(shape),
        row_stride_(row_stride < 0 ? shape.row_element_count() : row_stride),
        dtype_(dtype) {
    SWITCHYARD_CHECK(shape.rank() > 0);
    SWITCHYARD_CHECK(row_stride_ >= shape.row_element_count())
        << row_stride_ << " " << shape.ToString();
  }

  bool defined() const { return shape_.rank() > 0; }
  DType dtype() const { return dtype_; }
  const Shape& shape() const { return shape_; }
  int64_t dim(int axis) const { return shape_[axis]; }
  int64_t element_count() const { return shape_.element_count(); }
  int64_t byte_count() const {
    return element_count() * static_cast<int64_t>(SizeOf(dtype_));
  }
  int64_t row_stride() const { return row_stride_; }
  bool contiguous() const {
    return row_stride_ == shape_.row_element_count() || shape_[0] <= 1;
  }

  const void* raw() const { return data_; }
  template <typename T>
  const T* data() const {
    SWITCHYARD_CHECK(kDTypeOf<T> == dtype_)
        << NameOf(kDTypeOf<T>) << " asked of " << NameOf(dtype_);
    return static_cast<const T*>(data_);
  }

  // Rows [begin, end).
  ConstTensorView Rows(int64_t begin, int64_t end) const {
    SWITCHYARD_CHECK(0 <= begin && begin <= end && end <= shape_[0])
        << begin << ".." << end << " of " << shape_.ToString();
    return ConstTensorView(Offset(begin * row_stride_), dtype_,
                           shape_.WithRows(end - begin), row_stride_);
  }
  // Columns [begin, end) of a matrix, as a strided view.
  ConstTensorView Columns(int64_t begin, int64_t end) const {
    SWITCHYARD_CHECK(shape_.rank() == 2 && 0 <= begin && begin <= end &&
                     end <= shape_[1])
        << begin << ".." << end << " of " << shape_.ToString();
    return ConstTensorView(Offset(begin), dtype_, Shape{shape_[0], end - begin},
                           row_stride_);
  }
  // The same elements under another shape. A strided view keeps its rows: only
  // the extents behind the first may be regrouped.
  ConstTensorView Reshaped(const Shape& shape) const {
    SWITCHYARD_CHECK(shape.element_count() == element_count())
        << shape.ToString() << " of " << shape_.ToString();
    if (contiguous()) return ConstTensorView(data_, dtype_, shape);
    SWITCHYARD_CHECK(shape[0] == shape_[0])
        << "a strided view keeps its rows: " << shape.ToString() << " of "
        << shape_.ToString();
    return ConstTensorView(data_, dtype_, shape, row_stride_);
  }

 protected:
  const void* Offset(int64_t elements) const {
    return static_cast<const char*>(data_) +
           elements * static_cast<int64_t>(SizeOf(dtype_));
  }

  const void* data_ = nullptr;
  Shape shape_;
  int64_t row_stride_ = 0;
  DType dtype_ = DType::kFloat32;
};

class TensorView : public ConstTensorView {
 public:
  TensorView() = default;
  TensorView(void* data, DType dtype, const Shape& shape,
             int64_t row_stride = -1)
      : ConstTensorView(data, dtype, shape, row_stride) {}

  void* raw() const { return const_cast<void*>(data_); }
  template <typename T>
  T* data() const {
    return const_cast<T*>(ConstTensorView::data<T>());
  }

  TensorView Rows(int64_t begin, int64_t end) const {
    return TensorView(ConstTensorView::Rows(begin, end));
  }
  TensorView Columns(int64_t begin, int64_t end) const {
    return TensorView(ConstTensorView::Columns(begin, end));
  }
  TensorView Reshaped(const Shape& shape) const {
    return TensorView(ConstTensorView::Reshaped(shape));
  }

 private:
  // Only for views that came from a mutable one.
  explicit TensorView(const ConstTensorView& view) : ConstTensorView(view) {}
};

}  // namespace switchyard

#endif  // SWITCHYARD_BASE_TENSOR_VIEW_H_
