// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// A tensor for operator tests. Its memory lies between guard bytes, rows may
// have gaps of guard bytes and its first element may be misaligned; elements
// that nobody wrote are NaN (-1 in integer tensors). Guards are checked when it
// is read and when it ends. Its device must live longer.
//
//   TestTensor y(device, DType::kFloat32, {3});
//   kernels::Fill(*stream, 2.0f, y);
//   stream->Wait();
//   EXPECT_TRUE(AllEqual(y.Read(), {2, 2, 2}));
#ifndef SWITCHYARD_TESTS_SUPPORT_TEST_TENSOR_H_
#define SWITCHYARD_TESTS_SUPPORT_TEST_TENSOR_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "switchyard/base/device.h"
#include "switchyard/base/storage.h"
#include "switchyard/base/stream.h"

namespace switchyard::testing {

// How a tensor lies in memory; results must not depend on it.
class Layout {
 public:
  Layout() = default;  // packed and aligned
  // Gaps between rows, and the first element's distance from an aligned one,
  // both in elements.
  static Layout Strided(int64_t row_gap, int64_t offset) {
    Layout layout;
    layout.row_gap_ = row_gap;
    layout.offset_ = offset;
    return layout;
  }
  int64_t row_gap() const { return row_gap_; }
  int64_t offset() const { return offset_; }

 private:
  int64_t row_gap_ = 0;
  int64_t offset_ = 0;
};

class TestTensor {
 public:
  TestTensor(Device& device, DType dtype, const Shape& shape,
             Layout layout = {});
  // With values, which are rounded to the dtype.
  TestTensor(Device& device, DType dtype, const Shape& shape,
             const std::vector<double>& values, Layout layout = {});
  ~TestTensor();
  TestTensor(TestTensor&&) = default;

  const TensorView& view() const { return view_; }
  operator const TensorView&() const { return view_; }
  operator const ConstTensorView&() const { return view_; }

  void Write(const std::vector<double>& values);
  // The elements as doubles (int64 beyond 2^53 are rounded: use Bits).
  std::vector<double> Read() const;
  // The elements' bit patterns.
  std::vector<uint64_t> Bits() const;

 private:
  std::vector<char> ReadAll() const;
  void WriteAll(const std::vector<char>& bytes);
  void ExpectGuards(const std::vector<char>& bytes) const;
  // Of an element (in row-major order) in the whole memory.
  int64_t OffsetOf(int64_t element) const;

  std::unique_ptr<Stream> stream_;
  Storage storage_;
  TensorView view_;
  int64_t first_byte_ = 0;
};

}  // namespace switchyard::testing

#endif  // SWITCHYARD_TESTS_SUPPORT_TEST_TENSOR_H_
