// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Folders from outside that are not what they say.
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gtest/gtest.h"
#include "switchyard/runtime/checkpoint/hugging_face/convert.h"
#include "switchyard/runtime/checkpoint/hugging_face/folder_writer.h"
#include "switchyard/runtime/checkpoint/model_tensors.h"
#include "switchyard/tests/support/checkpoint_run.h"
#include "switchyard/tests/support/random_checkpoint.h"
#include "switchyard/tests/support/temporary_folder.h"

namespace switchyard::testing {
namespace {

namespace fs = std::filesystem;

// A small model of save_pretrained in several files.
constexpr char kSharded[] =
    SWITCHYARD_SOURCE_DIR "/tests/golden/hugging_face/mistral_2";
constexpr char kConfig[] = R"({"model_type": "llama", "hidden_size": 16,
  "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2,
  "num_key_value_heads": 1, "vocab_size": 24})";

std::string Text(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

class HuggingFaceFolderTest : public ::testing::Test {
 protected:
  std::string Path(const std::string& name) const {
    return folder_.path() / name;
  }

  // The error of importing `in`; empty if there is none.
  std::string Message() const {
    fs::remove_all(Path("out"));
    return std::string(
        FromHuggingFace(Path("in"), Path("out"), std::nullopt, "")
            .status()
            .message());
  }

  void ExpectMessage(const std::vector<std::string>& parts) const {
    const std::string message = Message();
    for (const std::string& part : parts) {
      EXPECT_TRUE(absl::StrContains(message, part)) << message << " / " << part;
    }
    EXPECT_FALSE(fs::exists(Path("out")));
    EXPECT_FALSE(fs::exists(Path(".unfinished-out")));
  }

  // A fresh copy of the sharded model, with an edited index.
  void CopySharded(
      const std::vector<std::pair<std::string, std::string>>& edits = {}) {
    fs::remove_all(Path("in"));
    fs::copy(kSharded, Path("in"));
    fs::remove(Path("in/expected.safetensors"));
    std::string index = Text(Path("in/model.safetensors.index.json"));
    for (const auto& [from, to] : edits) {
      ASSERT_TRUE(absl::StrContains(index, from)) << from;
      index = absl::StrReplaceAll(index, {{from, to}});
    }
    folder_.Write("in/model.safetensors.index.json", index);
  }

  // A model in one file, its tensors edited.
  void WriteWhole(void (*edit)(std::vector<WeightsTensor>& tensors) = nullptr,
                  const std::string& config = kConfig) {
    fs::remove_all(Path("in"));
    std::vector<WeightsTensor> tensors;
    const ModelTensors model(*ParseModelConfig(kConfig, "test"));
    for (const ModelTensor& tensor : model.all()) {
      tensors.push_back({tensor.name, DType::kFloat32, tensor.shape});
    }
    if (edit != nullptr) edit(tensors);
    auto writer = FolderWriter::Create(Path("in"), tensors, 1 << 30);
    ASSERT_TRUE(writer.ok()) << writer.status();
    const std::vector<char> zeros(1 << 16);
    for (const WeightsTensor& tensor : tensors) {
      ASSERT_TRUE(
          (*writer)->Append(zeros.data(), tensor.shape.element_count()).ok());
    }
    ASSERT_TRUE((*writer)->Finish(config).ok());
  }

  const TemporaryFolder folder_;
};

constexpr char kFirst[] = "model-00001-of-00002.safetensors";
constexpr char kSecond[] = "model-00002-of-00002.safetensors";

TEST_F(HuggingFaceFolderTest, GoodFoldersAreRead) {
  CopySharded();
  EXPECT_EQ(Message(), "");
  WriteWhole();
  EXPECT_EQ(Message(), "");
  EXPECT_EQ(ModelOf(Path("out"))->family, ModelFamily::kLlama);
}

TEST_F(HuggingFaceFolderTest, NoNameLeadsOutOfTheFolder) {
  CopySharded();
  fs::copy(Path(absl::StrCat("in/", kFirst)), Path("evil.safetensors"));
  const std::vector<std::string> names = {"../evil.safetensors",
                                          Path("evil.safetensors"),
                                          "./../evil.safetensors",
                                          "a/../../evil.safetensors",
                                          ".evil.safetensors",
                                          "evil.bin",
                                          "",
                                          "..\\\\evil.safetensors"};
  for (const std::string& name : names) {
    CopySharded({{kFirst, name}});
    ExpectMessage({"index.json", "in a file of the same folder"});
  }
  CopySharded({{absl::StrCat("\"", kFirst, "\""), "7"}});
  ExpectMessage({"index.json", "in a file of the same folder", "found 7"});
}

TEST_F(HuggingFaceFolderTest, IndexAndFilesAgree) {
  CopySharded({{kFirst, "model-00003-of-00002.safetensors"}});
  ExpectMessage({"model-00003-of-00002.safetensors"});
  CopySharded();
  fs::remove(Path(absl::StrCat("in/", kSecond)));
  ExpectMessage({kSecond});
  CopySharded({{"\"model.norm.weight\"", "\"model.norm.weights\""}});
  ExpectMessage({"tensor \"model.norm.weights\"", "found it in no file"});
  CopySharded();
  fs::copy_file(Path(absl::StrCat("in/", kFirst)),
                Path(absl::StrCat("in/", kSecond)),
                fs::copy_options::overwrite_existing);
  ExpectMessage({"in one file, found it in", kFirst, kSecond});
  CopySharded({{absl::StrCat("\"lm_head.weight\": \"", kSecond, "\""),
                absl::StrCat("\"lm_head.weight\": \"", kFirst, "\"")}});
  ExpectMessage({"tensor \"lm_head.weight\"", "found it in another file"});
  CopySharded({{absl::StrCat("\"lm_head.weight\": \"", kSecond, "\","), ""}});
  ExpectMessage({"it to name every tensor", "\"lm_head.weight\""});
  CopySharded({{"\"weight_map\"", "\"weights\""}});
  ExpectMessage({"an object \"weight_map\""});
}

TEST_F(HuggingFaceFolderTest, ThereIsOneSetOfFiles) {
  CopySharded();
  fs::copy(Path(absl::StrCat("in/", kFirst)), Path("in/model.safetensors"));
  ExpectMessage({"found both"});
  WriteWhole();
  fs::remove(Path("in/model.safetensors"));
  ExpectMessage({"found neither", "pytorch_model.bin"});
  fs::remove(Path("in/config.json"));
  ExpectMessage({"config.json", "give another path"});
}

TEST_F(HuggingFaceFolderTest, EveryTensorIsAccountedFor) {
  WriteWhole([](auto& tensors) { tensors.erase(tensors.begin() + 3); });
  ExpectMessage({"tensor \"model.layers.0.self_attn.k_proj.weight\" [8, 16]",
                 "found none"});
  WriteWhole([](auto& tensors) {
    tensors.push_back({"model.layers.1.extra.weight", DType::kFloat32, {3}});
  });
  ExpectMessage({"found \"model.layers.1.extra.weight\" [3]"});
  WriteWhole([](auto& tensors) { tensors[3].shape = {16, 8}; });
  ExpectMessage({"k_proj.weight\" to be", "[8, 16]", "F32 [16, 8]"});
  WriteWhole([](auto& tensors) { tensors[3].dtype = DType::kInt32; });
  ExpectMessage({"k_proj.weight\" to be F32, BF16 or F16", "found I32"});
  WriteWhole(nullptr,
             absl::StrReplaceAll(kConfig, {{"\"num_hidden_layers\": 1",
                                            "\"num_hidden_layers\": 1000"}}));
  ExpectMessage({"at least 1000 tensors, found 12"});
  // What older Llamas have beside their weights.
  WriteWhole([](auto& tensors) {
    tensors.push_back(
        {"model.layers.0.self_attn.rotary_emb.inv_freq", DType::kFloat32, {4}});
  });
  EXPECT_EQ(Message(), "");
}

TEST_F(HuggingFaceFolderTest, ATiedHeadIsCopiedAndNotRead) {
  const std::string tied =
      absl::StrReplaceAll(kConfig, {{"\"vocab_size\"",
                                     "\"tie_word_embeddings\": true, "
                                     "\"vocab_size\""}});
  const auto without_head = [](std::vector<WeightsTensor>& tensors) {
    ASSERT_EQ(tensors.back().name, "lm_head.weight");
    tensors.pop_back();
  };
  WriteWhole(without_head, tied);
  EXPECT_EQ(Message(), "");
  EXPECT_EQ(WeightsIn(Path("out")).count("lm_head.weight"), 1u);
  WriteWhole(without_head);
  ExpectMessage({"tensor \"lm_head.weight\"", "found none"});
  WriteWhole(nullptr, tied);
  ExpectMessage({"found \"lm_head.weight\""});
}

TEST_F(HuggingFaceFolderTest, NothingIsOverwritten) {
  WriteWhole();
  EXPECT_EQ(Message(), "");
  const auto again = FromHuggingFace(Path("in"), Path("out"), {}, "");
  EXPECT_TRUE(absl::StrContains(again.status().message(), "which exists"));
  const auto back = ToHuggingFace(Path("out"), Path("in"), {}, 1 << 30);
  EXPECT_TRUE(absl::StrContains(back.status().message(), "which exists"));
}

}  // namespace
}  // namespace switchyard::testing
