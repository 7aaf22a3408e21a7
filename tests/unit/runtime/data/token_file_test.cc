// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Ready-made streams of tokens, whole and damaged.
#include <unistd.h>

#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "switchyard/runtime/data/flat_token_file.h"
#include "switchyard/runtime/data/open_token_file.h"
#include "switchyard/tests/support/temporary_folder.h"
#include "switchyard/tests/unit/runtime/data/token_files.h"

namespace switchyard {
namespace {

using ::testing::AllOf;
using testing::Bytes;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::LlmcBytes;
using testing::MegatronIndex;
using testing::TemporaryFolder;

absl::StatusOr<std::unique_ptr<TokenFile>> Open(
    const std::string& path, DataFormat format = DataFormat::kAuto,
    int64_t vocabulary = 1 << 20) {
  TokenFileOptions options;
  options.format = format;
  options.vocabulary = vocabulary;
  return OpenTokenFile(path, options);
}

std::string MessageOf(const std::string& path,
                      DataFormat format = DataFormat::kAuto,
                      int64_t vocabulary = 1 << 20) {
  const auto file = Open(path, format, vocabulary);
  EXPECT_FALSE(file.ok());
  return std::string(file.status().message());
}

std::vector<int32_t> All(const TokenFile& file) {
  std::vector<int32_t> tokens(static_cast<size_t>(file.size()), -7);
  const absl::Status status = file.Read(0, file.size(), tokens.data());
  EXPECT_TRUE(status.ok()) << status;
  return tokens;
}

TEST(FlatTokenFile, ReadsEveryTypeAtRandom) {
  const TemporaryFolder folder;
  // More than one buffer of each type.
  constexpr int kTokens = 20000;
  std::vector<int64_t> numbers;
  for (int i = 0; i < kTokens; ++i) numbers.push_back(i * 7 % 128);
  const auto as = [&](auto zero) {
    return Bytes(std::vector<decltype(zero)>(numbers.begin(), numbers.end()));
  };
  const std::pair<TokenType, std::string> files[] = {
      {TokenType::kUint8, as(uint8_t{0})},
      {TokenType::kInt8, as(int8_t{0})},
      {TokenType::kInt16, as(int16_t{0})},
      {TokenType::kInt32, as(int32_t{0})},
      {TokenType::kInt64, as(int64_t{0})},
      {TokenType::kUint16, as(uint16_t{0})},
      {TokenType::kUint32, as(uint32_t{0})},
  };
  for (const auto& [type, bytes] : files) {
    const auto file =
        FlatTokenFile::Open(folder.Write("tokens", bytes), type, 128);
    ASSERT_TRUE(file.ok()) << file.status();
    ASSERT_EQ((*file)->size(), kTokens);
    EXPECT_EQ((*file)->bytes_per_token(), std::nullopt);
    for (const auto& [begin, count] : std::vector<std::pair<int, int>>{
             {0, 0}, {0, 1}, {5, 3}, {kTokens - 1, 1}, {1, kTokens - 1}}) {
      std::vector<int32_t> tokens(static_cast<size_t>(count) + 2, -7);
      ASSERT_TRUE((*file)->Read(begin, count, tokens.data() + 1).ok());
      EXPECT_EQ(tokens.front(), -7);
      EXPECT_EQ(tokens.back(), -7);
      for (int i = 0; i < count; ++i) {
        ASSERT_EQ(tokens[i + 1], (begin + i) * 7 % 128) << begin << " " << i;
      }
    }
  }
}

TEST(FlatTokenFile, RefusesTokensThatAreNone) {
  const TemporaryFolder folder;
  const std::string u16 = folder.Write("a.u16", Bytes<uint16_t>({1, 65535, 2}));
  EXPECT_TRUE(Open(u16, DataFormat::kAuto, 65536).ok());
  EXPECT_THAT(MessageOf(u16, DataFormat::kAuto, 65535),
              AllOf(HasSubstr("vocabulary of 65535, found 65535 as token 1"),
                    HasSubstr(u16)));
  const std::string u32 =
      folder.Write("a.u32", Bytes<uint32_t>({0, 0x80000000u}));
  EXPECT_THAT(MessageOf(u32), HasSubstr("found 2147483648 as token 1"));
  // As if it were 32 bits of a 64-bit number.
  MegatronIndex index;
  index.lengths = {2};
  index.begins = {0};
  index.documents = {0, 1};
  const std::pair<int, std::string> types[] = {
      {5, Bytes<int64_t>({3, (int64_t{1} << 32) + 1})},
      {5, Bytes<int64_t>({3, -2})},
      {4, Bytes<int32_t>({3, -2})},
      {3, Bytes<int16_t>({3, -2})},
      {2, Bytes<int8_t>({3, -2})},
  };
  for (const auto& [type, tokens] : types) {
    index.type = static_cast<uint8_t>(type);
    folder.Write("m.idx", index.Content());
    const std::string message = MessageOf(folder.Write("m.bin", tokens));
    EXPECT_THAT(message, HasSubstr(type == 5 && tokens[12] == 1
                                       ? "found 4294967297 as token 1"
                                       : "found -2 as token 1"));
  }
}

// Of a file that is not checked as a whole, or changes under a run.
TEST(FlatTokenFile, ChecksWhatItReads) {
  const TemporaryFolder folder;
  const std::string path =
      folder.Write("a.u16", Bytes<uint16_t>({1, 2, 3, 4, 500}));
  const auto file = FlatTokenFile::Open(path, TokenType::kUint16, 500);
  ASSERT_TRUE(file.ok());
  std::vector<int32_t> tokens(5);
  EXPECT_TRUE((*file)->Read(0, 4, tokens.data()).ok());
  EXPECT_FALSE((*file)->Read(3, 2, tokens.data()).ok());
  EXPECT_FALSE((*file)->CheckTokens().ok());
  ASSERT_EQ(truncate(path.c_str(), 4), 0);
  EXPECT_TRUE((*file)->Read(0, 2, tokens.data()).ok());
  EXPECT_TRUE(absl::IsDataLoss((*file)->Read(1, 2, tokens.data())));
}

TEST(FlatTokenFile, RefusesPartsOfTokens) {
  const TemporaryFolder folder;
  EXPECT_THAT(MessageOf(folder.Write("a.u16", "abc")),
              HasSubstr("tokens of 2 bytes"));
  EXPECT_THAT(MessageOf(folder.Write("a.u32", "abcdef")),
              HasSubstr("tokens of 4 bytes"));
  EXPECT_THAT(MessageOf(folder.path() / "no.u16"), HasSubstr("No such file"));
  EXPECT_THAT(MessageOf(folder.path(), DataFormat::kU16),
              HasSubstr("not a regular file"));
}

TEST(LlmcFile, ReadsItsTokens) {
  const TemporaryFolder folder;
  const auto file = Open(folder.Write("a.bin", LlmcBytes({5, 50256, 0})));
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_THAT(All(**file), ElementsAre(5, 50256, 0));
}

TEST(LlmcFile, RefusesDamage) {
  const TemporaryFolder folder;
  const std::string good = LlmcBytes({5, 6, 7});
  const auto with = [&](size_t field, int32_t value) {
    std::string bytes = good;
    std::memcpy(bytes.data() + field * 4, &value, sizeof(value));
    return folder.Write("b.bin", bytes);
  };
  const DataFormat llmc = DataFormat::kLlmc;
  EXPECT_THAT(MessageOf(with(0, 20240521), llmc), HasSubstr("magic"));
  EXPECT_THAT(MessageOf(with(1, 2), llmc), HasSubstr("version 1"));
  for (const int32_t count : {2, 4, -1, INT32_MAX, INT32_MIN}) {
    EXPECT_THAT(MessageOf(with(2, count)), HasSubstr("tokens of its header"))
        << count;
  }
  EXPECT_THAT(MessageOf(folder.Write("c.bin", good.substr(0, 1023))),
              HasSubstr("header of 1024 bytes"));
  EXPECT_THAT(MessageOf(folder.Write("c.bin", absl::StrCat(good, "x"))),
              HasSubstr("tokens of its header"));
  EXPECT_THAT(MessageOf(folder.Write("c.bin", ""), llmc), HasSubstr("header"));
}

TEST(MegatronFile, ReadsDocumentsAsOneStream) {
  const TemporaryFolder folder;
  folder.Write("a.bin", Bytes<uint16_t>({5, 6, 7, 8, 9}));
  folder.Write("a.idx", MegatronIndex().Content());
  // However it is named.
  for (const char* name : {"a", "a.bin", "a.idx"}) {
    const auto file = Open(folder.path() / name);
    ASSERT_TRUE(file.ok()) << file.status();
    EXPECT_THAT(All(**file), ElementsAre(5, 6, 7, 8, 9));
  }
  // Modes of the sequences may follow.
  MegatronIndex modes;
  modes.rest = std::string(3, '\0');
  folder.Write("a.idx", modes.Content());
  EXPECT_TRUE(Open(folder.path() / "a").ok());
}

TEST(MegatronFile, RefusesDamage) {
  const TemporaryFolder folder;
  folder.Write("a.bin", Bytes<uint16_t>({5, 6, 7, 8, 9}));
  const auto message = [&](const std::function<void(MegatronIndex*)>& damage) {
    MegatronIndex index;
    damage(&index);
    folder.Write("a.idx", index.Content());
    return MessageOf(folder.path() / "a.idx");
  };
  using Index = MegatronIndex;
  EXPECT_THAT(message([](Index* i) { i->magic[3] = 'X'; }),
              HasSubstr("MMIDIDX"));
  EXPECT_THAT(message([](Index* i) { i->version = 2; }),
              HasSubstr("version 1"));
  for (const int type : {0, 9, 255}) {
    EXPECT_THAT(
        message([&](Index* i) { i->type = static_cast<uint8_t>(type); }),
        HasSubstr("type of tokens"));
  }
  EXPECT_THAT(message([](Index* i) { i->type = 6; }), HasSubstr("fractions"));
  EXPECT_THAT(message([](Index* i) { i->type = 4; }), HasSubstr("sequence 1"));
  // Counts that do not fit, and such whose products of 12 and 8 are, modulo
  // 2^64, those of what does.
  for (const uint64_t count :
       {uint64_t{1}, uint64_t{4}, uint64_t{1} << 61, uint64_t{1} << 62,
        uint64_t{1} << 63, UINT64_MAX, UINT64_MAX / 12 + 2,
        (uint64_t{1} << 62) + 3, (uint64_t{1} << 61) + 3}) {
    EXPECT_THAT(message([&](Index* i) { i->sequence_count = count; }),
                HasSubstr("room for"))
        << count;
    EXPECT_THAT(message([&](Index* i) { i->document_count = count; }),
                HasSubstr("room for"))
        << count;
  }
  EXPECT_THAT(message([](Index* i) { i->lengths[0] = -3; }),
              HasSubstr("lengths of 0 or more"));
  EXPECT_THAT(message([](Index* i) { i->lengths[2] = 3; }),
              HasSubstr("the 10 bytes"));
  EXPECT_THAT(message([](Index* i) { i->lengths[2] = INT32_MAX; }),
              HasSubstr("the 10 bytes"));
  EXPECT_THAT(message([](Index* i) { i->begins[1] = 4; }),
              HasSubstr("sequence 1 at byte 6"));
  EXPECT_THAT(message([](Index* i) { i->begins[0] = -6; }),
              HasSubstr("sequence 0 at byte 0"));
  EXPECT_THAT(message([](Index* i) {
                i->documents = {1, 2, 3};
              }),
              HasSubstr("documents from 0"));
  EXPECT_THAT(message([](Index* i) {
                i->documents = {0, 3, 2};
              }),
              HasSubstr("in order"));
  EXPECT_THAT(message([](Index* i) {
                i->documents = {0, 2, 4};
              }),
              HasSubstr("in order"));
  EXPECT_THAT(message([](Index* i) {
                i->documents = {0, 1, 2};
              }),
              HasSubstr("up to sequence 3"));
  EXPECT_THAT(message([](Index* i) { i->rest.push_back('x'); }),
              HasSubstr("room for"));
  folder.Write("a.idx", MegatronIndex().Content().substr(0, 33));
  EXPECT_THAT(MessageOf(folder.path() / "a"), HasSubstr("34 bytes or more"));
  folder.Write("a.idx", MegatronIndex().Content());
  folder.Write("a.bin", Bytes<uint16_t>({5, 6, 7, 8}));
  EXPECT_THAT(MessageOf(folder.path() / "a"), HasSubstr("the 8 bytes"));
  folder.Write("b.idx", MegatronIndex().Content());
  EXPECT_THAT(MessageOf(folder.path() / "b.idx"), HasSubstr("No such file"));
}

TEST(DataFormat, IsWhatTheFileTells) {
  const TemporaryFolder folder;
  const auto format = [](const std::string& path) {
    const auto found = FormatOfFile(path);
    EXPECT_TRUE(found.ok()) << found.status();
    return found.ok() ? NameOf(*found) : "none";
  };
  EXPECT_STREQ(format(folder.Write("a.txt", "some text")), "text");
  EXPECT_STREQ(format(folder.Write("a", "")), "text");
  EXPECT_STREQ(format(folder.Write("a.u16", "abcd")), "u16");
  EXPECT_STREQ(format(folder.Write("a.u32", "abcd")), "u32");
  EXPECT_STREQ(format(folder.Write("l.bin", LlmcBytes({}))), "llmc");
  EXPECT_STREQ(format(folder.path() / "missing"), "text");
  EXPECT_THAT(
      std::string(
          FormatOfFile(folder.Write("x.bin", "abcd")).status().message()),
      HasSubstr("give --data_format u16, u32 or text"));
  EXPECT_THAT(std::string(FormatOfFile(folder.Write("x.npy", "\x93NUMPY\x01"))
                              .status()
                              .message()),
              HasSubstr("array of NumPy"));
  folder.Write("x.idx", "");
  EXPECT_STREQ(format(folder.path() / "x.bin"), "megatron");
  EXPECT_STREQ(format(folder.path() / "x"), "megatron");
  // What the flag says counts.
  EXPECT_TRUE(Open(folder.Write("y.bin", "abcd"), DataFormat::kU16).ok());
  const auto text = Open(folder.path() / "y.bin", DataFormat::kText);
  ASSERT_TRUE(text.ok());
  EXPECT_EQ((*text)->size(), 4);
}

}  // namespace
}  // namespace switchyard
