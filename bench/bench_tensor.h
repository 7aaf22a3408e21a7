// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// A packed tensor that owns its memory, for benchmarks on the CPU.
#ifndef SWITCHYARD_BENCH_BENCH_TENSOR_H_
#define SWITCHYARD_BENCH_BENCH_TENSOR_H_

#include <cstdint>

#include "switchyard/base/device.h"
#include "switchyard/base/storage.h"

namespace switchyard::bench {

class BenchTensor {
 public:
  // Every byte is 0xff: NaN, or -1 in integers.
  BenchTensor(Device& device, DType dtype, const Shape& shape);

  const TensorView& view() const { return view_; }
  operator const TensorView&() const { return view_; }
  operator const ConstTensorView&() const { return view_; }

 private:
  Storage storage_;
  TensorView view_;
};

// Multiples of 1/8 in [-1/2, 1/2], a function of seed and element; fp32 or
// bf16. Their products are multiples of 1/64 of at most 1/4: sums of up to a
// million of them are exact in fp32, in any order.
void FillEighths(uint64_t seed, const TensorView& tensor);

// Element `index` in row-major order as a double; an int64 is a fixed-point
// number of 44 fraction bits. `tensor` is packed.
double ElementOf(const ConstTensorView& tensor, int64_t index);

// All elements are finite, equal, and not all of them zero; the dtypes may
// differ.
bool SameNumbers(const ConstTensorView& a, const ConstTensorView& b);

}  // namespace switchyard::bench

#endif  // SWITCHYARD_BENCH_BENCH_TENSOR_H_
