// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Tokenizers against what Hugging Face's tokenizers and Google's sentencepiece
// give (make_tokenizer_fixtures.py): every token of every text.
#include <fstream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "switchyard/runtime/data/open_tokenizer.h"

namespace switchyard {
namespace {

const std::string& Folder() {
  static const std::string folder =
      std::string(SWITCHYARD_SOURCE_DIR) + "/tests/golden/tokenizers/";
  return folder;
}

const nlohmann::json& Cases() {
  static const nlohmann::json cases = [] {
    std::ifstream file(Folder() + "cases.json");
    return nlohmann::json::parse(file);
  }();
  return cases;
}

std::unique_ptr<Tokenizer> Open(const std::string& name) {
  auto tokenizer = OpenTokenizer(Folder() + name);
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status();
  return tokenizer.ok() ? *std::move(tokenizer) : nullptr;
}

std::vector<int32_t> Encoded(Tokenizer& tokenizer, const std::string& text) {
  std::vector<int32_t> tokens;
  const absl::Status status = tokenizer.Encode(text, &tokens);
  EXPECT_TRUE(status.ok()) << status;
  return tokens;
}

struct Golden {
  const char* key;   // in cases.json
  const char* path;  // below the folder
};

void PrintTo(const Golden& golden, std::ostream* out) { *out << golden.key; }

class TokenizerGolden : public ::testing::TestWithParam<Golden> {};

TEST_P(TokenizerGolden, EveryTokenIsTheSame) {
  const auto tokenizer = Open(GetParam().path);
  ASSERT_NE(tokenizer, nullptr);
  const nlohmann::json& texts = Cases()["texts"];
  const nlohmann::json& expected = Cases()["tokens"][GetParam().key];
  ASSERT_GT(texts.size(), 200u);
  ASSERT_EQ(texts.size(), expected.size());
  // Twice: the second time words are remembered.
  for (int round = 0; round < 2; ++round) {
    for (size_t i = 0; i < texts.size(); ++i) {
      const std::string text = texts[i].get<std::string>();
      EXPECT_EQ(Encoded(*tokenizer, text),
                expected[i].get<std::vector<int32_t>>())
          << "text " << i << ": " << texts[i].dump();
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, TokenizerGolden,
    ::testing::Values(Golden{"qwen", "qwen"}, Golden{"llama3", "llama3"},
                      Golden{"gpt2", "gpt2/tokenizer.json"},
                      Golden{"prefix_space", "prefix_space"},
                      Golden{"unigram", "unigram.model"},
                      Golden{"llama2", "llama2.model"}),
    [](const auto& info) { return std::string(info.param.key); });

TEST(TokenizerGolden, SentencePieceDecodesAlike) {
  for (const char* kind : {"unigram", "llama2"}) {
    const auto tokenizer = Open(std::string(kind) + ".model");
    ASSERT_NE(tokenizer, nullptr);
    const nlohmann::json& tokens = Cases()["tokens"][kind];
    for (size_t i = 0; i < tokens.size(); ++i) {
      const auto text =
          tokenizer->Decode(tokens[i].get<std::vector<int32_t>>());
      ASSERT_TRUE(text.ok()) << text.status();
      EXPECT_EQ(*text, Cases()["decoded"][kind][i].get<std::string>())
          << kind << " " << i;
    }
  }
}

// What comes back is the text, in form C where the tokenizer asks for it (its
// texts that are in form C come back as they are).
TEST(TokenizerGolden, ByteLevelComesBack) {
  for (const char* kind : {"qwen", "llama3", "gpt2"}) {
    const auto tokenizer = Open(kind);
    ASSERT_NE(tokenizer, nullptr);
    int compared = 0;
    for (const auto& item : Cases()["texts"]) {
      const std::string text = item.get<std::string>();
      const std::vector<int32_t> tokens = Encoded(*tokenizer, text);
      const auto back = tokenizer->Decode(tokens);
      ASSERT_TRUE(back.ok()) << back.status();
      if (std::string(kind) == "qwen") {
        EXPECT_EQ(Encoded(*tokenizer, *back), tokens) << item.dump();
        if (*back != text) continue;
      }
      EXPECT_EQ(*back, text) << item.dump();
      ++compared;
    }
    EXPECT_GT(compared, 150) << kind;
  }
}

TEST(TokenizerGolden, TellsWhatItsTokensAre) {
  const auto qwen = Open("qwen");
  ASSERT_NE(qwen, nullptr);
  const auto end = qwen->end_of_text();
  ASSERT_TRUE(end.has_value());
  EXPECT_EQ(qwen->Special("<|endoftext|>"), end);
  EXPECT_EQ(qwen->Special("<tool>"), std::nullopt);  // added, not special
  EXPECT_EQ(qwen->Special("the"), std::nullopt);
  EXPECT_EQ(qwen->TextBytes(*end), 0);
  EXPECT_EQ(qwen->vocabulary(), 1105);
  const std::vector<int32_t> tool = Encoded(*qwen, "<tool>");
  ASSERT_EQ(tool.size(), 1u);
  EXPECT_EQ(qwen->TextBytes(tool[0]), 6);
  EXPECT_FALSE(qwen->Decode({1105}).ok());
  EXPECT_FALSE(qwen->Decode({-1}).ok());
  // All bytes of a text, and only those, are its tokens'.
  for (const char* kind : {"qwen", "llama3", "gpt2", "llama2.model"}) {
    const auto tokenizer = Open(kind);
    const std::string text = "größer als Ωμέγα 漢字 12345 tokens";
    int64_t bytes = 0;
    for (const int32_t token : Encoded(*tokenizer, text)) {
      bytes += tokenizer->TextBytes(token);
    }
    // SentencePiece puts a space in front.
    const bool piece = std::string(kind) == "llama2.model";
    EXPECT_EQ(bytes, static_cast<int64_t>(text.size()) + (piece ? 1 : 0))
        << kind;
  }
  EXPECT_TRUE(Open("llama2.model")->end_of_text().has_value());
}

}  // namespace
}  // namespace switchyard
