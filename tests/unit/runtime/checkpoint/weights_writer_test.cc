// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/checkpoint/weights_writer.h"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <numeric>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "switchyard/runtime/checkpoint/block_checksum.h"
#include "switchyard/runtime/checkpoint/checkpoint.h"
#include "switchyard/tests/support/temporary_folder.h"

namespace switchyard::testing {
namespace {

// More than a block, in pieces of any size.
TEST(WeightsWriterTest, WhatIsWrittenIsReadInAnyPieces) {
  const TemporaryFolder folder;
  const std::string path = folder.path() / "weights";
  const int64_t rows = kChecksumBlock / 512 + 3;
  auto writer = WeightsWriter::Create(
      path, {{"b", DType::kFloat32, {rows, 512}}, {"a", DType::kFloat32, {3}}});
  ASSERT_TRUE(writer.ok()) << writer.status();
  std::vector<float> values(rows * 512);
  std::iota(values.begin(), values.end(), 0.0f);
  const int64_t count = static_cast<int64_t>(values.size());
  for (int64_t at = 0; at < count;) {
    const int64_t piece =
        std::min<int64_t>(count - at, at % 7 == 0 ? 1 : 90001);
    ASSERT_TRUE((*writer)->Append(values.data() + at, piece).ok());
    at += piece;
  }
  const float last[] = {-1, -2, -3};
  ASSERT_TRUE((*writer)->Append(last, 3).ok());
  EXPECT_FALSE(std::filesystem::exists(path));
  RunRecord run;
  run.model = "{}";
  ASSERT_TRUE((*writer)->Finish(run).ok());

  auto checkpoint = Checkpoint::Open(path);
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  EXPECT_FALSE(checkpoint->manifest().is_training_state);
  EXPECT_EQ(checkpoint->manifest().run.model, "{}");
  EXPECT_TRUE(checkpoint->Verify(nullptr).ok());
  for (const int64_t first : {int64_t{0}, int64_t{5}, kChecksumBlock - 1}) {
    std::vector<float> read(kChecksumBlock / 2);
    const int64_t length =
        std::min<int64_t>(static_cast<int64_t>(read.size()), count - first);
    ASSERT_TRUE(checkpoint->Read("b", first, length, read.data()).ok());
    EXPECT_TRUE(std::equal(read.begin(), read.begin() + length,
                           values.begin() + first));
  }
  float a = 0;
  ASSERT_TRUE(checkpoint->Read("a", 2, 1, &a).ok());
  EXPECT_EQ(a, -3.0f);
}

TEST(WeightsWriterTest, LeavesNothingUnlessFinished) {
  const TemporaryFolder folder;
  const std::string path = folder.path() / "weights";
  {
    auto writer = WeightsWriter::Create(path, {{"a", DType::kFloat32, {3}}});
    ASSERT_TRUE(writer.ok()) << writer.status();
    EXPECT_FALSE(std::filesystem::is_empty(folder.path()));
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
  folder.Write("weights", "");
  EXPECT_NE(
      WeightsWriter::Create(path, {}).status().message().find("which exists"),
      absl::string_view::npos);
}

}  // namespace
}  // namespace switchyard::testing
