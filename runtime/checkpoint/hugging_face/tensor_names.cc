// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/checkpoint/hugging_face/tensor_names.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace switchyard {
namespace {

constexpr absl::string_view kRoom = ".block_sparse_moe.";

constexpr std::pair<const char*, const char*> kMatrices[] = {
    {".w1.weight", ".gate_proj.weight"},
    {".w3.weight", ".up_proj.weight"},
    {".w2.weight", ".down_proj.weight"},
};

}  // namespace

std::string HuggingFaceName(ModelFamily family, const std::string& name) {
  const size_t room = name.find(kRoom.data(), 0, kRoom.size());
  if (family == ModelFamily::kMixtral || room == std::string::npos) return name;
  const std::string before = name.substr(0, room);
  const std::string after = name.substr(room + kRoom.size());
  for (const auto& [here, there] : kMatrices) {
    absl::string_view matrix = after;
    if (absl::ConsumeSuffix(&matrix, here)) {
      return absl::StrCat(before, ".mlp.", matrix, there);
    }
  }
  return absl::StrCat(before, ".mlp.", after);
}

bool IsUnusedInHuggingFace(const std::string& name) {
  return absl::StartsWith(name, "model.layers.") &&
         absl::EndsWith(name, ".self_attn.rotary_emb.inv_freq");
}

}  // namespace switchyard
