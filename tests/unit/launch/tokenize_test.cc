// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// `switchyard tokenize`, in this process.
#include "switchyard/launch/commands/tokenize.h"

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "switchyard/runtime/data/open_token_file.h"
#include "switchyard/runtime/data/open_tokenizer.h"
#include "switchyard/tests/support/temporary_folder.h"

namespace switchyard::launch {
namespace {

using ::testing::HasSubstr;
using testing::TemporaryFolder;

std::string Golden(const std::string& name) {
  return std::string(SWITCHYARD_SOURCE_DIR) + "/tests/golden/tokenizers/" +
         name;
}

std::vector<int32_t> Read(const std::string& path, DataFormat format) {
  TokenFileOptions options;
  options.format = format;
  options.vocabulary = 1 << 20;
  const auto file = OpenTokenFile(path, options);
  EXPECT_TRUE(file.ok()) << file.status();
  if (!file.ok()) return {};
  std::vector<int32_t> tokens(static_cast<size_t>((*file)->size()));
  EXPECT_TRUE((*file)->Read(0, (*file)->size(), tokens.data()).ok());
  return tokens;
}

TEST(Tokenize, WritesTheTokensOfItsFilesInOrder) {
  const TemporaryFolder folder;
  const std::string first = folder.Write("a", "the first text\nof two");
  const std::string second = folder.Write("b", "größer 12345");
  auto tokenizer = *OpenTokenizer(Golden("qwen"));
  std::vector<int32_t> expected;
  ASSERT_TRUE(tokenizer->Encode("the first text\nof two", &expected).ok());
  expected.push_back(*tokenizer->end_of_text());
  ASSERT_TRUE(tokenizer->Encode("größer 12345", &expected).ok());
  expected.push_back(*tokenizer->end_of_text());
  for (const DataFormat format : {DataFormat::kU16, DataFormat::kU32,
                                  DataFormat::kLlmc, DataFormat::kMegatron}) {
    const std::string out = folder.path() / NameOf(format);
    const auto said = TokenizeFiles(
        {"--tokenizer", Golden("qwen"), "--data", first + "," + second, "--out",
         out, "--format", NameOf(format), "--append_eos"});
    ASSERT_TRUE(said.ok()) << said.status();
    EXPECT_THAT(*said, HasSubstr("MB/s"));
    EXPECT_EQ(Read(out, format), expected);
  }
}

TEST(Tokenize, LeavesNothingWhereItFails) {
  const TemporaryFolder folder;
  const std::string good = folder.Write("good", "text");
  const std::string bad = folder.Write("bad", "\xFF");
  const auto message = [&](std::vector<std::string> flags) {
    flags.insert(flags.end(), {"--out", folder.path() / "out"});
    const auto said = TokenizeFiles(flags);
    EXPECT_FALSE(said.ok());
    EXPECT_EQ(
        std::distance(std::filesystem::directory_iterator(folder.path()), {}),
        2);
    return std::string(said.status().message());
  };
  const std::string qwen = Golden("qwen");
  EXPECT_THAT(message({"--tokenizer", qwen, "--data", good + "," + bad,
                       "--format", "megatron"}),
              HasSubstr("the byte 255 at byte 0 of " + bad));
  EXPECT_THAT(message({"--tokenizer", qwen, "--data", folder.path() / "no",
                       "--format", "u16"}),
              HasSubstr("No such file"));
  EXPECT_THAT(message({"--tokenizer", qwen}), HasSubstr("expected --data"));
  EXPECT_THAT(message({"--data", good, "--format", "u16"}),
              HasSubstr("expected --tokenizer"));
  EXPECT_THAT(message({"--tokenizer", "bytes", "--data", good, "--format",
                       "u16", "--append_eos"}),
              HasSubstr("give --eos_token"));
  EXPECT_THAT(message({"--tokenizer", qwen, "--data", good, "--format", "u16",
                       "--append_eos", "--eos_token", "the"}),
              HasSubstr("found 'the'"));
  EXPECT_THAT(message({"--tokenizer", qwen, "--data", good, "--format", "u16",
                       "--eos_token", "<|im_end|>"}),
              HasSubstr("expected --append_eos"));
}

TEST(Tokenize, TakesAnotherEndOfText) {
  const TemporaryFolder folder;
  const std::string out = folder.path() / "out.u16";
  const auto said = TokenizeFiles(
      {"--tokenizer", Golden("qwen"), "--data", folder.Write("a", ""), "--out",
       out, "--format", "u16", "--append_eos", "--eos_token", "<|im_end|>"});
  ASSERT_TRUE(said.ok()) << said.status();
  const auto tokenizer = *OpenTokenizer(Golden("qwen"));
  EXPECT_EQ(Read(out, DataFormat::kU16),
            std::vector<int32_t>{*tokenizer->Special("<|im_end|>")});
}

}  // namespace
}  // namespace switchyard::launch
