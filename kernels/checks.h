// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// What the checked fronts of operators have in common.
#ifndef SWITCHYARD_KERNELS_CHECKS_H_
#define SWITCHYARD_KERNELS_CHECKS_H_

#include "switchyard/base/check.h"
#include "switchyard/base/cpu/check_cpu.h"
#include "switchyard/base/stream.h"
#include "switchyard/base/tensor_view.h"
#include "switchyard/kernels/fixed_point.h"

// Behind the checks of an operator: on a CUDA device `call`, its implementation
// in kernels/cuda/, is all that is left to do.
#ifdef SWITCHYARD_WITH_CUDA
#define SWITCHYARD_RETURN_IF_CUDA(stream, call)                     \
  do {                                                              \
    if ((stream).device().kind() == DeviceKind::kCuda) return call; \
  } while (false)
#else
#define SWITCHYARD_RETURN_IF_CUDA(stream, call) CheckCpu(stream)
#endif

namespace switchyard::kernels {

inline void CheckDType(const ConstTensorView& view, DType dtype) {
  SWITCHYARD_CHECK(view.defined() && view.dtype() == dtype)
      << "expected " << NameOf(dtype) << ", found " << NameOf(view.dtype())
      << " " << view.shape().ToString();
}

// fp32 or bf16.
inline void CheckFloating(const ConstTensorView& view) {
  SWITCHYARD_CHECK(view.defined() && (view.dtype() == DType::kFloat32 ||
                                      view.dtype() == DType::kBFloat16))
      << "expected fp32 or bf16, found " << NameOf(view.dtype()) << " "
      << view.shape().ToString();
}

inline void CheckShape(const ConstTensorView& view, const Shape& shape) {
  SWITCHYARD_CHECK(view.shape() == shape)
      << "expected " << shape.ToString() << ", found "
      << view.shape().ToString();
}

inline void CheckRank(const ConstTensorView& view, int rank) {
  SWITCHYARD_CHECK(view.shape().rank() == rank)
      << "expected " << rank << " dimensions, found "
      << view.shape().ToString();
}

// `view`, called `name` in the message, has this dtype and shape; its rows may
// be strided.
inline void CheckTensor(const char* name, const ConstTensorView& view,
                        DType dtype, const Shape& shape) {
  SWITCHYARD_CHECK(view.dtype() == dtype && view.shape() == shape)
      << "expected " << name << " to be " << NameOf(dtype) << " "
      << shape.ToString() << ", found " << NameOf(view.dtype()) << " "
      << view.shape().ToString();
}

// Likewise, and without a stride between rows.
inline void CheckPacked(const char* name, const ConstTensorView& view,
                        DType dtype, const Shape& shape) {
  CheckTensor(name, view, dtype, shape);
  SWITCHYARD_CHECK(view.contiguous())
      << "expected the rows of " << name << " without gaps, found a stride of "
      << view.row_stride() << " for " << shape.ToString();
}

// A sum of accepted leaves must fit 64 bits.
inline void CheckFixedPoint(const FixedPoint& format) {
  SWITCHYARD_CHECK(
      format.fraction_bits >= 0 && format.fraction_bits <= 62 &&
      format.limit > 0 &&
      static_cast<double>(format.limit) *
              static_cast<double>(int64_t{1} << format.fraction_bits) <=
          0x1p63)
      << "expected 0 to 62 fraction bits and a positive limit of at most "
         "2^(63 - bits), found "
      << format.fraction_bits << " bits, limit " << format.limit;
}

// What a sum of gradients must be: int64; on a CUDA device it may be fp32
// (`--determinism run`).
inline DType GradientSumDType(const Stream& stream,
                              const ConstTensorView& sum) {
  const bool narrow = sum.dtype() == DType::kFloat32 &&
                      stream.device().kind() == DeviceKind::kCuda;
  return narrow ? DType::kFloat32 : DType::kInt64;
}

inline void CheckGradientSum(const Stream& stream, const GradientSum& gradient,
                             const Shape& shape) {
  CheckDType(gradient.sum, GradientSumDType(stream, gradient.sum));
  CheckShape(gradient.sum, shape);
  CheckDType(gradient.refused, DType::kInt64);
  CheckShape(gradient.refused, Shape{1});
}

}  // namespace switchyard::kernels

#endif  // SWITCHYARD_KERNELS_CHECKS_H_
