// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// oneDNN's matrix products on one thread. Primitives are made once for a shape
// and kept. oneDNN itself allocates a few small blocks at every execution (five
// in version 2.6); nothing is allocated beside them.
#ifndef SWITCHYARD_KERNELS_CPU_ONEDNN_PRODUCT_H_
#define SWITCHYARD_KERNELS_CPU_ONEDNN_PRODUCT_H_

#include <cstdint>

#include "switchyard/base/dtype.h"

namespace switchyard::kernels::cpu {

// op(a) [rows, inner] · op(b) [inner, columns], operands without gaps.
struct OneDnnShape {
  int64_t rows = 0;
  int64_t columns = 0;
  int64_t inner = 0;
  DType dtype = DType::kBFloat16;  // of a and b
  bool transposed_a = false;
  bool transposed_b = false;

  friend bool operator==(const OneDnnShape&, const OneDnnShape&) = default;
};

// c [rows, columns], fp32 without gaps, is overwritten.
void OneDnnProduct(const OneDnnShape& shape, const void* a, const void* b,
                   float* c);

// Makes the primitive if the process has none for this shape.
void PrepareOneDnnProduct(const OneDnnShape& shape);

int64_t OneDnnPrimitiveCount();

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_ONEDNN_PRODUCT_H_
