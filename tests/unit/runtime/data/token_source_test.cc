// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Batches from files of tokens, and from text through a tokenizer.
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "switchyard/runtime/data/text_data_source.h"
#include "switchyard/tests/support/temporary_folder.h"
#include "switchyard/tests/unit/runtime/data/token_files.h"

namespace switchyard {
namespace {

using ::testing::AllOf;
using testing::Bytes;
using ::testing::HasSubstr;
using testing::TemporaryFolder;

std::string QwenLike() {
  return std::string(SWITCHYARD_SOURCE_DIR) + "/tests/golden/tokenizers/qwen";
}

std::string Text() {
  std::string text;
  for (int i = 0; i < 200; ++i) {
    text += "the router sends token " + std::to_string(i) + " größer\n";
  }
  return text;
}

std::vector<int32_t> TokensOf(const std::string& text) {
  std::vector<int32_t> tokens;
  auto tokenizer = *OpenTokenizer(QwenLike());
  EXPECT_TRUE(tokenizer->Encode(text, &tokens).ok());
  return tokens;
}

TextDataOptions Options(const std::string& path) {
  TextDataOptions options;
  options.files = {path};
  options.sequence_length = 16;
  options.global_batch = 4;
  options.vocabulary = 1105;
  options.eval_fraction = 0.1;
  return options;
}

std::unique_ptr<TextDataSource> Create(const TextDataOptions& options) {
  auto source = TextDataSource::Create(options);
  EXPECT_TRUE(source.ok()) << source.status();
  return source.ok() ? *std::move(source) : nullptr;
}

TEST(TokenSource, TextAndItsTokensAreTheSameData) {
  const TemporaryFolder folder;
  const std::string text = Text();
  const std::vector<int32_t> tokens = TokensOf(text);
  TextDataOptions options = Options(folder.Write("text", text));
  options.tokenizer = QwenLike();
  const auto from_text = Create(options);
  ASSERT_NE(from_text, nullptr);
  options.files = {folder.Write(
      "t.u16", Bytes(std::vector<uint16_t>(tokens.begin(), tokens.end())))};
  const auto counted = Create(options);
  ASSERT_NE(counted, nullptr);
  options.tokenizer = kByteTokenizer;
  const auto from_tokens = Create(options);
  ASSERT_NE(from_tokens, nullptr);
  EXPECT_EQ(from_text->identity(), from_tokens->identity());
  EXPECT_EQ(from_text->eval_sequence_count(),
            from_tokens->eval_sequence_count());
  Batch expected, actual;
  for (int64_t step = 0; step < 5; ++step) {
    ASSERT_TRUE(from_text->Fill(step, 0, 4, &expected).ok());
    ASSERT_TRUE(from_tokens->Fill(step, 0, 4, &actual).ok());
    EXPECT_EQ(actual.ids, expected.ids);
    EXPECT_EQ(actual.labels, expected.labels);
  }
  // Bytes of text: all are known, all are counted, or nobody knows.
  const double bytes =
      static_cast<double>(text.size()) / static_cast<double>(tokens.size());
  EXPECT_DOUBLE_EQ(from_text->bytes_per_token(), bytes);
  EXPECT_DOUBLE_EQ(counted->bytes_per_token(), bytes);
  EXPECT_EQ(from_tokens->bytes_per_token(), 0.0);
}

TEST(TokenSource, RefusesWithASentence) {
  const TemporaryFolder folder;
  const auto message = [](const TextDataOptions& options) {
    return std::string(TextDataSource::Create(options).status().message());
  };
  TextDataOptions options = Options(folder.Write("text", Text()));
  options.tokenizer = QwenLike();
  options.vocabulary = 1104;
  EXPECT_THAT(message(options), AllOf(HasSubstr("found 1105 of"),
                                      HasSubstr("vocab_size of 1104")));
  options.vocabulary = 1105;
  options.tokenizer = folder.path() / "none";
  EXPECT_THAT(message(options), HasSubstr("does not exist"));
  options.tokenizer = folder.path();
  EXPECT_THAT(message(options), HasSubstr("a folder with neither"));
  options.tokenizer = options.files[0];
  EXPECT_THAT(message(options), HasSubstr("name ends otherwise"));
  options.tokenizer = QwenLike();
  options.files = {folder.Write("latin1",
                                "gr\xF6\xDF"
                                "er")};
  EXPECT_THAT(message(options), HasSubstr("the byte 246 at byte 2 of"));
  // A hole of 257 MiB.
  const std::string large = folder.Write("large", "");
  std::filesystem::resize_file(large, (int64_t{256} << 20) + 1);
  options.files = {large};
  EXPECT_THAT(message(options), HasSubstr("switchyard tokenize"));
}

}  // namespace
}  // namespace switchyard
