// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "cublas/product.h"

#include <algorithm>
#include <vector>

// The product is compiled for what the processor may have. Without contraction
// all give the same bits.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define SWITCHYARD_EMULATION_CLONES \
  __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define SWITCHYARD_EMULATION_CLONES
#endif

namespace switchyard::emulation {
namespace {

// Rows and columns whose sums are kept in registers together.
constexpr int kRows = 4;
constexpr int kColumns = 32;

float Load(const Matrix& matrix, int row, int column) {
  const size_t index =
      row + static_cast<size_t>(column) * static_cast<size_t>(matrix.leading);
  if (matrix.type == CUDA_R_32F) {
    return static_cast<const float*>(matrix.address)[index];
  }
  return __bfloat162float(
      static_cast<const __nv_bfloat16*>(matrix.address)[index]);
}

void Store(const Matrix& matrix, int row, int column, float value) {
  const size_t index =
      row + static_cast<size_t>(column) * static_cast<size_t>(matrix.leading);
  if (matrix.type == CUDA_R_32F) {
    static_cast<float*>(matrix.address)[index] = value;
  } else {
    static_cast<__nv_bfloat16*>(matrix.address)[index] = __nv_bfloat16(value);
  }
}

// op(matrix) at (i, j).
float LoadOperand(const Matrix& matrix, int i, int j) {
  return matrix.transposed ? Load(matrix, j, i) : Load(matrix, i, j);
}

int RoundUp(int value, int unit) { return (value + unit - 1) / unit * unit; }

// Operands as the loop below wants them, with zeros up to whole tiles:
// columns[j][p] is op(b)(p, j), panels[i / kColumns][p][i % kColumns] is
// op(a)(i, p).
struct Packed {
  std::vector<float> columns;
  std::vector<float> panels;
};

Packed Pack(const Product& product) {
  const int m = product.c.rows;
  const int n = product.c.columns;
  const size_t k = product.k;
  Packed packed;
  packed.columns.resize(RoundUp(n, kRows) * k);
  packed.panels.resize(RoundUp(m, kColumns) * k);
  for (int j = 0; j < n; ++j) {
    for (int p = 0; p < product.k; ++p) {
      packed.columns[j * k + p] = LoadOperand(product.b, p, j);
    }
  }
  for (int p = 0; p < product.k; ++p) {
    for (int i = 0; i < m; ++i) {
      packed.panels[(i / kColumns * k + p) * kColumns + i % kColumns] =
          LoadOperand(product.a, i, p);
    }
  }
  return packed;
}

// Sums of kRows columns of c and kColumns rows.
SWITCHYARD_EMULATION_CLONES
void MultiplyTile(const float* columns, const float* panel, int k,
                  float* tile) {
  float sums[kRows][kColumns] = {};
  for (int p = 0; p < k; ++p) {
    for (int row = 0; row < kRows; ++row) {
      const float factor = columns[static_cast<size_t>(row) * k + p];
      for (int i = 0; i < kColumns; ++i) {
        sums[row][i] += factor * panel[static_cast<size_t>(p) * kColumns + i];
      }
    }
  }
  std::copy_n(&sums[0][0], kRows * kColumns, tile);
}

void StoreTile(const Product& product, int first_row, int first_column,
               const float* tile) {
  for (int j = 0; j < std::min(kRows, product.c.columns - first_column); ++j) {
    for (int i = 0; i < std::min(kColumns, product.c.rows - first_row); ++i) {
      const int row = first_row + i;
      const int column = first_column + j;
      float value = product.alpha * tile[j * kColumns + i];
      // Without beta, what c holds is not looked at.
      if (product.beta != 0) {
        value += product.beta * Load(product.c, row, column);
      }
      Store(product.c, row, column, value);
    }
  }
}

}  // namespace

size_t Matrix::span_bytes() const {
  if (rows == 0 || columns == 0) return 0;
  return ((columns - size_t{1}) * leading + rows) * element_bytes();
}

void Multiply(const Product& product) {
  const Packed packed = Pack(product);
  const size_t k = product.k;
  float tile[kRows * kColumns];
  for (int i = 0; i < product.c.rows; i += kColumns) {
    for (int j = 0; j < product.c.columns; j += kRows) {
      MultiplyTile(packed.columns.data() + j * k, packed.panels.data() + i * k,
                   product.k, tile);
      StoreTile(product, i, j, tile);
    }
  }
}

}  // namespace switchyard::emulation
