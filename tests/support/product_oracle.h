// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Matrix products in double, and how far an fp32 product may be from them.
#ifndef SWITCHYARD_TESTS_SUPPORT_PRODUCT_ORACLE_H_
#define SWITCHYARD_TESTS_SUPPORT_PRODUCT_ORACLE_H_

#include <cmath>
#include <cstdint>
#include <vector>

#include "switchyard/base/dtype.h"
#include "switchyard/tests/support/rounding.h"

namespace switchyard::testing {

// op(x) [rows, columns]; stored transposed if `transposed`.
struct MatrixValues {
  const std::vector<double>& values;
  int64_t rows, columns;
  bool transposed = false;

  double At(int64_t row, int64_t column) const {
    return transposed ? values[column * rows + row]
                      : values[row * columns + column];
  }
};

struct Product {
  std::vector<double> values;
  std::vector<double> magnitudes;  // sums of |a| · |b|
  int64_t inner = 0;

  // Summing `inner` rounded products in fp32 in any order, fused or not, errs
  // by at most gamma(inner + 1) of the sum of magnitudes, gamma(n) =
  // n·u / (1 - n·u) (Higham, Accuracy and Stability, section 3.1); a result in
  // bf16 is rounded once more.
  std::vector<double> Tolerance(DType dtype) const {
    const double nu = static_cast<double>(inner + 1) * 0x1p-24;
    std::vector<double> tolerance(values.size());
    for (size_t i = 0; i < values.size(); ++i) {
      const double error = nu / (1 - nu) * magnitudes[i];
      tolerance[i] = error;
      if (dtype == DType::kBFloat16) {
        tolerance[i] += UnitRoundoff(dtype) * (std::abs(values[i]) + error);
      }
    }
    return tolerance;
  }
};

inline Product Oracle(const MatrixValues& a, const MatrixValues& b) {
  Product product;
  product.inner = a.columns;
  for (int64_t row = 0; row < a.rows; ++row) {
    for (int64_t column = 0; column < b.columns; ++column) {
      double sum = 0, magnitude = 0;
      for (int64_t k = 0; k < a.columns; ++k) {
        const double term = a.At(row, k) * b.At(k, column);
        sum += term;
        magnitude += std::abs(term);
      }
      product.values.push_back(sum);
      product.magnitudes.push_back(magnitude);
    }
  }
  return product;
}

}  // namespace switchyard::testing

#endif  // SWITCHYARD_TESTS_SUPPORT_PRODUCT_ORACLE_H_
