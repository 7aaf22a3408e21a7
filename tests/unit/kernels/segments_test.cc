// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/segments.h"

#include <vector>

#include "gtest/gtest.h"

namespace switchyard::kernels {
namespace {

TEST(SegmentsTest, SizesOfTheList) {
  const std::vector<std::pair<int64_t, int64_t>> sizes = {
      {0, 0},     {1, 8},     {8, 8},       {9, 16},     {249, 256},
      {256, 256}, {257, 272}, {272, 272},   {512, 512},  {513, 544},
      {544, 544}, {545, 576}, {1024, 1024}, {1025, 1088}};
  for (const auto& [rows, padded] : sizes) {
    EXPECT_EQ(PaddedRows(rows), padded) << rows;
  }
}

TEST(SegmentsTest, PaddingIsTheLeastListedSize) {
  const std::vector<int64_t> list = PaddedRowList(3000);
  ASSERT_FALSE(list.empty());
  EXPECT_EQ(list.back(), PaddedRows(3000));
  size_t next = 0;
  for (int64_t rows = 1; rows <= 3000; ++rows) {
    if (rows > list[next]) ++next;
    EXPECT_EQ(PaddedRows(rows), list[next]) << rows;
    // Never more than an eighth of a large segment, or 7 rows of a small one.
    EXPECT_LT(list[next] - rows, rows <= 256 ? 8 : rows / 8);
  }
  EXPECT_EQ(next + 1, list.size());
}

TEST(SegmentsTest, NoRowsNeedNoSizes) {
  EXPECT_TRUE(PaddedRowList(0).empty());
  EXPECT_DEATH(PaddedRows(-1), "-1");
}

}  // namespace
}  // namespace switchyard::kernels
