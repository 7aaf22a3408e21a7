// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/base/nearest_name.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace switchyard {
namespace {

TEST(NearestName, CountsInsertionsDeletionsAndSubstitutions) {
  const std::vector<absl::string_view> known = {"steps", "seq_len", "seed"};
  EXPECT_EQ(std::string(NearestName("step", known)), "steps");
  EXPECT_EQ(std::string(NearestName("seqlen", known)), "seq_len");
  EXPECT_EQ(std::string(NearestName("sead", known)), "seed");
  EXPECT_EQ(std::string(NearestName("", known)), "");
  EXPECT_EQ(std::string(NearestName("wholly_else", known)), "");
  EXPECT_TRUE(NearestName("steps", {}).empty());
}

TEST(NearestName, FirstOfEquals) {
  EXPECT_EQ(std::string(NearestName("beta", {"beta1", "beta2"})), "beta1");
}

TEST(Printable, IsOneLineOfBoundedLength) {
  EXPECT_EQ(Printable("plain"), "plain");
  EXPECT_EQ(Printable("a\nb"), "a\\x0ab");
  EXPECT_EQ(Printable("say \"it\""), "say \"it\"");
  EXPECT_EQ(Printable(std::string(1000, 'x')), std::string(60, 'x') + "...");
  // 59 letters and a three-byte character that the cut would split.
  const std::string text = std::string(59, 'x') + "\xE2\x82\xAC" + "more";
  EXPECT_EQ(Printable(text), std::string(59, 'x') + "...");
}

}  // namespace
}  // namespace switchyard
