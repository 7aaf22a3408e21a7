// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/generate/utf8_stream.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace switchyard {
namespace {

constexpr char kBad[] = "\xEF\xBF\xBD";

std::string Shown(const std::vector<std::string>& pieces) {
  Utf8Stream stream;
  std::string text;
  for (const std::string& piece : pieces) text += stream.Append(piece);
  return text + stream.Finish();
}

TEST(Utf8StreamTest, CharactersAppearWhenTheyAreWhole) {
  Utf8Stream stream;
  EXPECT_EQ(stream.Append("a\xC3"), "a");
  EXPECT_EQ(stream.Append("\xA9\xF0\x9F"), "\xC3\xA9");
  EXPECT_EQ(stream.Append("\x98"), "");
  EXPECT_EQ(stream.Append("\x80!"), "\xF0\x9F\x98\x80!");
  EXPECT_EQ(stream.Finish(), "");
  EXPECT_EQ(stream.Append("\xE2\x82"), "");
  EXPECT_EQ(stream.Finish(), kBad);
  EXPECT_EQ(stream.Finish(), "");
}

TEST(Utf8StreamTest, ValidTextStaysAsItIsHoweverItIsCut) {
  const std::string text =
      "plain \xC2\x80\xDF\xBF \xE0\xA0\x80 \xED\x9F\xBF \xEE\x80\x80 "
      "\xF0\x90\x80\x80 \xF4\x8F\xBF\xBF";
  std::vector<std::string> bytes;
  for (const char c : text) bytes.emplace_back(1, c);
  EXPECT_EQ(Shown({text}), text);
  EXPECT_EQ(Shown(bytes), text);
}

TEST(Utf8StreamTest, EachPieceThatIsNoCharacterIsReplaced) {
  const std::string bad = kBad;
  EXPECT_EQ(Shown({"\x80"}), bad);
  EXPECT_EQ(Shown({"\xFF\xFE"}), bad + bad);
  EXPECT_EQ(Shown({"\xC0\xAF"}), bad + bad);            // overlong
  EXPECT_EQ(Shown({"\xE0\x9F\xBF"}), bad + bad + bad);  // overlong
  EXPECT_EQ(Shown({"\xED\xA0\x80"}), bad + bad + bad);  // a surrogate
  EXPECT_EQ(Shown({"\xF4\x90\x80\x80"}), bad + bad + bad + bad);
  EXPECT_EQ(Shown({"\xF0\x9F\x98x"}), bad + "x");  // cut short
  EXPECT_EQ(Shown({"\xE2\x82\xC3\xA9"}), bad + "\xC3\xA9");
}

}  // namespace
}  // namespace switchyard
