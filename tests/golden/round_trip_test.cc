// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Folders of Hugging Face that were imported and exported again.
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "gtest/gtest.h"
#include "switchyard/runtime/checkpoint/hugging_face/convert.h"
#include "switchyard/runtime/checkpoint/hugging_face/tensor_folder.h"
#include "switchyard/tests/golden/golden_folder.h"
#include "switchyard/tests/support/checkpoint_run.h"
#include "switchyard/tests/support/temporary_folder.h"

namespace switchyard::testing {
namespace {

struct Stored {
  StoredType type;
  std::vector<int64_t> shape;
  std::string bytes;
};

std::map<std::string, Stored> Read(const std::string& path) {
  std::map<std::string, Stored> tensors;
  const auto folder = TensorFolder::Open(path);
  EXPECT_TRUE(folder.ok()) << folder.status();
  if (!folder.ok()) return tensors;
  for (const auto& [name, place] : folder->tensors()) {
    Stored stored{place.tensor->type, place.tensor->shape, ""};
    stored.bytes.resize(static_cast<size_t>(place.tensor->byte_count()));
    EXPECT_TRUE(place.file
                    ->Read(*place.tensor, 0, place.tensor->element_count(),
                           stored.bytes.data())
                    .ok());
    tensors[name] = stored;
  }
  return tensors;
}

// The value of an IEEE binary16, by its definition.
float HalfValue(uint16_t bits) {
  const int exponent = (bits >> 10) & 31;
  const float fraction = static_cast<float>(bits & 1023) / 1024.0f;
  const float size = exponent == 0 ? std::ldexp(fraction, -14)
                                   : std::ldexp(1.0f + fraction, exponent - 15);
  return (bits & 0x8000) != 0 ? -size : size;
}

std::string Widened(const std::string& halves) {
  std::string bytes;
  for (size_t at = 0; at < halves.size(); at += 2) {
    uint16_t bits;
    std::memcpy(&bits, halves.data() + at, 2);
    const float value = HalfValue(bits);
    bytes.append(reinterpret_cast<const char*>(&value), 4);
  }
  return bytes;
}

class RoundTripTest : public ::testing::TestWithParam<std::string> {
 protected:
  std::string Path(const char* name) const { return folder_.path() / name; }

  const TemporaryFolder folder_;
};

TEST_P(RoundTripTest, GivesTheSameBytes) {
  const GoldenFolder golden(GetParam());
  const auto in =
      FromHuggingFace(golden.path(), Path("in"), std::nullopt, "test");
  ASSERT_TRUE(in.ok()) << in.status();
  // Several files, whatever there were.
  const auto out = ToHuggingFace(Path("in"), Path("out"), std::nullopt, 4000);
  ASSERT_TRUE(out.ok()) << out.status();
  EXPECT_GT(out->files, 2);
  std::map<std::string, Stored> expected = Read(golden.path());
  const std::map<std::string, Stored> actual = Read(Path("out"));
  if (in->untied) {
    expected["lm_head.weight"] = expected["model.embed_tokens.weight"];
  }
  ASSERT_EQ(actual.size(), expected.size());
  EXPECT_EQ(in->tensors, static_cast<int64_t>(expected.size()));
  for (const auto& [name, stored] : expected) {
    ASSERT_EQ(actual.count(name), 1) << name;
    const Stored& again = actual.at(name);
    const bool half = stored.type == StoredType::kF16;
    EXPECT_EQ(again.shape, stored.shape) << name;
    EXPECT_EQ(again.type, half ? StoredType::kF32 : stored.type) << name;
    EXPECT_TRUE(again.bytes == (half ? Widened(stored.bytes) : stored.bytes))
        << name;
  }
  // The exported folder is as good as the first, config included.
  const auto back =
      FromHuggingFace(Path("out"), Path("back"), std::nullopt, "");
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(ToJson(*ModelOf(Path("back"))), ToJson(*ModelOf(Path("in"))));
}

TEST_P(RoundTripTest, OtherTypesAreRoundedOnce) {
  const GoldenFolder golden(GetParam());
  ASSERT_TRUE(
      FromHuggingFace(golden.path(), Path("in"), DType::kBFloat16, "").ok());
  ASSERT_TRUE(
      ToHuggingFace(Path("in"), Path("out"), std::nullopt, 1 << 30).ok());
  ASSERT_TRUE(
      FromHuggingFace(golden.path(), Path("wide"), DType::kFloat32, "").ok());
  ASSERT_TRUE(
      ToHuggingFace(Path("wide"), Path("same"), DType::kBFloat16, 1 << 30)
          .ok());
  const std::map<std::string, Stored> first = Read(Path("out"));
  const std::map<std::string, Stored> second = Read(Path("same"));
  ASSERT_FALSE(first.empty());
  ASSERT_EQ(first.size(), second.size());
  for (const auto& [name, stored] : first) {
    EXPECT_EQ(stored.type, StoredType::kBF16);
    EXPECT_TRUE(stored.bytes == second.at(name).bytes) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Models, RoundTripTest,
                         ::testing::ValuesIn(GoldenNames()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace switchyard::testing
