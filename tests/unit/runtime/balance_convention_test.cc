// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/moe/balance_convention.h"

#include <string>

#include "gtest/gtest.h"

namespace switchyard {
namespace {

const BalanceModel kMixtral{32, 8, 2};

TEST(BalanceConventionTest, ClosedForms) {
  const struct {
    BalanceConvention convention;
    double c;  // of a coefficient of 1, L = 32, E = 8, k = 2
  } cases[] = {
      {BalanceConvention::kSwitchyard, 1},
      {BalanceConvention::kSwitchTransformers, 1},
      {BalanceConvention::kMegatronCore, 1},
      {BalanceConvention::kDeepSpeedMoe, 1},
      {BalanceConvention::kDeepSeek, 1},
      {BalanceConvention::kHuggingFace, 2.0 / 32},
      {BalanceConvention::kMegaBlocks, 1.0 / 32},
      {BalanceConvention::kOlmoCore, 1.0 / 32},
  };
  EXPECT_EQ(BalanceConventions().size(), std::size(cases));
  for (const auto& item : cases) {
    EXPECT_EQ(FromConvention(item.convention, 1, kMixtral), item.c)
        << FactsOf(item.convention).name;
    EXPECT_EQ(ToConvention(item.convention, item.c, kMixtral), 1);
  }
}

TEST(BalanceConventionTest, ThereAndBack) {
  for (const BalanceConventionFacts& facts : BalanceConventions()) {
    for (const BalanceModel& model :
         {kMixtral, BalanceModel{3, 7, 5}, BalanceModel{1, 1, 1}}) {
      const double c = FromConvention(facts.convention, 0.013, model);
      EXPECT_NEAR(ToConvention(facts.convention, c, model), 0.013, 1e-17)
          << facts.name;
    }
  }
}

// What systems publish, as c a layer.
TEST(BalanceConventionTest, PublishedCoefficients) {
  // Mixtral 8x7B's config.json: 0.02.
  EXPECT_EQ(FromConvention(BalanceConvention::kHuggingFace, 0.02, kMixtral),
            0.00125);
  // OLMoE: 0.01 over 16 layers, top-8.
  EXPECT_EQ(FromConvention(BalanceConvention::kOlmoCore, 0.01, {16, 64, 8}),
            0.01 / 16);
}

TEST(BalanceConventionTest, Levels) {
  EXPECT_EQ(ValueOf(BalanceLevel::kOne, kMixtral), 1);
  EXPECT_EQ(ValueOf(BalanceLevel::kExpertsPerToken, kMixtral), 2);
  EXPECT_EQ(ValueOf(BalanceLevel::kExperts, kMixtral), 8);
  EXPECT_EQ(ValueOf(BalanceLevel::kExpertsOverExpertsPerToken, kMixtral), 4);
  EXPECT_EQ(std::string(NameOf(BalanceLevel::kExpertsOverExpertsPerToken)),
            "E/k");
}

}  // namespace
}  // namespace switchyard
