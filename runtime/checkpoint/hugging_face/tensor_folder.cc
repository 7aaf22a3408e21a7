// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/checkpoint/hugging_face/tensor_folder.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "switchyard/base/file.h"
#include "switchyard/base/nearest_name.h"
#include "switchyard/base/status.h"
#include "switchyard/runtime/checkpoint/hugging_face/folder_names.h"
#include "switchyard/runtime/nn/strict_json.h"

namespace switchyard {
namespace {

constexpr size_t kMaxConfigBytes = size_t{1} << 20;
constexpr size_t kMaxIndexBytes = size_t{1} << 26;

absl::Status Error(absl::string_view file, absl::string_view sentence) {
  return absl::InvalidArgumentError(absl::StrCat(
      file, ": ", sentence,
      "; the folder is damaged or no model of Hugging Face: get it again"));
}

bool Exists(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::exists(path, ignored);
}

// A name that cannot lead out of the folder.
bool IsPlainName(const std::string& name) {
  return absl::EndsWith(name, ".safetensors") && name[0] != '.' &&
         std::none_of(name.begin(), name.end(), [](unsigned char c) {
           return c == '/' || c == '\\' || c < 0x20;
         });
}

}  // namespace

std::string TensorFolder::PathOf(absl::string_view name) const {
  return absl::StrCat(path_, "/", name);
}

absl::StatusOr<TensorFolder> TensorFolder::Open(const std::string& path) {
  TensorFolder folder(path);
  SWITCHYARD_RETURN_IF_ERROR(folder.ReadConfig());
  SWITCHYARD_RETURN_IF_ERROR(folder.OpenFiles());
  return folder;
}

absl::Status TensorFolder::ReadConfig() {
  const std::string file = PathOf(kConfigFile);
  const absl::StatusOr<std::string> json = ReadFile(file, kMaxConfigBytes);
  if (!json.ok()) {
    return absl::Status(
        json.status().code(),
        absl::StrCat("expected a folder with config.json and safetensors of "
                     "Hugging Face, but ",
                     json.status().message(), "; give another path"));
  }
  SWITCHYARD_ASSIGN_OR_RETURN(config_, ParseHuggingFaceConfig(*json, file));
  return absl::OkStatus();
}

absl::Status TensorFolder::OpenFiles() {
  const std::string index_file = PathOf(kIndexFile);
  const bool whole = Exists(PathOf(kWholeFile));
  const bool sharded = Exists(index_file);
  if (whole == sharded) {
    return absl::InvalidArgumentError(absl::StrCat(
        path_, ": expected either ", kWholeFile, " or ", kIndexFile,
        " and its files, found ", whole ? "both" : "neither",
        whole ? "; remove one of them"
              : "; older files (pytorch_model.bin) are not read: save the "
                "model again with safe_serialization"));
  }
  if (whole) return AddFile(kWholeFile);
  SWITCHYARD_ASSIGN_OR_RETURN(const Index index, ReadIndex(index_file));
  for (const auto& [name, ignored] : index) {
    SWITCHYARD_RETURN_IF_ERROR(AddFile(name));
  }
  return CheckAgainst(index, index_file);
}

absl::StatusOr<TensorFolder::Index> TensorFolder::ReadIndex(
    const std::string& file) const {
  SWITCHYARD_ASSIGN_OR_RETURN(const std::string text,
                              ReadFile(file, kMaxIndexBytes));
  SWITCHYARD_ASSIGN_OR_RETURN(
      const nlohmann::json json,
      internal::ParseStrictJson(text, file, "an index of safetensors"));
  const auto map = json.find("weight_map");
  if (map == json.end() || !map->is_object() || map->empty()) {
    return Error(file,
                 "expected an object \"weight_map\" with the file of "
                 "each tensor, found none");
  }
  Index index;
  for (const auto& [tensor, value] : map->items()) {
    if (!value.is_string() ||
        !IsPlainName(value.get_ref<const std::string&>())) {
      return Error(
          file, absl::StrCat("expected tensor \"", Printable(tensor),
                             "\" in a file of the same folder whose name ends "
                             "in .safetensors, found ",
                             internal::Shown(value)));
    }
    index[value.get<std::string>()].push_back(tensor);
  }
  return index;
}

absl::Status TensorFolder::AddFile(const std::string& name) {
  SWITCHYARD_ASSIGN_OR_RETURN(SafetensorsFile opened,
                              SafetensorsFile::Open(PathOf(name)));
  files_.push_back(std::make_unique<SafetensorsFile>(std::move(opened)));
  const SafetensorsFile& file = *files_.back();
  for (const StoredTensor& tensor : file.tensors()) {
    const auto [found, added] =
        tensors_.emplace(tensor.name, Place{&file, &tensor});
    if (added) continue;
    return Error(
        path_,
        absl::StrCat("expected tensor \"", Printable(tensor.name),
                     "\" in one file, found it in ", found->second.file->path(),
                     " and in ", file.path()));
  }
  return absl::OkStatus();
}

absl::Status TensorFolder::CheckAgainst(const Index& index,
                                        const std::string& source) {
  size_t named = 0;
  for (const auto& [name, tensors] : index) {
    for (const std::string& tensor : tensors) {
      ++named;
      const auto found = tensors_.find(tensor);
      if (found != tensors_.end() &&
          found->second.file->path() == PathOf(name)) {
        continue;
      }
      return Error(source,
                   absl::StrCat("expected tensor \"", Printable(tensor),
                                "\" in ", name, " as it says, found it ",
                                found == tensors_.end() ? "in no file"
                                                        : "in another file"));
    }
  }
  if (named == tensors_.size()) return absl::OkStatus();
  for (const auto& [tensor, place] : tensors_) {
    bool known = false;
    for (const auto& [name, tensors] : index) {
      known = known || std::find(tensors.begin(), tensors.end(), tensor) !=
                           tensors.end();
    }
    if (known) continue;
    return Error(source, absl::StrCat("expected it to name every tensor, found "
                                      "no \"",
                                      Printable(tensor), "\", which is in ",
                                      place.file->path()));
  }
  return absl::OkStatus();
}

}  // namespace switchyard
