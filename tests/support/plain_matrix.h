// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Matrices of the plain model (plain_model.h).
#ifndef SWITCHYARD_TESTS_SUPPORT_PLAIN_MATRIX_H_
#define SWITCHYARD_TESTS_SUPPORT_PLAIN_MATRIX_H_

#include <cstdint>
#include <vector>

namespace switchyard::testing {

// Rows of one width, one after the other.
struct PlainMatrix {
  PlainMatrix(int64_t rows, int64_t width)
      : rows(rows), width(width), values(rows * width, 0.0) {}
  double* operator[](int64_t row) { return values.data() + row * width; }
  const double* operator[](int64_t row) const {
    return values.data() + row * width;
  }
  int64_t rows, width;
  std::vector<double> values;
};

// y = x · wᵀ with w [out, x.width].
inline PlainMatrix Linear(const PlainMatrix& x, const std::vector<double>& w) {
  const int64_t out = static_cast<int64_t>(w.size()) / x.width;
  PlainMatrix y(x.rows, out);
  for (int64_t r = 0; r < x.rows; ++r) {
    for (int64_t o = 0; o < out; ++o) {
      for (int64_t i = 0; i < x.width; ++i) {
        y[r][o] += x[r][i] * w[o * x.width + i];
      }
    }
  }
  return y;
}

}  // namespace switchyard::testing

#endif  // SWITCHYARD_TESTS_SUPPORT_PLAIN_MATRIX_H_
