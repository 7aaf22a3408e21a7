// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/moe/capacity_factor.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace switchyard {
namespace {

CapacityFactor Parsed(const std::string& text) {
  return CapacityFactor::Parse(text).value();
}

TEST(CapacityFactor, CeilingIsTakenInIntegers) {
  EXPECT_EQ(Parsed("1.1").Capacity(2, 40, 8), 11);  // 88/8, not 88.00..01/8
  EXPECT_EQ(Parsed("1").Capacity(2, 40, 8), 10);
  EXPECT_EQ(Parsed("1.0").Capacity(2, 41, 8), 11);  // 10.25
  EXPECT_EQ(Parsed("1.25").Capacity(1, 16, 4), 5);
  EXPECT_EQ(Parsed("0.000000001").Capacity(1, 1, 4096), 1);
}

TEST(CapacityFactor, NeverExceedsThePositions) {
  EXPECT_EQ(Parsed("2").Capacity(2, 10, 2), 10);
  EXPECT_EQ(Parsed("999999999.999999999").Capacity(64, int64_t{1} << 40, 1),
            int64_t{1} << 40);
}

TEST(CapacityFactor, ZeroIsDropless) {
  EXPECT_TRUE(CapacityFactor().dropless());
  EXPECT_TRUE(Parsed("0").dropless());
  EXPECT_TRUE(Parsed("0.000").dropless());
  EXPECT_FALSE(Parsed("0.5").dropless());
}

TEST(CapacityFactor, PrintsWhatItReads) {
  for (const char* text : {"0", "1", "1.25", "0.05", "10.001", "100"}) {
    EXPECT_EQ(Parsed(text).ToString(), text);
  }
  EXPECT_EQ(Parsed("1.250").ToString(), "1.25");
  EXPECT_EQ(Parsed("2.").ToString(), "2");
  EXPECT_EQ(Parsed("007.10").ToString(), "7.1");
}

TEST(CapacityFactor, RefusesOtherText) {
  for (const char* text :
       {"", ".", ".5", "-1", "+1", "1e1", "nan", "inf", "1.2.3", "1 ", "0x1",
        "1234567890", "1.1234567890"}) {
    const auto parsed = CapacityFactor::Parse(text);
    ASSERT_FALSE(parsed.ok()) << text;
    EXPECT_THAT(std::string(parsed.status().message()),
                ::testing::HasSubstr(absl::StrCat("'", text, "'")));
  }
}

}  // namespace
}  // namespace switchyard
