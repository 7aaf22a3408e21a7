// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/base/tensor_view.h"

#include <vector>

#include "gtest/gtest.h"

namespace switchyard {
namespace {

TEST(TensorViewTest, RowsAndColumnsAddressTheSameElements) {
  std::vector<int32_t> values(12);
  for (int i = 0; i < 12; ++i) values[i] = i;
  const TensorView view(values.data(), DType::kInt32, Shape{3, 4});
  EXPECT_EQ(*view.Rows(2, 3).data<int32_t>(), 8);
  const TensorView columns = view.Columns(1, 3);
  EXPECT_EQ(*columns.data<int32_t>(), 1);
  EXPECT_EQ(columns.row_stride(), 4);
  EXPECT_FALSE(columns.contiguous());
  EXPECT_EQ(*columns.Rows(1, 2).data<int32_t>(), 5);
  EXPECT_EQ(columns.Reshaped({3, 2, 1}).row_stride(), 4);
}

TEST(TensorViewTest, WrongDtypeAndRangesAreBugs) {
  float value = 0;
  const TensorView view(&value, DType::kFloat32, Shape{1});
  EXPECT_DEATH(view.data<int32_t>(), "int32 asked of fp32");
  EXPECT_DEATH(view.Rows(0, 2), "0..2 of \\[1\\]");
}

}  // namespace
}  // namespace switchyard
