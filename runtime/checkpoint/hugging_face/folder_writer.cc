// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/checkpoint/hugging_face/folder_writer.h"

#include <filesystem>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "switchyard/base/check.h"
#include "switchyard/base/status.h"
#include "switchyard/runtime/checkpoint/checkpoint_folder.h"
#include "switchyard/runtime/checkpoint/hugging_face/folder_names.h"
#include "switchyard/runtime/checkpoint/safetensors.h"

namespace switchyard {
namespace {

namespace fs = std::filesystem;

int64_t ByteCount(const WeightsTensor& tensor) {
  return tensor.shape.element_count() *
         static_cast<int64_t>(SizeOf(tensor.dtype));
}

}  // namespace

FolderWriter::FolderWriter(std::string path, std::vector<WeightsTensor> tensors,
                           FileSystem& files)
    : path_(std::move(path)),
      unfinished_(UnfinishedPath(path_)),
      tensors_(std::move(tensors)),
      files_(files) {}

FolderWriter::~FolderWriter() {
  if (begun_ && !finished_) files_.RemoveFolder(unfinished_).IgnoreError();
}

absl::StatusOr<std::unique_ptr<FolderWriter>> FolderWriter::Create(
    const std::string& path, std::vector<WeightsTensor> tensors,
    int64_t shard_bytes, FileSystem& files) {
  SWITCHYARD_RETURN_IF_ERROR(CheckNewFolder(WithoutSlash(path)));
  std::unique_ptr<FolderWriter> writer(
      new FolderWriter(WithoutSlash(path), std::move(tensors), files));
  writer->Divide(shard_bytes);
  SWITCHYARD_RETURN_IF_ERROR(files.RemoveFolder(writer->unfinished_));
  writer->begun_ = true;
  SWITCHYARD_RETURN_IF_ERROR(files.MakeFolder(writer->unfinished_));
  return writer;
}

void FolderWriter::Divide(int64_t shard_bytes) {
  int64_t bytes = 0;
  for (size_t i = 0; i < tensors_.size(); ++i) {
    const int64_t own = ByteCount(tensors_[i]);
    if (shards_.empty() || bytes > shard_bytes - own) {
      shards_.push_back({i, i, kWholeFile});
      bytes = 0;
    }
    bytes += own;
    shards_.back().end = i + 1;
  }
  if (shards_.size() == 1) return;
  for (size_t i = 0; i < shards_.size(); ++i) {
    shards_[i].name = absl::StrFormat("model-%05d-of-%05d.safetensors", i + 1,
                                      shards_.size());
  }
}

absl::Status FolderWriter::BeginShard(const Shard& shard) {
  if (file_ != nullptr) SWITCHYARD_RETURN_IF_ERROR(file_->Sync());
  std::vector<StoredTensor> stored;
  for (size_t i = shard.first; i < shard.end; ++i) {
    const WeightsTensor& tensor = tensors_[i];
    stored.push_back(WholeTensor(tensor.name, tensor.dtype, tensor.shape));
  }
  SWITCHYARD_ASSIGN_OR_RETURN(
      file_, files_.Create(absl::StrCat(unfinished_, "/", shard.name)));
  return file_->Append(MakeSafetensorsHeader({{"format", "pt"}}, &stored));
}

absl::Status FolderWriter::Append(const void* elements, int64_t count) {
  SWITCHYARD_CHECK(tensor_ < tensors_.size() && count >= 0 &&
                   count <= tensors_[tensor_].shape.element_count() - written_)
      << tensor_ << " " << count;
  if (shard_ < shards_.size() && shards_[shard_].first == tensor_ &&
      written_ == 0) {
    SWITCHYARD_RETURN_IF_ERROR(BeginShard(shards_[shard_++]));
  }
  const size_t bytes =
      static_cast<size_t>(count) * SizeOf(tensors_[tensor_].dtype);
  written_ += count;
  if (written_ == tensors_[tensor_].shape.element_count()) {
    ++tensor_;
    written_ = 0;
  }
  return file_->Append({static_cast<const char*>(elements), bytes});
}

std::string FolderWriter::IndexText() const {
  nlohmann::ordered_json json;
  int64_t total = 0;
  for (const WeightsTensor& tensor : tensors_) total += ByteCount(tensor);
  json["metadata"]["total_size"] = total;
  for (const Shard& shard : shards_) {
    for (size_t i = shard.first; i < shard.end; ++i) {
      json["weight_map"][tensors_[i].name] = shard.name;
    }
  }
  return json.dump(2) + "\n";
}

absl::Status FolderWriter::WriteText(const std::string& name,
                                     const std::string& text) {
  SWITCHYARD_ASSIGN_OR_RETURN(
      const std::unique_ptr<NewFile> file,
      files_.Create(absl::StrCat(unfinished_, "/", name)));
  SWITCHYARD_RETURN_IF_ERROR(file->Append(text));
  return file->Sync();
}

absl::Status FolderWriter::Finish(const std::string& config_json) {
  SWITCHYARD_CHECK(tensor_ == tensors_.size() && file_ != nullptr)
      << tensor_ << " of " << tensors_.size();
  SWITCHYARD_RETURN_IF_ERROR(file_->Sync());
  if (shards_.size() > 1) {
    SWITCHYARD_RETURN_IF_ERROR(WriteText(kIndexFile, IndexText()));
  }
  SWITCHYARD_RETURN_IF_ERROR(WriteText(kConfigFile, config_json));
  SWITCHYARD_RETURN_IF_ERROR(files_.SyncFolder(unfinished_));
  SWITCHYARD_RETURN_IF_ERROR(files_.Rename(unfinished_, path_));
  finished_ = true;
  const std::string above = fs::path(path_).parent_path().string();
  return files_.SyncFolder(above.empty() ? "." : above);
}

}  // namespace switchyard
