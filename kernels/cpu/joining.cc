// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Which products may take several segments in one call: all that we make
// ourselves (gemm.h), and those of oneDNN for which it was tried.
#include <cstring>
#include <map>
#include <mutex>
#include <shared_mutex>
#include <tuple>
#include <vector>

#include "switchyard/base/cpu/floating_point_mode.h"
#include "switchyard/base/philox.h"
#include "switchyard/kernels/cpu/matmul.h"
#include "switchyard/kernels/cpu/product.h"

namespace switchyard::kernels::cpu {
namespace {

using Key = std::tuple<DType, Transpose, int64_t, int64_t>;

std::shared_mutex mutex;
std::map<Key, bool>& Answers() {
  static auto* const answers = new std::map<Key, bool>;
  return *answers;
}

// Numbers whose sums are rounded, or every order would give the same bits: fp32
// between 0.5 and 2 with full mantissas. Products of bf16 have 16 bits, which a
// sum of many holds exactly unless their exponents differ, so these do.
uint16_t AsBFloat16(uint32_t word) {
  const uint32_t exponent = 127 - 8 + (word >> 8) % 16;
  return static_cast<uint16_t>((word >> 16 & 0x807F) | exponent << 7);
}

void FillTensor(DType dtype, uint64_t key, int64_t count, void* data) {
  for (int64_t i = 0; i < count; ++i) {
    const uint32_t word = Philox4x32(
        key,
        {static_cast<uint32_t>(i), static_cast<uint32_t>(i >> 32), 0, 0})[0];
    if (dtype == DType::kBFloat16) {
      static_cast<BFloat16*>(data)[i] = {AsBFloat16(word)};
    } else {
      const uint32_t bits = (word & 0x80FFFFFF) | 0x3F000000;
      std::memcpy(static_cast<float*>(data) + i, &bits, sizeof(bits));
    }
  }
}

// The first `rows` rows of a product, in fp32.
std::vector<float> FirstRows(const GemmOperand& x, const GemmOperand& w,
                             int64_t rows, int64_t in, int64_t out) {
  std::vector<float> y(rows * out);
  GemmArgs args;
  args.a = x;
  args.b = w;
  args.inner = in;
  args.c.data = y.data();
  args.c.stride = out;
  const BlockGrid grid(rows, out);
  for (int64_t i = 0; i < grid.count(); ++i) ProductBlock(args, grid.At(i));
  return y;
}

// Rows [first, first + rows) of a whole block, made by themselves, have the
// bits they have in it.
bool SameRows(const GemmOperand& x, const GemmOperand& w, int64_t first,
              int64_t rows, int64_t in, int64_t out,
              const std::vector<float>& whole) {
  GemmOperand part = x;
  part.data = static_cast<const char*>(x.data) +
              first * in * static_cast<int64_t>(SizeOf(x.dtype));
  const std::vector<float> y = FirstRows(part, w, rows, in, out);
  return std::memcmp(y.data(), whole.data() + first * out,
                     y.size() * sizeof(float)) == 0;
}

// oneDNN sees blocks of columns without gaps, all but the last of one width. So
// one of those and the last stand for all: products of large layers would take
// seconds.
int64_t ColumnsToTry(int64_t out) {
  return out <= kGemmBlockColumns ? out
                                  : kGemmBlockColumns + out % kGemmBlockColumns;
}

bool RowsAreIndependent(DType dtype, Transpose transpose_w, int64_t in,
                        int64_t all_columns) {
  const ScopedFloatingPointMode mode;
  const int64_t out = ColumnsToTry(all_columns);
  const int64_t size = SizeOf(dtype);
  std::vector<char> x_data(kGemmBlockRows * in * size);
  std::vector<char> w_data(in * out * size);
  FillTensor(dtype, 1, kGemmBlockRows * in, x_data.data());
  FillTensor(dtype, 2, in * out, w_data.data());
  const bool transposed = transpose_w == Transpose::kYes;
  const GemmOperand x = {x_data.data(), in, dtype, false};
  const GemmOperand w = {w_data.data(), transposed ? in : out, dtype,
                         transposed};
  const std::vector<float> whole = FirstRows(x, w, kGemmBlockRows, in, out);
  // All sizes, as the first rows of a block and as its last ones.
  for (int64_t rows = 8; rows < kGemmBlockRows; rows += 8) {
    for (const int64_t first : {int64_t{0}, kGemmBlockRows - rows}) {
      if (!SameRows(x, w, first, rows, in, out, whole)) return false;
    }
  }
  return true;
}

}  // namespace

void CheckJoining(DType dtype, Transpose transpose_w, int64_t in, int64_t out) {
  const Key key(dtype, transpose_w, in, out);
  {
    const std::shared_lock<std::shared_mutex> lock(mutex);
    if (Answers().count(key) > 0) return;
  }
  const bool answer =
      !UsesOneDnn(dtype) || RowsAreIndependent(dtype, transpose_w, in, out);
  const std::unique_lock<std::shared_mutex> lock(mutex);
  Answers().emplace(key, answer);
}

bool MayJoin(DType dtype, Transpose transpose_w, int64_t in, int64_t out) {
  const std::shared_lock<std::shared_mutex> lock(mutex);
  const auto found = Answers().find(Key(dtype, transpose_w, in, out));
  return found != Answers().end() && found->second;
}

}  // namespace switchyard::kernels::cpu
