// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Files of tokenizers that are damaged, or that ask for what is not known: each
// is refused, and says why.
#include <fstream>
#include <functional>
#include <iterator>
#include <nlohmann/json.hpp>
#include <random>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "switchyard/runtime/data/open_tokenizer.h"
#include "switchyard/tests/support/temporary_folder.h"

namespace switchyard {
namespace {

using ::testing::HasSubstr;
using testing::TemporaryFolder;
using Json = nlohmann::json;

std::string Content(const std::string& name) {
  std::ifstream file(
      std::string(SWITCHYARD_SOURCE_DIR) + "/tests/golden/tokenizers/" + name,
      std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

std::string MessageOf(const std::string& path) {
  return std::string(OpenTokenizer(path).status().message());
}

class HostileTokenizer : public ::testing::Test {
 protected:
  // The sentence for the golden file of `name` with a change.
  std::string Changed(const std::function<void(Json&)>& change,
                      const std::string& name = "gpt2") {
    Json json = Json::parse(Content(name + "/tokenizer.json"));
    change(json);
    return MessageOf(folder_.Write("tokenizer.json", json.dump()));
  }

  const TemporaryFolder folder_;
};

TEST_F(HostileTokenizer, NothingChangedIsTaken) {
  for (const char* name : {"gpt2", "qwen", "llama3"}) {
    EXPECT_EQ(Changed([](Json&) {}, name), "");
  }
}

TEST_F(HostileTokenizer, Numbers) {
  const auto with = [&](const Json& id) {
    return Changed([&](Json& j) { j["model"]["vocab"]["a"] = id; });
  };
  for (const Json& id :
       {Json(-1), Json(1 << 22), Json(INT64_MAX), Json(UINT64_MAX), Json(1.5),
        Json("1"), Json(nullptr), Json(1e30)}) {
    EXPECT_THAT(with(id), HasSubstr("vocab.a: expected a whole number below"))
        << id;
  }
  EXPECT_THAT(with(Json(5)), HasSubstr("a number of its own"));
}

TEST_F(HostileTokenizer, Vocabulary) {
  const std::string model = "model.vocab";
  EXPECT_THAT(Changed([](Json& j) { j["model"]["vocab"] = Json::array(); }),
              HasSubstr("an object of tokens"));
  EXPECT_THAT(Changed([](Json& j) { j["model"].erase("vocab"); }),
              HasSubstr("an object of tokens"));
  EXPECT_THAT(Changed([](Json& j) { j["model"]["vocab"].erase("a"); }),
              HasSubstr("also for byte 97"));
  EXPECT_THAT(Changed([](Json& j) { j["model"]["vocab"][""] = 5000; }),
              HasSubstr("no empty token"));
}

TEST_F(HostileTokenizer, Merges) {
  const auto with = [&](const Json& merge) {
    return Changed([&](Json& j) { j["model"]["merges"].push_back(merge); });
  };
  for (const Json& merge :
       {Json("ab"), Json("a b c"), Json(5), Json({"a", "b", "c"}),
        Json({"a", 5}), Json(nullptr), Json({"a"})}) {
    EXPECT_THAT(with(merge), HasSubstr("two tokens, as one string or"))
        << merge;
  }
  EXPECT_THAT(with("a nowhere"), HasSubstr("no 'nowhere' is"));
  EXPECT_THAT(with(Json({"日", "a"})), HasSubstr("no '"));
  EXPECT_THAT(with("zz qq"), HasSubstr("in the vocabulary"));
  EXPECT_THAT(with("q z"), HasSubstr("no 'qz' is"));
  EXPECT_THAT(Changed([](Json& j) { j["model"]["merges"] = 5; }),
              HasSubstr("expected a list"));
}

TEST_F(HostileTokenizer, AddedTokens) {
  const auto with = [&](const Json& token) {
    return Changed([&](Json& j) { j["added_tokens"].push_back(token); });
  };
  const Json good = {{"id", 2000}, {"content", "<x>"}, {"special", true}};
  EXPECT_EQ(with(good), "");
  const auto changed = [&](const char* key, const Json& value) {
    Json token = good;
    token[key] = value;
    return with(token);
  };
  EXPECT_THAT(changed("id", 5), HasSubstr("no other token has"));
  EXPECT_THAT(changed("id", -5), HasSubstr("whole number"));
  EXPECT_THAT(changed("id", int64_t{1} << 40), HasSubstr("whole number"));
  EXPECT_THAT(changed("content", "a"), HasSubstr("no other token has"));
  EXPECT_THAT(changed("content", ""), HasSubstr("1 to 256 bytes"));
  EXPECT_THAT(changed("content", std::string(257, 'x')),
              HasSubstr("1 to 256 bytes"));
  EXPECT_THAT(changed("content", 5), HasSubstr("a string"));
  EXPECT_THAT(changed("content", "<|endoftext|>"),
              HasSubstr("no other token has"));
  EXPECT_THAT(changed("special", 1), HasSubstr("true or false"));
  EXPECT_THAT(changed("lstrip", true), HasSubstr("lstrip: expected nothing"));
  EXPECT_THAT(changed("rstrip", true), HasSubstr("rstrip: expected nothing"));
  EXPECT_THAT(changed("single_word", true), HasSubstr("single_word"));
  EXPECT_THAT(changed("other", 1), HasSubstr("found \"other\""));
  EXPECT_THAT(Changed([](Json& j) {
                j["added_tokens"].push_back(j["added_tokens"][0]);
              }),
              HasSubstr("each added token once"));
  EXPECT_THAT(Changed([](Json& j) { j["added_tokens"] = 5; }),
              HasSubstr("expected a list"));
}

TEST_F(HostileTokenizer, WhatIsNotKnown) {
  const auto with = [&](const std::string& pointer, const Json& value,
                        const char* name = "qwen") {
    return Changed([&](Json& j) { j[Json::json_pointer(pointer)] = value; },
                   name);
  };
  EXPECT_THAT(with("/model/type", "Unigram"), HasSubstr("expected \"BPE\""));
  EXPECT_THAT(with("/model/dropout", 0.1), HasSubstr("model.dropout"));
  EXPECT_THAT(with("/model/byte_fallback", true), HasSubstr("byte_fallback"));
  EXPECT_THAT(with("/model/end_of_word_suffix", "</w>"), HasSubstr("suffix"));
  EXPECT_THAT(with("/model/continuing_subword_prefix", "##"),
              HasSubstr("prefix"));
  EXPECT_THAT(with("/model/ignore_merges", 1), HasSubstr("true or false"));
  EXPECT_THAT(with("/model/new_key", 1), HasSubstr("found \"new_key\""));
  EXPECT_THAT(with("/new_key", 1), HasSubstr("found \"new_key\""));
  EXPECT_THAT(with("/truncation", {{"max_length", 512}}),
              HasSubstr("truncation: expected nothing"));
  EXPECT_THAT(with("/padding", {{"pad_id", 0}}), HasSubstr("padding"));
  EXPECT_THAT(with("/normalizer/type", "NFKC"), HasSubstr("NFC or no"));
  EXPECT_THAT(with("/normalizer/type", "Lowercase"), HasSubstr("NFC or no"));
  EXPECT_THAT(with("/post_processor/type", "BertProcessing"),
              HasSubstr("TemplateProcessing"));
  EXPECT_THAT(with("/decoder/type", "Metaspace"), HasSubstr("ByteLevel"));
  EXPECT_THAT(with("/pre_tokenizer", nullptr), HasSubstr("ByteLevel at the"));
  EXPECT_THAT(with("/pre_tokenizer/pretokenizers/0/type", "Digits"),
              HasSubstr("Split, or ByteLevel"));
  EXPECT_THAT(with("/pre_tokenizer/pretokenizers/0/type", "ByteLevel"),
              HasSubstr("found \"behavior\""));
  EXPECT_THAT(with("/pre_tokenizer/pretokenizers/0/behavior", "Removed"),
              HasSubstr("\"Isolated\""));
  EXPECT_THAT(with("/pre_tokenizer/pretokenizers/1/type", "Split"),
              HasSubstr("found \"add_prefix_space\""));
  const char kPattern[] = "/pre_tokenizer/pretokenizers/0/pattern";
  EXPECT_THAT(with(kPattern, {{"Regex", "\\w+"}}), HasSubstr("\\w in"));
  EXPECT_THAT(with(kPattern, {{"Regex", "("}}), HasSubstr("PCRE2 takes"));
  EXPECT_THAT(with(kPattern, {{"Regex", "a*"}}), HasSubstr("empty matches"));
  EXPECT_THAT(with(kPattern, {{"Regex", std::string(1 << 17, 'a')}}),
              HasSubstr("too long"));
  EXPECT_THAT(with(kPattern, Json::object()), HasSubstr("a Regex or a String"));
  EXPECT_THAT(with(kPattern, 5), HasSubstr("an object"));
  EXPECT_THAT(with(kPattern, {{"String", 5}}), HasSubstr("a string"));
  EXPECT_EQ(with(kPattern, {{"String", " "}}), "");
}

TEST_F(HostileTokenizer, FilesThatAreNone) {
  const auto with = [&](const std::string& name, const std::string& content) {
    return MessageOf(folder_.Write(name, content));
  };
  EXPECT_THAT(with("a.json", ""), HasSubstr("empty file"));
  EXPECT_THAT(with("a.json", "{"), HasSubstr("truncated or not JSON"));
  EXPECT_THAT(with("a.json", "[]"), HasSubstr("JSON object"));
  EXPECT_THAT(with("a.json", "{}"), HasSubstr("ByteLevel"));
  EXPECT_THAT(with("a.json", "{\"model\":{\"vocab\":{\"\xFF\":1}}}"),
              HasSubstr("not JSON"));
  EXPECT_THAT(with("a.json", "{\"model\":{\"vocab\":{\"a\":1,\"a\":2}}}"),
              HasSubstr("\"a\" twice"));
  const std::string json = Content("qwen/tokenizer.json");
  for (size_t size = 0; size < json.size(); size += 997) {
    EXPECT_NE(with("a.json", json.substr(0, size)), "") << size;
  }
  EXPECT_THAT(with("a.model", ""), HasSubstr("SentencePiece model"));
  EXPECT_THAT(with("a.model", "no model"), HasSubstr("SentencePiece model"));
  EXPECT_THAT(with("a.txt", "{}"), HasSubstr("name ends otherwise"));
}

// Whatever stands in a file, it is refused or it encodes: bytes at random.
TEST_F(HostileTokenizer, DamagedFilesEndNothing) {
  std::mt19937 random(3);
  const std::string json = Content("prefix_space/tokenizer.json");
  int taken = 0;
  for (int round = 0; round < 300; ++round) {
    std::string damaged = json;
    for (uint32_t n = random() % 3 + 1; n > 0; --n) {
      damaged[random() % damaged.size()] = static_cast<char>(random());
    }
    auto tokenizer = OpenTokenizer(folder_.Write("tokenizer.json", damaged));
    if (!tokenizer.ok()) {
      EXPECT_NE(tokenizer.status().message(), "");
      continue;
    }
    std::vector<int32_t> tokens;
    (void)(*tokenizer)->Encode("Some text, größer 123 <|endoftext|>", &tokens);
    for (const int32_t token : tokens) {
      ASSERT_TRUE(token >= 0 && token < (*tokenizer)->vocabulary());
    }
    ++taken;
  }
  EXPECT_LT(taken, 300);
}

}  // namespace
}  // namespace switchyard
