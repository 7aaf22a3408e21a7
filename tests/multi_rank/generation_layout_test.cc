// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// A text does not depend on how many ranks write it, nor on where experts are.
#include <limits>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "switchyard/tests/support/generation_run.h"

namespace switchyard::testing {
namespace {

class GenerationLayoutTest : public ::testing::TestWithParam<DType> {};

void ExpectSameText(const NamedModel& model, DType dtype,
                    const TokenSamplerOptions& sampler,
                    const std::vector<Layout>& layouts) {
  const GenerationRequest request{RandomIds(5, 9, model.config.vocabulary), 10,
                                  sampler};
  const auto expected = GenerateOn({1, 1, 1}, model.config, dtype, request);
  ASSERT_TRUE(expected.ok()) << expected.status();
  ASSERT_EQ(expected->tokens.size(), 10u);
  for (const Layout& layout : layouts) {
    const auto actual = GenerateOn(layout, model.config, dtype, request);
    ASSERT_TRUE(actual.ok()) << actual.status();
    EXPECT_EQ(actual->tokens, expected->tokens)
        << model.name << ", " << layout.ToString();
    EXPECT_EQ(actual->logits, expected->logits)
        << model.name << ", " << layout.ToString();
  }
}

TEST_P(GenerationLayoutTest, TheTextIsTheSameOnEveryLayout) {
  const std::vector<Layout> layouts = {
      {1, 1, 2}, {2, 1, 1},       {2, 2, 1}, {3, 1, 1},
      {4, 2, 1}, {4, 4, 1, true}, {4, 1, 1}, {1, 1, 1, true}};
  const NamedModel model = GeneratingModels()[0];
  ExpectSameText(model, GetParam(), {.temperature = 0.0}, layouts);
  ExpectSameText(model, GetParam(),
                 {.temperature = 1.5, .top_k = 20, .top_p = 0.95, .seed = 3},
                 layouts);
}

TEST_P(GenerationLayoutTest, ModelsOfAllKindsGenerateOnManyRanks) {
  for (const NamedModel& model : GeneratingModels()) {
    ExpectSameText(model, GetParam(), {.temperature = 0.8},
                   {{2, 2, 1}, {4, 2, 1}});
  }
}

INSTANTIATE_TEST_SUITE_P(DTypes, GenerationLayoutTest,
                         ::testing::Values(DType::kFloat32, DType::kBFloat16),
                         [](const auto& info) { return NameOf(info.param); });

// A rank's error ends the text on all of them.
TEST(GenerationErrorTest, AllRanksLearnOfBrokenLogits) {
  const NamedModel model = GeneratingModels()[0];
  GenerationRequest request{{1, 2, 3}, 4, {.temperature = 0.0}};
  ModelConfig broken = model.config;
  broken.rms_norm_eps = std::numeric_limits<float>::quiet_NaN();
  const auto text = GenerateOn({2, 2, 1}, broken, DType::kFloat32, request);
  EXPECT_EQ(text.status().message(),
            "expected finite logits, found others for position 3; the "
            "checkpoint's weights are broken");
}

}  // namespace
}  // namespace switchyard::testing
