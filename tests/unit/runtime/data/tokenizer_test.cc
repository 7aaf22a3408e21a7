// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The parts of a tokenizer against plain formulas: UTF-8, merges, patterns,
// added tokens; and random text that must come back.
#include <algorithm>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "switchyard/runtime/data/open_tokenizer.h"
#include "switchyard/runtime/data/tokenizers/bpe_model.h"
#include "switchyard/runtime/data/tokenizers/byte_level.h"
#include "switchyard/runtime/data/tokenizers/normal_form.h"
#include "switchyard/runtime/data/tokenizers/pattern_syntax.h"
#include "switchyard/runtime/data/tokenizers/split_pattern.h"
#include "switchyard/runtime/data/tokenizers/token_trie.h"
#include "switchyard/runtime/data/tokenizers/utf8.h"

namespace switchyard {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string Utf8(uint32_t code) {
  const auto byte = [](uint32_t value) { return static_cast<char>(value); };
  if (code < 0x80) return {byte(code)};
  if (code < 0x800) return {byte(0xC0 | code >> 6), byte(0x80 | (code & 0x3F))};
  if (code < 0x10000) {
    return {byte(0xE0 | code >> 12), byte(0x80 | (code >> 6 & 0x3F)),
            byte(0x80 | (code & 0x3F))};
  }
  return {byte(0xF0 | code >> 18), byte(0x80 | (code >> 12 & 0x3F)),
          byte(0x80 | (code >> 6 & 0x3F)), byte(0x80 | (code & 0x3F))};
}

TEST(Utf8, TakesEveryCharacterAndNothingElse) {
  for (uint32_t code = 0; code < 0x110000; ++code) {
    const std::string text = Utf8(code);
    const bool surrogate = code >= 0xD800 && code < 0xE000;
    ASSERT_EQ(Utf8Prefix(text), surrogate ? 0 : text.size()) << code;
    if (surrogate) continue;
    ASSERT_EQ(CharacterAt(text, 0).code, code);
    ASSERT_EQ(CharacterAt(text, 0).bytes, text.size());
    // What a cut leaves is none.
    ASSERT_EQ(Utf8Prefix(text.substr(0, text.size() - 1)), 0u) << code;
  }
  // Overlong forms, what is above the last, lone parts, missing parts.
  for (const char* bad :
       {"\xC0\x80", "\xC1\xBF", "\xE0\x9F\xBF", "\xF0\x8F\xBF\xBF",
        "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\x80", "\xBF", "\xFF", "\xC3(",
        "\xE2\x82(", "\xF0\x9F\x98("}) {
    const std::string text = absl::StrCat("seven +", bad);
    EXPECT_EQ(Utf8Prefix(text), 7u) << text;
  }
}

TEST(ByteLevel, HasEachByteOnce) {
  std::map<std::string, int> bytes;
  for (uint32_t code = 0; code < 0x400; ++code) {
    const auto found = BytesOfByteLevel(Utf8(code));
    if (found.has_value()) ++bytes[*found];
  }
  EXPECT_EQ(bytes.size(), 256u);
  for (const auto& [byte, count] : bytes) {
    EXPECT_EQ(byte.size(), 1u);
    EXPECT_EQ(count, 1);
  }
  EXPECT_EQ(BytesOfByteLevel("Ġa"), " a");
  EXPECT_EQ(BytesOfByteLevel("Ċ"), "\n");
  EXPECT_EQ(BytesOfByteLevel("Ã¶"), "ö");
  EXPECT_EQ(BytesOfByteLevel("a b"), std::nullopt);
  EXPECT_EQ(BytesOfByteLevel("日"), std::nullopt);
}

// As it is defined: scan for the least rank, join, again.
std::vector<int32_t> PlainMerges(const BpeModel::Parts& parts,
                                 const std::string& word) {
  std::vector<int32_t> tokens;
  for (const char c : word) {
    tokens.push_back(parts.bytes[static_cast<uint8_t>(c)]);
  }
  while (true) {
    int32_t best = INT32_MAX, result = 0;
    size_t where = 0;
    for (size_t i = 0; i + 1 < tokens.size(); ++i) {
      const auto merge =
          parts.merges.find(BpeModel::PairKey(tokens[i], tokens[i + 1]));
      if (merge == parts.merges.end() || merge->second.rank >= best) continue;
      best = merge->second.rank;
      result = merge->second.result;
      where = i;
    }
    if (best == INT32_MAX) return tokens;
    tokens[where] = result;
    tokens.erase(tokens.begin() + static_cast<int64_t>(where) + 1);
  }
}

TEST(BpeModel, JoinsAsTheDefinitionSays) {
  std::mt19937 random(1);
  for (int round = 0; round < 200; ++round) {
    BpeModel::Parts parts;
    for (int i = 0; i < 256; ++i) parts.bytes[i] = i;
    // Merges of random pairs of what there is, in random order of rank.
    std::vector<int32_t> tokens = {'a', 'b', 'c'};
    std::vector<int32_t> ranks(30);
    for (int i = 0; i < 30; ++i) ranks[i] = i;
    std::shuffle(ranks.begin(), ranks.end(), random);
    for (int i = 0; i < 30; ++i) {
      const int32_t left = tokens[random() % tokens.size()];
      const int32_t right = tokens[random() % tokens.size()];
      const bool is_new =
          parts.merges
              .try_emplace(BpeModel::PairKey(left, right),
                           BpeModel::Parts::Merge{ranks[i], 256 + i})
              .second;
      if (is_new) tokens.push_back(256 + i);
    }
    BpeModel model(parts);
    for (int i = 0; i < 50; ++i) {
      std::string word;
      for (uint32_t n = random() % 100 + 1; n > 0; --n) {
        word.push_back("aaabbc"[random() % 6]);
      }
      std::vector<int32_t> actual = {-7};
      model.Encode(word, &actual);
      std::vector<int32_t> expected = PlainMerges(parts, word);
      expected.insert(expected.begin(), -7);
      ASSERT_EQ(actual, expected) << word;
    }
  }
}

// n log n: a million bytes of one word take well under a second; the square of
// that would take hours.
TEST(BpeModel, LongWordsTakeNoLongerThanOthers) {
  BpeModel::Parts parts;
  for (int i = 0; i < 256; ++i) parts.bytes[i] = i;
  for (int i = 0; i < 20; ++i) {
    const int32_t token = i == 0 ? 'a' : 255 + i;
    parts.merges[BpeModel::PairKey(token, token)] = {i, 256 + i};
  }
  BpeModel model(parts);
  std::vector<int32_t> tokens;
  model.Encode(std::string(1 << 20, 'a'), &tokens);
  EXPECT_THAT(tokens, ElementsAre(256 + 19));
}

std::vector<std::string> Pieces(const std::string& pattern,
                                const std::string& text) {
  const auto translated = PatternForPcre2(pattern);
  EXPECT_TRUE(translated.ok()) << translated.status();
  const auto compiled = SplitPattern::Compile(*translated);
  EXPECT_TRUE(compiled.ok()) << compiled.status();
  std::vector<std::string> pieces;
  const absl::Status status =
      compiled->Split(text, [&](absl::string_view piece) {
        pieces.emplace_back(piece);
        return absl::OkStatus();
      });
  EXPECT_TRUE(status.ok()) << status;
  return pieces;
}

TEST(SplitPattern, KeepsMatchesAndWhatIsBetween) {
  EXPECT_THAT(Pieces("b+", "abbcb"), ElementsAre("a", "bb", "c", "b"));
  EXPECT_THAT(Pieces("x", "abc"), ElementsAre("abc"));
  EXPECT_THAT(Pieces("\\p{L}+", "größe 日本"),
              ElementsAre("größe", " ", "日本"));
  EXPECT_THAT(Pieces("(?i:'ll)", "a'LLb"), ElementsAre("a", "'LL", "b"));
  EXPECT_THAT(Pieces("\\p{Han}", "日a、"), ElementsAre("日", "a、"));
  EXPECT_THAT(Pieces(PatternOfText("a.b*"), "xa.b*aabb"),
              ElementsAre("x", "a.b*", "aabb"));
}

// White_Space of the Unicode standard; U+180E is none since version 6.3.
TEST(SplitPattern, SpacesAreUnicodes) {
  for (uint32_t code = 0; code < 0x3100; ++code) {
    const bool space = (code >= 9 && code <= 0xD) || code == ' ' ||
                       code == 0x85 || code == 0xA0 || code == 0x1680 ||
                       (code >= 0x2000 && code <= 0x200A) || code == 0x2028 ||
                       code == 0x2029 || code == 0x202F || code == 0x205F ||
                       code == 0x3000;
    const std::string text = absl::StrCat("x", Utf8(code), "x");
    ASSERT_EQ(Pieces("\\s", text).size(), space ? 3u : 1u) << code;
    ASSERT_EQ(Pieces("[^\\sx]", text).size(), space || code == 'x' ? 1u : 3u)
        << code;
    ASSERT_EQ(Pieces("\\S+", text).size(), space ? 3u : 1u) << code;
  }
}

TEST(SplitPattern, RefusesWhatOthersReadOtherwise) {
  for (const char* pattern :
       {"\\w+",        "\\bx",  "a\\K",     "\\h",    "\\x41",
        "\\1",         "^a",    "a$",       "[a[b]]", "[a&&b]",
        "[[:alpha:]]", "[]a]",  "a{1,3}+",  "a{,3}",  "(?<n>a)",
        "(?P<n>a)",    "(?#c)", "(*VERB)a", "(?R)",   "\\p{Greek1}",
        "\\pL",        "\\p{}", "[\\S]",    "a\\"}) {
    EXPECT_FALSE(PatternForPcre2(pattern).ok()) << pattern;
  }
  for (const char* pattern :
       {"(", "a**", "[b-a]", "\\p{Klingon}", "a*", "a|", "(?=a)", "(?<=a+)b"}) {
    const auto translated = PatternForPcre2(pattern);
    ASSERT_TRUE(translated.ok()) << pattern;
    EXPECT_FALSE(SplitPattern::Compile(*translated).ok()) << pattern;
  }
}

TEST(SplitPattern, EndsSearchesThatTakeTooLong) {
  const auto compiled = SplitPattern::Compile("(x+x+)+y");
  ASSERT_TRUE(compiled.ok());
  const absl::Status status =
      compiled->Split(absl::StrCat(std::string(100, 'x'), "zy"),
                      [](absl::string_view) { return absl::OkStatus(); });
  EXPECT_THAT(std::string(status.message()), HasSubstr("limit exceeded"));
}

TEST(TokenTrie, FindsTheLeftmostAndLongest) {
  TokenTrie trie;
  int32_t token = 0;
  for (const char* text : {"ab", "abcd", "bc", "c"}) trie.Add(text, token++);
  const auto split = [&](absl::string_view text) {
    std::vector<std::string> pieces;
    EXPECT_TRUE(trie.Split(
                        text,
                        [&](absl::string_view piece) {
                          pieces.emplace_back(piece);
                          return absl::OkStatus();
                        },
                        [&](int32_t found) {
                          pieces.push_back(std::to_string(found));
                          return absl::OkStatus();
                        })
                    .ok());
    return pieces;
  };
  EXPECT_THAT(split("abcd"), ElementsAre("1"));
  EXPECT_THAT(split("abcx"), ElementsAre("0", "3", "x"));
  EXPECT_THAT(split("xbcab"), ElementsAre("x", "2", "0"));
  EXPECT_THAT(split("xa"), ElementsAre("xa"));
  EXPECT_THAT(split(""), ElementsAre());
}

std::string NormalForm(const std::string& text) {
  std::string buffer;
  const auto normalized = NormalFormC(text, &buffer);
  EXPECT_TRUE(normalized.ok()) << normalized.status();
  return std::string(*normalized);
}

// Examples of UAX 15 and its neighbours.
TEST(NormalForm, ComposesAndOrders) {
  EXPECT_EQ(NormalForm("plain"), "plain");
  EXPECT_EQ(NormalForm("e\u0301x"
                       "e"),
            "\u00e9x"
            "e");
  EXPECT_EQ(NormalForm("\u212b"), "\u00c5");
  EXPECT_EQ(NormalForm("\u1e9b\u0323"), "\u1e9b\u0323");
  EXPECT_EQ(NormalForm("q\u0307\u0323"), "q\u0323\u0307");
  EXPECT_EQ(NormalForm("\u0958"), "\u0915\u093c");  // excluded
  EXPECT_EQ(NormalForm("\u1112\u1161\u11ab"), "\ud55c");
  EXPECT_EQ(NormalForm("\ud558\u11ab"), "\ud55c");
  EXPECT_EQ(NormalForm("\ufb01"), "\ufb01");  // only compatible
  EXPECT_EQ(NormalForm("\u0301a"), "\u0301a");
  EXPECT_EQ(NormalForm("a\u0301\u4e00e\u0301\u0323"),
            "\u00e1\u4e00\u1eb9\u0301");
}

TEST(NormalForm, RefusesEndlessMarks) {
  std::string text = "a";
  for (int i = 0; i < 3000; ++i) text += i % 2 ? "\xCC\x81" : "\xCC\xA3";
  std::string buffer;
  EXPECT_FALSE(NormalFormC(text, &buffer).ok());
}

TEST(BpeTokenizer, RandomTextComesBack) {
  std::mt19937 random(9);
  for (const char* name : {"llama3", "gpt2"}) {
    auto tokenizer = *OpenTokenizer(std::string(SWITCHYARD_SOURCE_DIR) +
                                    "/tests/golden/tokenizers/" + name);
    for (int round = 0; round < 300; ++round) {
      std::string text;
      for (uint32_t n = random() % 300; n > 0; --n) {
        const uint32_t limits[] = {0x80, 0x80, 0x3000, 0x10000, 0x110000};
        const uint32_t code = random() % limits[random() % 5];
        if (code < 0xD800 || code >= 0xE000) text += Utf8(code);
      }
      std::vector<int32_t> tokens;
      ASSERT_TRUE(tokenizer->Encode(text, &tokens).ok());
      const auto back = tokenizer->Decode(tokens);
      ASSERT_TRUE(back.ok()) << back.status();
      ASSERT_EQ(*back, text);
      int64_t bytes = 0;
      for (const int32_t token : tokens) bytes += tokenizer->TextBytes(token);
      ASSERT_EQ(bytes, static_cast<int64_t>(text.size()));
    }
  }
}

TEST(Tokenizer, RefusesTextThatIsNoUtf8) {
  for (const char* name : {"qwen", "unigram.model"}) {
    auto tokenizer = *OpenTokenizer(std::string(SWITCHYARD_SOURCE_DIR) +
                                    "/tests/golden/tokenizers/" + name);
    std::vector<int32_t> tokens;
    EXPECT_THAT(std::string(tokenizer->Encode("ab\xFF", &tokens).message()),
                HasSubstr("at byte 2"))
        << name;
  }
}

}  // namespace
}  // namespace switchyard
