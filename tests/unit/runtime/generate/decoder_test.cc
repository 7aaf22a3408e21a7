// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// What is generated with a cache is what the whole sequence would give.
#include "switchyard/runtime/generate/decoder.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "switchyard/base/cpu/cpu_device.h"
#include "switchyard/comm/self/self_communicator.h"
#include "switchyard/tests/support/generation_run.h"

namespace switchyard::testing {
namespace {

constexpr uint64_t kSeed = 7;
constexpr int64_t kSequences = 2, kLength = 14;

class DecoderTest : public ::testing::TestWithParam<NamedModel> {
 protected:
  const ModelConfig& model() const { return GetParam().config; }

  std::unique_ptr<Decoder> NewDecoder() {
    auto decoder = Decoder::Create(
        {model(), DType::kFloat32, kSequences, kLength}, grid_, device_);
    EXPECT_TRUE(decoder.ok()) << decoder.status();
    FillWeights((*decoder)->store(), (*decoder)->stream(), kSeed);
    return *std::move(decoder);
  }
  // The largest difference between the logits of position `at` and `full`.
  double Difference(const Decoder& decoder, int64_t at,
                    const std::vector<float>& full) const {
    double most = 0.0;
    for (int64_t b = 0; b < kSequences; ++b) {
      const absl::Span<const float> logits = decoder.logits(b);
      EXPECT_EQ(static_cast<int64_t>(logits.size()), model().vocabulary);
      const float* expected = &full[(b * kLength + at) * model().vocabulary];
      for (size_t i = 0; i < logits.size(); ++i) {
        const double difference = std::abs(logits[i] - expected[i]);
        if (!(difference <= most)) most = difference;
      }
    }
    return most;
  }

  CpuDevice device_{2};
  std::unique_ptr<comm::Communicator> world_ = comm::NewSelfCommunicator();
  Grid grid_ =
      *Grid::Create(*world_, 1, static_cast<int>(GetParam().config.experts));
};

// Tokens [at, at + count) of both sequences.
std::vector<int32_t> Part(const std::vector<int32_t>& ids, int64_t at,
                          int64_t count) {
  std::vector<int32_t> part;
  for (int64_t b = 0; b < kSequences; ++b) {
    const auto begin = ids.begin() + b * kLength + at;
    part.insert(part.end(), begin, begin + count);
  }
  return part;
}

// Invariant A11.
TEST_P(DecoderTest, GivesTheLogitsOfTheFullForwardPass) {
  const std::vector<int32_t> ids =
      RandomIds(3, kSequences * kLength, model().vocabulary);
  const std::vector<float> full = FullLogits(model(), kSeed, ids, kSequences);
  const auto [least, most] = std::minmax_element(full.begin(), full.end());
  ASSERT_GT(*most - *least, 1.0f) << "logits of some size";
  const auto decoder = NewDecoder();
  // Prompts of all kinds, one of them in pieces; then token by token.
  for (const std::vector<int64_t>& cuts : std::vector<std::vector<int64_t>>{
           {1}, {6, 1}, {kLength - 1, 1}, {kLength}, {3, 8, 1}}) {
    decoder->Restart();
    size_t call = 0;
    for (int64_t at = 0; at < kLength;) {
      const int64_t count = cuts[std::min(call++, cuts.size() - 1)];
      ASSERT_TRUE(decoder->Forward(Part(ids, at, count)).ok());
      at += count;
      EXPECT_EQ(decoder->cache().length(), at);
      EXPECT_LE(Difference(*decoder, at - 1, full), 1e-4)
          << "position " << at - 1 << " after a prompt of " << cuts[0];
    }
  }
}

// Invariant A13: another sequence, and what stood in the cache before, change
// no bit.
TEST_P(DecoderTest, SequencesDoNotSeeEachOtherNorTheLastText) {
  std::vector<int32_t> ids =
      RandomIds(3, kSequences * kLength, model().vocabulary);
  const auto decoder = NewDecoder();
  const auto last_logits = [&] {
    decoder->Restart();
    EXPECT_TRUE(decoder->Forward(Part(ids, 0, kLength - 2)).ok());
    EXPECT_TRUE(decoder->Forward(Part(ids, kLength - 2, 1)).ok());
    EXPECT_TRUE(decoder->Forward(Part(ids, kLength - 1, 1)).ok());
    std::vector<std::vector<float>> all;
    for (int64_t b = 0; b < kSequences; ++b) {
      all.emplace_back(decoder->logits(b).begin(), decoder->logits(b).end());
    }
    return all;
  };
  const auto expected = last_logits();
  for (int64_t i = 0; i < kLength; ++i) {
    ids[i] = static_cast<int32_t>((ids[i] + 1 + i % 3) % model().vocabulary);
  }
  const auto changed = last_logits();
  EXPECT_NE(changed[0], expected[0]);
  EXPECT_EQ(changed[1], expected[1]);
}

std::string TestName(const ::testing::TestParamInfo<NamedModel>& info) {
  std::string name = info.param.name;
  for (char& c : name) {
    if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
  }
  return name;
}
INSTANTIATE_TEST_SUITE_P(Models, DecoderTest,
                         ::testing::ValuesIn(GeneratingModels()), TestName);

TEST(DecoderOptionsTest, ExpertsThatSeeTheFutureAreRefused) {
  DecoderOptions options{SmallRun().model, DType::kFloat32, 1, 8};
  EXPECT_TRUE(Validate(options).ok());
  options.model.router.type = RouterType::kExpertChoice;
  EXPECT_EQ(Validate(options).message(),
            "expected a router that decides about each token by itself, found "
            "expert_choice, whose experts choose among all tokens of a text "
            "and so see the future of one that is being written; use a model "
            "whose router_type is another");
}

TEST(DecoderOptionsTest, SequencesEndWithTheModelsPositions) {
  DecoderOptions options{SmallRun().model, DType::kFloat32, 1, 16};
  options.model.max_position_embeddings = 16;
  EXPECT_TRUE(Validate(options).ok());
  options.max_length = 17;
  EXPECT_EQ(Validate(options).message(),
            "expected prompt and continuation of 1 to 16 tokens together, the "
            "model's max_position_embeddings, found 17; shorten one of them");
}

}  // namespace
}  // namespace switchyard::testing
