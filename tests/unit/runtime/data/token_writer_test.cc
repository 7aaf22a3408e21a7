// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Token files as they are written: the bytes, and that they are whole or not
// there.
#include "switchyard/runtime/data/token_writer.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "switchyard/runtime/data/open_token_file.h"
#include "switchyard/tests/support/temporary_folder.h"
#include "switchyard/tests/unit/runtime/data/token_files.h"

namespace switchyard {
namespace {

using testing::Bytes;
using ::testing::HasSubstr;
using testing::TemporaryFolder;

std::string ContentOf(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

int FilesIn(const TemporaryFolder& folder) {
  return static_cast<int>(
      std::distance(std::filesystem::directory_iterator(folder.path()), {}));
}

// Two documents, [1, 2, 300] and [4], and an empty one between them.
void WriteDocuments(const std::string& path, DataFormat format,
                    int64_t vocabulary) {
  auto writer = TokenWriter::Create(path, format, vocabulary);
  ASSERT_TRUE(writer.ok()) << writer.status();
  ASSERT_TRUE((*writer)->Append({1, 2}).ok());
  ASSERT_TRUE((*writer)->Append({300}).ok());
  ASSERT_TRUE((*writer)->EndDocument().ok());
  ASSERT_TRUE((*writer)->EndDocument().ok());
  ASSERT_TRUE((*writer)->Append({4}).ok());
  ASSERT_TRUE((*writer)->EndDocument().ok());
  for (const std::string& target : (*writer)->paths()) {
    EXPECT_FALSE(std::filesystem::exists(target));
  }
  ASSERT_TRUE((*writer)->Finish().ok());
  EXPECT_EQ((*writer)->tokens(), 4);
}

TEST(TokenWriter, WritesTheBytesOfEachFormat) {
  const TemporaryFolder folder;
  const std::string path = folder.path() / "t";
  const std::string u16 = Bytes<uint16_t>({1, 2, 300, 4});
  WriteDocuments(path + ".u16", DataFormat::kU16, 65536);
  EXPECT_EQ(ContentOf(path + ".u16"), u16);
  WriteDocuments(path + ".u32", DataFormat::kU32, 65537);
  EXPECT_EQ(ContentOf(path + ".u32"), Bytes<uint32_t>({1, 2, 300, 4}));
  WriteDocuments(path + ".llmc", DataFormat::kLlmc, 50257);
  EXPECT_EQ(ContentOf(path + ".llmc"), testing::LlmcBytes({1, 2, 300, 4}));
  testing::MegatronIndex index;
  index.lengths = {3, 0, 1};
  index.begins = {0, 6, 6};
  index.documents = {0, 1, 2, 3};
  WriteDocuments(path, DataFormat::kMegatron, 65499);
  EXPECT_EQ(ContentOf(path + ".bin"), u16);
  EXPECT_EQ(ContentOf(path + ".idx"), index.Content());
  index.type = 4;
  index.begins = {0, 12, 12};
  WriteDocuments(path + "4.bin", DataFormat::kMegatron, 65500);
  EXPECT_EQ(ContentOf(path + "4.bin"), Bytes<int32_t>({1, 2, 300, 4}));
  EXPECT_EQ(ContentOf(path + "4.idx"), index.Content());
  EXPECT_EQ(FilesIn(folder), 7);
}

TEST(TokenWriter, WhatItWritesIsRead) {
  const TemporaryFolder folder;
  for (const DataFormat format : {DataFormat::kU16, DataFormat::kU32,
                                  DataFormat::kLlmc, DataFormat::kMegatron}) {
    const std::string path = folder.path() / NameOf(format);
    WriteDocuments(path, format, 301);
    TokenFileOptions options;
    options.format = format;
    options.vocabulary = 301;
    const auto file = OpenTokenFile(path, options);
    ASSERT_TRUE(file.ok()) << file.status();
    std::vector<int32_t> tokens(4);
    ASSERT_EQ((*file)->size(), 4);
    ASSERT_TRUE((*file)->Read(0, 4, tokens.data()).ok());
    EXPECT_THAT(tokens, ::testing::ElementsAre(1, 2, 300, 4));
  }
}

TEST(TokenWriter, LeavesNothingIfItDoesNotFinish) {
  const TemporaryFolder folder;
  {
    auto writer =
        TokenWriter::Create(folder.path() / "t", DataFormat::kMegatron, 1000);
    ASSERT_TRUE(writer.ok());
    ASSERT_TRUE((*writer)->Append({1, 2}).ok());
    EXPECT_EQ(FilesIn(folder), 1);
  }
  EXPECT_EQ(FilesIn(folder), 0);
}

TEST(TokenWriter, RefusesWithASentence) {
  const TemporaryFolder folder;
  const auto message = [&](const std::string& path, DataFormat format,
                           int64_t vocabulary) {
    return std::string(
        TokenWriter::Create(path, format, vocabulary).status().message());
  };
  const std::string path = folder.path() / "t";
  for (const DataFormat format : {DataFormat::kU16, DataFormat::kLlmc}) {
    EXPECT_THAT(message(path, format, 65537), HasSubstr("at most 65536"));
  }
  const std::string taken = folder.Write("t.idx", "");
  EXPECT_THAT(message(path, DataFormat::kMegatron, 10),
              HasSubstr("t.idx, which exists"));
  EXPECT_THAT(message(taken, DataFormat::kU16, 10), HasSubstr("exists"));
  EXPECT_THAT(message(folder.path() / "no" / "t", DataFormat::kU16, 10),
              HasSubstr("No such file"));
  EXPECT_EQ(FilesIn(folder), 1);
}

}  // namespace
}  // namespace switchyard
