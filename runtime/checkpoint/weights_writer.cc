// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/checkpoint/weights_writer.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "switchyard/base/check.h"
#include "switchyard/base/status.h"
#include "switchyard/runtime/checkpoint/block_checksum.h"
#include "switchyard/runtime/checkpoint/checkpoint_folder.h"
#include "switchyard/runtime/checkpoint/safetensors.h"

namespace switchyard {
namespace {

namespace fs = std::filesystem;

constexpr char kFileName[] = "weights.safetensors";

}  // namespace

WeightsWriter::WeightsWriter(std::string path,
                             std::vector<WeightsTensor> tensors,
                             FileSystem& files)
    : path_(std::move(path)),
      unfinished_(UnfinishedPath(path_)),
      tensors_(std::move(tensors)),
      files_(files) {}

WeightsWriter::~WeightsWriter() {
  if (!finished_ && file_ != nullptr) {
    files_.RemoveFolder(unfinished_).IgnoreError();
  }
}

absl::StatusOr<std::unique_ptr<WeightsWriter>> WeightsWriter::Create(
    const std::string& path, std::vector<WeightsTensor> tensors,
    FileSystem& files) {
  SWITCHYARD_RETURN_IF_ERROR(CheckNewFolder(WithoutSlash(path)));
  std::unique_ptr<WeightsWriter> writer(
      new WeightsWriter(WithoutSlash(path), std::move(tensors), files));
  SWITCHYARD_RETURN_IF_ERROR(writer->Begin());
  return writer;
}

absl::Status WeightsWriter::Begin() {
  std::vector<StoredTensor> stored;
  for (const WeightsTensor& tensor : tensors_) {
    SWITCHYARD_CHECK(tensor.shape.element_count() > 0) << tensor.name;
    stored.push_back(WholeTensor(tensor.name, tensor.dtype, tensor.shape));
    manifest_.tensors[tensor.name] = {
        tensor.dtype, tensor.shape, {{0, 0, tensor.shape.element_count(), {}}}};
  }
  const std::string header = MakeSafetensorsHeader({{"format", "pt"}}, &stored);
  int64_t byte_count = static_cast<int64_t>(header.size());
  for (const StoredTensor& tensor : stored) byte_count += tensor.byte_count();
  manifest_.files = {{kFileName, byte_count, ChecksumOf(header)}};
  SWITCHYARD_RETURN_IF_ERROR(files_.RemoveFolder(unfinished_));
  SWITCHYARD_RETURN_IF_ERROR(files_.MakeFolder(unfinished_));
  SWITCHYARD_ASSIGN_OR_RETURN(
      file_, files_.Create(absl::StrCat(unfinished_, "/", kFileName)));
  return file_->Append(header);
}

absl::Status WeightsWriter::Append(const void* elements, int64_t count) {
  SWITCHYARD_CHECK(tensor_ < tensors_.size() && count >= 0 &&
                   count <= tensors_[tensor_].shape.element_count() - written_)
      << tensor_ << " " << count;
  const WeightsTensor& tensor = tensors_[tensor_];
  const int64_t size = static_cast<int64_t>(SizeOf(tensor.dtype));
  const absl::string_view bytes(static_cast<const char*>(elements),
                                static_cast<size_t>(count * size));
  if (written_ == 0) checksums_ = std::make_unique<BlockChecksums>(size);
  checksums_->Add(bytes);
  written_ += count;
  if (written_ == tensor.shape.element_count()) {
    manifest_.tensors[tensor.name].slices[0].checksums = checksums_->Finish();
    ++tensor_;
    written_ = 0;
  }
  return file_->Append(bytes);
}

absl::Status WeightsWriter::Finish(const RunRecord& run) {
  SWITCHYARD_CHECK(tensor_ == tensors_.size())
      << tensor_ << " of " << tensors_.size();
  SWITCHYARD_RETURN_IF_ERROR(file_->Sync());
  manifest_.run = run;
  SWITCHYARD_ASSIGN_OR_RETURN(
      const std::unique_ptr<NewFile> file,
      files_.Create(absl::StrCat(unfinished_, "/", Manifest::kFileName)));
  SWITCHYARD_RETURN_IF_ERROR(file->Append(ToJson(manifest_)));
  SWITCHYARD_RETURN_IF_ERROR(file->Sync());
  SWITCHYARD_RETURN_IF_ERROR(files_.SyncFolder(unfinished_));
  SWITCHYARD_RETURN_IF_ERROR(files_.Rename(unfinished_, path_));
  finished_ = true;
  const std::string above = fs::path(path_).parent_path().string();
  return files_.SyncFolder(above.empty() ? "." : above);
}

}  // namespace switchyard
