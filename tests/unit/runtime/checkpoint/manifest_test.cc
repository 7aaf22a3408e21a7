// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/checkpoint/manifest.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "switchyard/runtime/checkpoint/block_checksum.h"

namespace switchyard::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Manifest Example() {
  Manifest m;
  m.is_training_state = true;
  m.files = {{"rank-00000.safetensors", 1000, 1}, {"b", 2000, 2}};
  m.tensors["w"] = {DType::kFloat32, {3, 4}, {{1, 0, 5, {7}}, {0, 5, 7, {8}}}};
  m.tensors["long"] = {DType::kBFloat16,
                       {kChecksumBlock + 1},
                       {{0, 0, kChecksumBlock + 1, {1, 2}}}};
  m.integers["step"] = 12;
  m.numbers["beta1_power"] = 0.1;
  m.numbers["tiny"] = 4.9406564584124654e-324;
  m.run.version = "1.2.3";
  m.run.model = "{\n  \"a\": \"\\u00e9\"\n}";
  m.run.flags = {{"lr", "0.1"}, {"data", "a,b"}};
  m.run.data_tokens = 99;
  m.run.data_identity = 0xfedcba9876543210;
  m.run.instruction_set = "avx2";
  m.run.arithmetic = 5;
  m.run.ranks = 4;
  m.run.expert_parallel = 2;
  return m;
}

// The text with the checksum that it then needs: what a person could write.
std::string Signed(std::string json) {
  const size_t at = json.find("\"checksum\": \"") + 13;
  json.replace(at, 16, 16, '0');
  return json.replace(at, 16, ChecksumText(ChecksumOf(json)));
}

std::string Message(const std::string& json) {
  const auto manifest = ParseManifest(json, "here");
  if (manifest.ok()) return "accepted";
  EXPECT_THAT(std::string(manifest.status().message()), HasSubstr("here"));
  return std::string(manifest.status().message());
}

std::string Changed(const std::string& from, const std::string& to) {
  const std::string json = ToJson(Example());
  const std::string changed = absl::StrReplaceAll(json, {{from, to}});
  EXPECT_NE(changed, json) << from;
  return Message(Signed(changed));
}

TEST(ManifestTest, ReadsWhatItWrites) {
  const Manifest m = Example();
  const std::string json = ToJson(m);
  const auto read = ParseManifest(json, "here");
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(ToJson(*read), json);
  EXPECT_TRUE(read->is_training_state);
  EXPECT_EQ(read->step(), 12);
  EXPECT_EQ(read->numbers.at("beta1_power"), 0.1);
  EXPECT_EQ(read->numbers.at("tiny"), 4.9406564584124654e-324);
  EXPECT_EQ(read->run.data_identity, m.run.data_identity);
  EXPECT_EQ(read->run.flags, m.run.flags);
  EXPECT_EQ(read->run.model, m.run.model);
  EXPECT_EQ(read->tensor_bytes(), 12 * 4 + (kChecksumBlock + 1) * 2);
  EXPECT_EQ(read->tensors.at("w").slices[1].checksums[0], 8u);
}

TEST(ManifestTest, EveryChangedByteIsFound) {
  const std::string json = ToJson(Example());
  for (size_t i = 0; i < json.size(); ++i) {
    std::string changed = json;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    EXPECT_NE(Message(changed), "accepted") << i << " " << json.substr(i, 20);
  }
  for (size_t i = 0; i < json.size() - 1; i += 7) {
    EXPECT_NE(Message(json.substr(0, i)), "accepted") << i;
  }
}

TEST(ManifestTest, TensorsMustBeComplete) {
  EXPECT_THAT(Changed("\"first\": 5", "\"first\": 4"),
              HasSubstr("elements 4 to 10 twice"));
  EXPECT_THAT(Changed("\"count\": 5,", "\"count\": 4,"),
              HasSubstr("\"w\" once, found elements 4 to 4 missing"));
  EXPECT_THAT(Changed("\"count\": 7,", "\"count\": 6,"),
              HasSubstr("elements 11 to 11 missing"));
  EXPECT_THAT(Changed("\"count\": 5,\n     \"file\": 1,\n     \"first\": 0",
                      "\"count\": 4,\n     \"file\": 1,\n     \"first\": 1"),
              HasSubstr("elements 0 to 0 missing"));
}

TEST(ManifestTest, RefusesWhatLies) {
  EXPECT_THAT(Message("{}"), HasSubstr("format"));
  EXPECT_THAT(Message(""), HasSubstr("empty"));
  EXPECT_THAT(Changed("switchyard checkpoint", "another thing"),
              HasSubstr("found \"another thing\""));
  EXPECT_THAT(Changed("\"version\": 1,", "\"version\": 2,"),
              HasSubstr("expected version 1, found 2"));
  for (const auto& [from, to] :
       std::vector<std::pair<std::string, std::string>>{
           {"\"F32\"", "\"F33\""},
           {"\"F32\"", "4"},
           {"\"count\": 7,", "\"count\": 8,"},
           {"\"count\": 7,", "\"count\": 0,"},
           {"\"count\": 7,", "\"count\": -7,"},
           {"\"count\": 7,", "\"count\": 18446744073709551615,"},
           {"\"first\": 5", "\"first\": 9223372036854775807"},
           {"\"file\": 1", "\"file\": 2"},
           {"\"file\": 1", "\"file\": -1"},
           {"\"shape\": [", "\"shape\": [0,"},
           {"\"shape\": [", "\"shape\": [9223372036854775807,"},
           {"\"shape\": [", "\"shape\": [1,1,1,"},
           {"\"shape\": [", "\"shape\": [1.5,"},
           {"0000000000000008", "000000000000000G"},
           {"0000000000000008", "8"},
           {"\"rank-00000.safetensors\"", "\"../weights\""},
           {"\"rank-00000.safetensors\"", "\"/etc/passwd\""},
           {"\"rank-00000.safetensors\"", "\"\""},
           {"\"rank-00000.safetensors\"", "\".hidden\""},
           {"\"bytes\": 1000", "\"bytes\": -1"},
           {"\"step\": 12", "\"step\": 99999999999999999999"},
           {"\"step\": 12", "\"step\": \"twelve\""},
           {"\"training state\"", "\"half a state\""},
           {"\"training state\"", "\"half a state\""},
           {"\"lr\": \"0.1\"", "\"lr\": 0.1"},
           {"\"checksums\": [", "\"checksums\": [\"0000000000000001\","}}) {
    EXPECT_THAT(Changed(from, to), HasSubstr("expected")) << from << to;
  }
  EXPECT_EQ(Changed("rank-00000", "rank-00001"), "accepted");
}

TEST(ManifestTest, SlicesOfFilesComeTogether) {
  std::map<std::string, SavedTensor> one, two, all;
  one["w"] = {DType::kFloat32, {3, 4}, {{0, 5, 7, {8}}}};
  two["w"] = {DType::kFloat32, {3, 4}, {{0, 0, 5, {7}}}};
  ASSERT_TRUE(AddSlices(SlicesToJson(one), "a", 0, &all).ok());
  ASSERT_TRUE(AddSlices(SlicesToJson(two), "b", 1, &all).ok());
  ASSERT_TRUE(CheckCoverage("here", &all).ok());
  EXPECT_EQ(all["w"].slices[0].file, 1);
  EXPECT_EQ(all["w"].slices[1].file, 0);
  two["w"].dtype = DType::kBFloat16;
  EXPECT_THAT(std::string(AddSlices(SlicesToJson(two), "b", 1, &all).message()),
              HasSubstr("as in other files, fp32 [3, 4], found bf16 [3, 4]"));
  EXPECT_FALSE(AddSlices("[", "b", 1, &all).ok());
}

}  // namespace
}  // namespace switchyard::testing
