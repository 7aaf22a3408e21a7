// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/generate/generate.h"

#include <algorithm>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "switchyard/tests/support/generation_run.h"

namespace switchyard::testing {
namespace {

std::string Refusal(const GenerationRequest& request) {
  ModelConfig model = SmallRun().model;
  model.vocabulary = 48;
  model.max_position_embeddings = 100;
  return std::string(Validate(request, model).message());
}

TEST(GenerateTest, RequestsOutOfRangeAreNamed) {
  EXPECT_EQ(Refusal({{0, 47}, 5, {}}), "");
  EXPECT_EQ(Refusal({{}, 5, {}}),
            "expected a prompt of at least one token, found an empty one; give "
            "some text in --prompt or --prompt_file, or ids in --prompt_ids");
  EXPECT_EQ(Refusal({{1, 48}, 5, {}}),
            "expected token ids from 0 to 47, the model's vocabulary, found 48 "
            "in the prompt; correct it or use another model");
  EXPECT_EQ(Refusal({{-1}, 5, {}}),
            "expected token ids from 0 to 47, the model's vocabulary, found -1 "
            "in the prompt; correct it or use another model");
  EXPECT_EQ(Refusal({{1}, 0, {}}),
            "expected --tokens from 1 to the model's max_position_embeddings, "
            "100, found 0; choose another number");
  EXPECT_NE(Refusal({{1}, 5, {.temperature = -1.0}}), "");
}

// The greedy text is that of forward passes over all that is written so far.
TEST(GenerateTest, GreedyTextIsThatOfFullForwardPasses) {
  const ModelConfig model = GeneratingModels()[0].config;
  std::vector<int32_t> text = RandomIds(5, 4, model.vocabulary);
  const GenerationRequest request{text, 12, {.temperature = 0.0}};
  const auto generated = GenerateOn({1, 1, 1}, model, DType::kFloat32, request);
  ASSERT_TRUE(generated.ok()) << generated.status();
  std::vector<int32_t> expected;
  for (int i = 0; i < 12; ++i) {
    const std::vector<float> logits = FullLogits(model, 7, text, 1);
    const auto last = logits.end() - model.vocabulary;
    expected.push_back(
        static_cast<int32_t>(std::max_element(last, logits.end()) - last));
    text.push_back(expected.back());
  }
  EXPECT_EQ(generated->tokens, expected);
}

}  // namespace
}  // namespace switchyard::testing
