// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// One product of matrices, as cuBLAS defines it: columns first.
#ifndef SWITCHYARD_TESTS_EMULATION_CUBLAS_PRODUCT_H_
#define SWITCHYARD_TESTS_EMULATION_CUBLAS_PRODUCT_H_

#include <cstddef>

#include "cublas_v2.h"

namespace switchyard::emulation {

struct Matrix {
  void* address;
  cudaDataType type;
  int rows;     // as stored: the contiguous dimension
  int columns;  // as stored
  int leading;  // elements from one column to the next
  bool transposed = false;

  size_t element_bytes() const { return type == CUDA_R_32F ? 4 : 2; }
  // From the first element to behind the last; 0 without elements.
  size_t span_bytes() const;
};

struct Product {
  Matrix a, b, c;
  int k;
  float alpha = 1;
  float beta = 0;
};

// c = alpha · op(a) · op(b) + beta · c. Sums are made in fp32, one term after
// the other, and rounded once: an element's bits depend on its row and column
// of the operands alone, whatever else the call has.
void Multiply(const Product& product);

}  // namespace switchyard::emulation

#endif  // SWITCHYARD_TESTS_EMULATION_CUBLAS_PRODUCT_H_
