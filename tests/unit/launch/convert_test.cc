// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/launch/commands/convert.h"

#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gtest/gtest.h"
#include "switchyard/tests/support/temporary_folder.h"

namespace switchyard::launch {
namespace {

constexpr char kGolden[] = SWITCHYARD_SOURCE_DIR "/tests/golden/hugging_face/";

std::string Said(const std::vector<std::string>& arguments) {
  const absl::StatusOr<std::string> text = Convert(arguments);
  EXPECT_TRUE(text.ok()) << text.status();
  return text.value_or("");
}

std::string Refusal(const std::vector<std::string>& arguments) {
  return std::string(Convert(arguments).status().message());
}

class ConvertTest : public ::testing::Test {
 protected:
  std::string Path(const char* name) const { return folder_.path() / name; }

  const testing::TemporaryFolder folder_;
};

TEST_F(ConvertTest, ListsItsConversionsAndTheirFlags) {
  const std::string list = Said({});
  EXPECT_EQ(Said({"--help"}), list);
  for (const char* name : {"from-hf", "to-hf", "gqa", "upcycle"}) {
    EXPECT_TRUE(absl::StrContains(list, absl::StrCat("\n  ", name, " ")));
    const std::string page = Said({name, "--help"});
    EXPECT_TRUE(absl::StrContains(page, absl::StrCat("convert ", name, " ")));
    for (absl::string_view line : absl::StrSplit(page, '\n')) {
      EXPECT_LE(line.size(), 80u) << line;
    }
  }
}

TEST_F(ConvertTest, GoesAllTheWay) {
  const std::string llama = absl::StrCat(kGolden, "llama_1");
  EXPECT_EQ(
      Said({"from-hf", llama, Path("in")}),
      absl::StrCat("wrote ", Path("in"), ": 21 tensors, 6992 parameters\n"));
  EXPECT_EQ(Said({"gqa", Path("in"), Path("mqa"), "--kv_heads", "1", "--method",
                  "first"}),
            absl::StrCat("wrote ", Path("mqa"),
                         ": 2 heads of keys and values are 1\n"));
  EXPECT_EQ(
      Said({"upcycle", Path("mqa"), Path("moe"), "--experts", "3", "--top_k=2",
            "--every", "1", "--noise", "0.01"}),
      absl::StrCat("wrote ", Path("moe"), ": 3 experts in every layer\n"));
  const std::string last = Said({"to-hf", Path("moe"), Path("out"), "--dtype",
                                 "bf16", "--shard_bytes", "9000"});
  EXPECT_TRUE(absl::StrContains(last, "files\n")) << last;
  EXPECT_TRUE(
      std::filesystem::exists(Path("out/model.safetensors.index.json")));
}

TEST_F(ConvertTest, SaysWhatChangedOnTheWay) {
  EXPECT_TRUE(absl::StrContains(
      Said({"from-hf", absl::StrCat(kGolden, "llama_2"), Path("half")}),
      "fp16 tensors are fp32 now"));
  EXPECT_TRUE(absl::StrContains(
      Said({"from-hf", absl::StrCat(kGolden, "qwen3_2"), Path("tied")}),
      "the head is now a copy"));
  EXPECT_TRUE(absl::StrContains(Said({"upcycle", Path("half"), Path("switch"),
                                      "--experts", "4", "--top_k", "1"}),
                                "begins worse than the dense one"));
}

TEST_F(ConvertTest, RefusesWhatItDoesNotKnow) {
  EXPECT_TRUE(absl::StrContains(Refusal({"to-fh", "a", "b"}),
                                "found 'to-fh'; the nearest is 'to-hf'"));
  EXPECT_TRUE(absl::StrContains(Refusal({"gqa", "a"}), "found 1"));
  EXPECT_TRUE(absl::StrContains(Refusal({"gqa", "a", "b", "c"}), "found 3"));
  EXPECT_TRUE(
      absl::StrContains(Refusal({"gqa", "a", "b", "--heads", "2"}), "--heads"));
  EXPECT_TRUE(absl::StrContains(
      Refusal({"from-hf", "a", "b", "--dtype", "fp16"}), "fp32, bf16"));
  EXPECT_TRUE(absl::StrContains(
      Refusal({"to-hf", "a", "b", "--shard_bytes", "0"}), "--shard_bytes"));
  EXPECT_TRUE(absl::StrContains(Refusal({"gqa", Path("none"), Path("out")}),
                                "expected a checkpoint"));
  EXPECT_TRUE(absl::StrContains(
      Refusal({"gqa", "a", "b", "--method", "mean", "--seed", "3"}),
      "leave --seed out"));
  EXPECT_FALSE(absl::StrContains(
      Refusal({"gqa", "a", "b", "--method", "random", "--seed", "3"}),
      "--seed"));
}

TEST_F(ConvertTest, NeedsAPlaceToWriteTo) {
  const std::string llama = absl::StrCat(kGolden, "llama_1");
  std::filesystem::create_symlink("nowhere", Path("link"));
  folder_.Write("file", "");
  for (const char* out : {"link", "file"}) {
    EXPECT_TRUE(absl::StrContains(Refusal({"from-hf", llama, Path(out)}),
                                  "which exists; remove it or give another"))
        << out;
  }
  EXPECT_TRUE(absl::StrContains(Refusal({"from-hf", llama, Path("file/x")}),
                                "which is no folder; give another path"));
  EXPECT_TRUE(absl::StrContains(
      Refusal({"gqa", Path("file"), Path("out"), "--kv_heads", "1"}),
      "expected a checkpoint (a folder with manifest.json)"));
}

}  // namespace
}  // namespace switchyard::launch
