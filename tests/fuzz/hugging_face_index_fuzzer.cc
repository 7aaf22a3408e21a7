// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "switchyard/runtime/checkpoint/hugging_face/folder_names.h"
#include "switchyard/runtime/checkpoint/hugging_face/tensor_folder.h"
#include "switchyard/runtime/checkpoint/safetensors.h"
#include "switchyard/tests/fuzz/scratch_folder.h"

namespace {

constexpr char kConfig[] = R"({"model_type": "llama", "hidden_size": 16,
 "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2,
 "num_key_value_heads": 1, "vocab_size": 8, "rope_theta": 10000.0,
 "rms_norm_eps": 1e-5, "max_position_embeddings": 16})";

// A folder of one file with the tensors "a" and "b", but for its index.
const switchyard::testing::ScratchFolder& Folder() {
  static const auto* folder = [] {
    auto* made = new switchyard::testing::ScratchFolder;
    made->Write(switchyard::kConfigFile, kConfig);
    std::vector<switchyard::StoredTensor> tensors(2);
    tensors[0].name = "a";
    tensors[1].name = "b";
    for (switchyard::StoredTensor& tensor : tensors) tensor.shape = {2};
    made->Write("x.safetensors",
                switchyard::MakeSafetensorsHeader({}, &tensors) +
                    std::string(16, '\0'));
    return made;
  }();
  return *folder;
}

}  // namespace

// What is accepted has every tensor, in a file of the folder.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  Folder().Write(switchyard::kIndexFile,
                 {reinterpret_cast<const char*>(bytes), size});
  const auto folder = switchyard::TensorFolder::Open(Folder().path());
  if (!folder.ok()) return 0;
  if (folder->tensors().size() != 2 || folder->tensors().count("a") == 0 ||
      folder->tensors().at("b").file->path().find(Folder().path()) != 0) {
    std::abort();
  }
  return 0;
}
