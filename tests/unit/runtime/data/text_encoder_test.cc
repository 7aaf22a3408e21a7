// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// A file that is encoded part by part has the tokens of the whole.
#include "switchyard/runtime/data/text_encoder.h"

#include <memory>
#include <random>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "switchyard/runtime/data/open_tokenizer.h"
#include "switchyard/tests/support/temporary_folder.h"

namespace switchyard {
namespace {

using ::testing::HasSubstr;
using testing::TemporaryFolder;

std::unique_ptr<Tokenizer> Golden(const std::string& name) {
  auto tokenizer = OpenTokenizer(std::string(SWITCHYARD_SOURCE_DIR) +
                                 "/tests/golden/tokenizers/" + name);
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status();
  return *std::move(tokenizer);
}

struct Encoding {
  std::vector<int32_t> tokens;
  int parts = 0;
  absl::Status status;
};

Encoding EncodeParts(const std::string& text, Tokenizer& tokenizer) {
  const TemporaryFolder folder;
  const auto file = RandomAccessFile::Open(folder.Write("text", text));
  EXPECT_TRUE(file.ok());
  Encoding result;
  result.status =
      EncodeFile(*file, tokenizer, [&](absl::Span<const int32_t> tokens) {
        result.tokens.insert(result.tokens.end(), tokens.begin(), tokens.end());
        ++result.parts;
        return absl::OkStatus();
      });
  return result;
}

// About three megabytes of pieces in random order.
std::string Mixture(const std::vector<std::string>& pieces, int seed) {
  std::mt19937 random(seed);
  std::string text;
  while (text.size() < 3300000) text += pieces[random() % pieces.size()];
  return text;
}

TEST(TextEncoder, PartsAreTheWhole) {
  const std::vector<std::string> texts = {
      Mixture({"word", " ", "\n", "\n\n", "\r\n", "  ", "1234", "größer", "'ll",
               "<|endoftext|>", "e\xCC\x81", "!?", " ...", "日本"},
              1),
      // No line ends, no spaces: only elsewhere.
      Mixture({"日本語", "、", "モデル", "です", "。", "e\xCC\x81"}, 2),
      // Lines end with empty lines only, which GPT-2's words run over.
      Mixture({"one line\n\n", "another\n\n\n", "x\n \n"}, 3),
      // Long runs around the places.
      Mixture({std::string(1000, ' '), std::string(700, '\n'),
               std::string(700, '='), "a b\n"},
              4),
  };
  for (const char* name : {"qwen", "llama3", "gpt2", "prefix_space"}) {
    const auto tokenizer = Golden(name);
    for (size_t i = 0; i < texts.size(); ++i) {
      // Its parts begin with a space, which it adds elsewhere.
      if (std::string(name) == "prefix_space" && i == 1) continue;
      std::vector<int32_t> whole;
      ASSERT_TRUE(tokenizer->Encode(texts[i], &whole).ok());
      const Encoding parts = EncodeParts(texts[i], *tokenizer);
      ASSERT_TRUE(parts.status.ok()) << parts.status;
      EXPECT_GE(parts.parts, 3) << name << " " << i;
      EXPECT_TRUE(parts.tokens == whole) << name << " " << i;
    }
  }
}

TEST(TextEncoder, TakesAnyBytesWithTheByteTokenizer) {
  std::string text;
  std::mt19937 random(5);
  for (int i = 0; i < 2500000; ++i) text.push_back(static_cast<char>(random()));
  const auto tokenizer = *OpenTokenizer("bytes");
  const Encoding parts = EncodeParts(text, *tokenizer);
  ASSERT_TRUE(parts.status.ok()) << parts.status;
  EXPECT_EQ(*tokenizer->Decode(parts.tokens), text);
}

TEST(TextEncoder, SaysWhereTextIsNoUtf8) {
  const auto tokenizer = Golden("qwen");
  std::string text = Mixture({"some text\n", "größer "}, 6);
  for (size_t at : {size_t{0}, size_t{1} << 20, text.size() - 1}) {
    std::string damaged = text;
    damaged[at] = '\xFF';
    const Encoding parts = EncodeParts(damaged, *tokenizer);
    EXPECT_THAT(std::string(parts.status.message()),
                HasSubstr("the byte 255 at byte " + std::to_string(at)));
  }
  // A character that the file cuts.
  EXPECT_THAT(std::string(EncodeParts("gr\xC3", *tokenizer).status.message()),
              HasSubstr("the byte 195 at byte 2"));
}

TEST(TextEncoder, RefusesTextWithoutAPlaceToCut) {
  const auto tokenizer = Golden("qwen");
  const Encoding parts =
      EncodeParts(std::string(size_t{17} << 20, 'a'), *tokenizer);
  EXPECT_THAT(std::string(parts.status.message()),
              HasSubstr("put line breaks into it"));
}

TEST(TextEncoder, AnEmptyFileHasNoTokens) {
  const auto tokenizer = Golden("gpt2");
  const Encoding parts = EncodeParts("", *tokenizer);
  EXPECT_TRUE(parts.status.ok());
  EXPECT_TRUE(parts.tokens.empty());
}

}  // namespace
}  // namespace switchyard
