// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/launch/commands/explain.h"

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gtest/gtest.h"
#include "switchyard/runtime/moe/balance_convention.h"

namespace switchyard::launch {
namespace {

std::string Page(const std::vector<std::string>& arguments) {
  const absl::StatusOr<std::string> page = ExplainPage(arguments);
  EXPECT_TRUE(page.ok()) << page.status();
  return page.value_or("");
}

std::string Refusal(const std::vector<std::string>& arguments) {
  return std::string(ExplainPage(arguments).status().message());
}

TEST(ExplainTest, ListsItsTopicsAndHasAPageForEach) {
  const std::string list = Page({});
  for (const char* topic : {"balance_loss", "scopes", "bias", "capacity"}) {
    EXPECT_TRUE(absl::StrContains(list, absl::StrCat("  ", topic, " ")));
    const std::string page = Page({topic});
    EXPECT_GT(page.size(), 200u) << topic;
    for (absl::string_view line : absl::StrSplit(page, '\n')) {
      EXPECT_LE(line.size(), 80u) << line;
    }
  }
}

TEST(ExplainTest, ConvertsACoefficient) {
  const std::string page =
      Page({"balance_loss", "--coef", "0.02", "--from", "hf_mixtral",
            "--layers", "32", "--experts", "8", "--experts_per_token", "2"});
  // c = coef k / L; MegaBlocks' weight is a mean over layers.
  EXPECT_TRUE(
      absl::StrContains(page, "switchyard  balance_loss_coef     0.00125 "))
      << page;
  EXPECT_TRUE(
      absl::StrContains(page, "megablocks  moe_loss_weight       0.04 "))
      << page;
  EXPECT_TRUE(absl::StrContains(page, "k = 2     E = 8")) << page;
}

TEST(ExplainTest, CapacityIsThatOfTraining) {
  EXPECT_TRUE(absl::StrContains(
      Page({"capacity", "--capacity_factor", "1.25", "--tokens", "1024",
            "--experts", "8", "--experts_per_token", "2"}),
      "320 rows an expert."));
  EXPECT_TRUE(absl::StrContains(Page({"capacity", "--capacity_factor", "0"}),
                                "all that choose it."));
}

TEST(ExplainTest, RefusesInOneSentence) {
  EXPECT_EQ(Refusal({"balnce_loss"}).find("expected one of the topics"), 0u);
  EXPECT_TRUE(absl::StrContains(Refusal({"balnce_loss"}),
                                "the nearest is 'balance_loss'"));
  EXPECT_TRUE(absl::StrContains(Refusal({"scopes", "--layers=0"}),
                                "--layers between 1"));
  EXPECT_TRUE(absl::StrContains(
      Refusal({"scopes", "--experts=2", "--experts_per_token=3"}),
      "--experts_per_token of at most"));
  EXPECT_TRUE(absl::StrContains(Refusal({"scopes", "--layrs=1"}), "--layers"));
}

TEST(ExplainTest, Help) {
  EXPECT_TRUE(absl::StrContains(Page({"--help"}), "--experts_per_token K"));
  EXPECT_TRUE(absl::StrContains(Page({"--version"}), "switchyard "));
}

}  // namespace
}  // namespace switchyard::launch
