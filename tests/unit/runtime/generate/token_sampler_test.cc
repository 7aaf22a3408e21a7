// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/generate/token_sampler.h"

#include <cmath>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace switchyard {
namespace {

// Probabilities 1/2, 1/4, 1/8, 1/16, 1/16 of the tokens 3, 1, 4, 0, 2.
const std::vector<float> kLogits = {std::log(1.0f / 16), std::log(1.0f / 4),
                                    std::log(1.0f / 16), std::log(1.0f / 2),
                                    std::log(1.0f / 8)};

// How often each token is chosen at 8000 positions.
std::vector<int> Counts(const TokenSamplerOptions& options) {
  TokenSampler sampler(options);
  std::vector<int> counts(kLogits.size());
  for (int64_t position = 0; position < 8000; ++position) {
    ++counts[*sampler.Sample(kLogits, position)];
  }
  return counts;
}

// Within five standard deviations of a binomial count.
void ExpectShares(const std::vector<int>& counts,
                  const std::vector<double>& shares) {
  for (size_t i = 0; i < counts.size(); ++i) {
    const double deviation = std::sqrt(8000 * shares[i] * (1 - shares[i]));
    EXPECT_NEAR(counts[i], 8000 * shares[i], 5 * deviation) << i;
  }
}

TEST(TokenSamplerTest, FollowsTheProbabilities) {
  ExpectShares(Counts({}), {0.0625, 0.25, 0.0625, 0.5, 0.125});
}

TEST(TokenSamplerTest, TemperatureSharpensAndFlattens) {
  // Squares: 1/4, 1/16, 1/64, 1/256, 1/256 of 86/256.
  ExpectShares(Counts({.temperature = 0.5}),
               {1.0 / 86, 16.0 / 86, 1.0 / 86, 64.0 / 86, 4.0 / 86});
  ExpectShares(Counts({.temperature = 1e9}), {0.2, 0.2, 0.2, 0.2, 0.2});
}

TEST(TokenSamplerTest, TopKKeepsTheMostLikely) {
  ExpectShares(Counts({.top_k = 2}), {0, 1.0 / 3, 0, 2.0 / 3, 0});
  // Of the equals 0 and 2 the lower one.
  ExpectShares(Counts({.top_k = 4}),
               {1.0 / 15, 4.0 / 15, 0, 8.0 / 15, 2.0 / 15});
  EXPECT_EQ(Counts({.top_k = 100}), Counts({}));
  EXPECT_EQ(Counts({.top_k = 1}), (std::vector<int>{0, 0, 0, 8000, 0}));
}

TEST(TokenSamplerTest, TopPKeepsTheFewestThatReachIt) {
  ExpectShares(Counts({.top_p = 0.6}), {0, 1.0 / 3, 0, 2.0 / 3, 0});
  ExpectShares(Counts({.top_p = 0.8}), {0, 2.0 / 7, 0, 4.0 / 7, 1.0 / 7});
  EXPECT_EQ(Counts({.top_p = 1e-9}), (std::vector<int>{0, 0, 0, 8000, 0}));
  // Of the three of top_k, 4/7 and 2/7 reach 0.7.
  ExpectShares(Counts({.top_k = 3, .top_p = 0.7}), {0, 1.0 / 3, 0, 2.0 / 3, 0});
}

TEST(TokenSamplerTest, TemperatureZeroTakesTheFirstOfTheGreatest) {
  TokenSampler sampler({.temperature = 0.0});
  EXPECT_EQ(*sampler.Sample(kLogits, 5), 3);
  EXPECT_EQ(*sampler.Sample({1.0f, 2.0f, 0.0f, 2.0f}, 9), 1);
}

TEST(TokenSamplerTest, IsAFunctionOfSeedAndPosition) {
  TokenSampler one({.seed = 1}), again({.seed = 1}), other({.seed = 2});
  std::vector<int32_t> first, second, third;
  for (int64_t position = 0; position < 100; ++position) {
    first.push_back(*one.Sample(kLogits, position));
    third.push_back(*other.Sample(kLogits, position));
  }
  for (int64_t position = 99; position >= 0; --position) {
    second.insert(second.begin(), *again.Sample(kLogits, position));
  }
  EXPECT_EQ(first, second);
  EXPECT_NE(first, third);
  EXPECT_EQ(std::set<int32_t>(first.begin(), first.end()).size(), 5u);
}

TEST(TokenSamplerTest, BrokenLogitsAreAnError) {
  for (const float broken : {std::numeric_limits<float>::quiet_NaN(),
                             std::numeric_limits<float>::infinity()}) {
    for (const double temperature : {0.0, 1.0}) {
      TokenSampler sampler({.temperature = temperature});
      EXPECT_EQ(sampler.Sample({1.0f, broken}, 12).status().message(),
                "expected finite logits, found others for position 12; the "
                "checkpoint's weights are broken");
    }
  }
}

TEST(TokenSamplerTest, OptionsOutOfRangeAreNamed) {
  const auto message = [](const TokenSamplerOptions& options) {
    return std::string(Validate(options).message());
  };
  EXPECT_EQ(message({}), "");
  EXPECT_EQ(message({.temperature = -0.5}),
            "expected a finite --temperature of at least 0, found -0.5; 0 "
            "takes the most likely token each time");
  EXPECT_EQ(message({.top_k = -1}),
            "expected --top_k of at least 0, found -1; 0 leaves all tokens in");
  for (const double p : {0.0, 1.5, std::nan("")}) {
    EXPECT_EQ(message({.top_p = p}).substr(0, 42),
              "expected --top_p above 0 and at most 1, fo");
  }
}

}  // namespace
}  // namespace switchyard
