// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/base/shape.h"

#include "gtest/gtest.h"

namespace switchyard {
namespace {

constexpr int64_t k2To20 = int64_t{1} << 20;

TEST(ShapeTest, CountsElements) {
  EXPECT_EQ(Shape().element_count(), 0) << "absent";
  EXPECT_EQ((Shape{7}).element_count(), 7);
  EXPECT_EQ((Shape{7}).row_element_count(), 1);
  EXPECT_EQ((Shape{2, 3, 4, 5}).element_count(), 120);
  EXPECT_EQ((Shape{2, 3, 4, 5}).row_element_count(), 60);
}

TEST(ShapeTest, ExtentsOfZero) {
  const Shape no_rows = {0, 5};
  EXPECT_EQ(no_rows.rank(), 2);
  EXPECT_EQ(no_rows.element_count(), 0);
  EXPECT_EQ(no_rows.row_element_count(), 5);
  EXPECT_EQ((Shape{5, 0}).row_element_count(), 0);
  EXPECT_EQ(no_rows.WithRows(3), (Shape{3, 5}));
  EXPECT_NE(no_rows, (Shape{0, 6}));
  EXPECT_NE((Shape{0}), Shape());
}

TEST(ShapeTest, ReadsAsAList) {
  EXPECT_EQ((Shape{512, 256}).ToString(), "[512, 256]");
  EXPECT_EQ(Shape().ToString(), "[]");
}

TEST(ShapeTest, TheMostElements) {
  EXPECT_EQ((Shape{k2To20, k2To20, k2To20}).element_count(),
            Shape::kMaxElements);
  EXPECT_EQ((Shape{Shape::kMaxElements, 0}).element_count(), 0);
}

TEST(ShapeDeathTest, Limits) {
  EXPECT_DEATH((Shape{1, 1, 1, 1, 1}), "dims.size.* 5");
  EXPECT_DEATH((Shape{3, -1}), "dim >= 0 -1");
  EXPECT_DEATH((Shape{2})[1], "1 of 1");
  EXPECT_DEATH((Shape{2})[-1], "-1 of 1");
  EXPECT_DEATH((Shape{2}).WithRows(-1), "-1");
  EXPECT_DEATH(Shape().WithRows(1), "rank_ > 0");
}

TEST(ShapeDeathTest, CountsThatOverflow) {
  EXPECT_DEATH((Shape{k2To20, k2To20, k2To20, 2}),
               "\\[1048576, 1048576, 1048576, 2\\] has too many elements");
  // 2^64 would wrap to 0.
  EXPECT_DEATH((Shape{int64_t{1} << 32, int64_t{1} << 32}), "too many");
  EXPECT_DEATH((Shape{0, int64_t{1} << 32, int64_t{1} << 32}), "too many")
      << "its rows have them";
  EXPECT_DEATH((Shape{1, k2To20}).WithRows(int64_t{1} << 41), "too many");
}

}  // namespace
}  // namespace switchyard
