// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Writes a folder as Hugging Face's from_pretrained reads it, tensor by tensor:
// config.json, and model.safetensors or, above a limit of bytes,
// model-00001-of-00003.safetensors and so on with
// model.safetensors.index.json.
#ifndef SWITCHYARD_RUNTIME_CHECKPOINT_HUGGING_FACE_FOLDER_WRITER_H_
#define SWITCHYARD_RUNTIME_CHECKPOINT_HUGGING_FACE_FOLDER_WRITER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "switchyard/base/file_system.h"
#include "switchyard/runtime/checkpoint/weights_writer.h"

namespace switchyard {

class FolderWriter {
 public:
  // `path` becomes the folder, and must not exist; what is written lies beside
  // it until Finish. A file has at most `shard_bytes` of tensors, or a single
  // larger one.
  static absl::StatusOr<std::unique_ptr<FolderWriter>> Create(
      const std::string& path, std::vector<WeightsTensor> tensors,
      int64_t shard_bytes, FileSystem& files = SystemFiles());
  // Removes what was not finished.
  ~FolderWriter();

  // The next `count` elements of the tensors in their order, row-major, in
  // their dtype. They lie in one tensor.
  absl::Status Append(const void* elements, int64_t count);
  // When all elements were given.
  absl::Status Finish(const std::string& config_json);

  int64_t file_count() const { return static_cast<int64_t>(shards_.size()); }

 private:
  // A range of the tensors that makes a file.
  struct Shard {
    size_t first, end;
    std::string name;
  };

  FolderWriter(std::string path, std::vector<WeightsTensor> tensors,
               FileSystem& files);
  void Divide(int64_t shard_bytes);
  absl::Status BeginShard(const Shard& shard);
  absl::Status WriteText(const std::string& name, const std::string& text);
  std::string IndexText() const;

  const std::string path_;
  const std::string unfinished_;
  const std::vector<WeightsTensor> tensors_;
  FileSystem& files_;
  std::vector<Shard> shards_;
  std::unique_ptr<NewFile> file_;
  size_t shard_ = 0;     // the next one to begin
  size_t tensor_ = 0;    // that is being written
  int64_t written_ = 0;  // its elements
  bool begun_ = false;
  bool finished_ = false;
};

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_CHECKPOINT_HUGGING_FACE_FOLDER_WRITER_H_
