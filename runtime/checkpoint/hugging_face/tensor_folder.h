// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// A folder as Hugging Face's save_pretrained leaves it, read: config.json, and
// the tensors of model.safetensors or of the files that
// model.safetensors.index.json names. Other files are left alone.
//
// The folder is hostile until it is checked: no file is opened that does not
// lie in it by its name, every tensor stands in one file, and the index and the
// files agree.
#ifndef SWITCHYARD_RUNTIME_CHECKPOINT_HUGGING_FACE_TENSOR_FOLDER_H_
#define SWITCHYARD_RUNTIME_CHECKPOINT_HUGGING_FACE_TENSOR_FOLDER_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "switchyard/runtime/checkpoint/hugging_face/config_file.h"
#include "switchyard/runtime/checkpoint/safetensors.h"

namespace switchyard {

class TensorFolder {
 public:
  // Reads the config and all files' headers. Errors are one sentence that names
  // the file.
  static absl::StatusOr<TensorFolder> Open(const std::string& path);

  struct Place {
    const SafetensorsFile* file;
    const StoredTensor* tensor;
  };

  const std::string& path() const { return path_; }
  const HuggingFaceConfig& config() const { return config_; }
  // By the names that the files have.
  const std::map<std::string, Place>& tensors() const { return tensors_; }

 private:
  explicit TensorFolder(std::string path) : path_(std::move(path)) {}

  absl::Status ReadConfig();
  absl::Status OpenFiles();
  // From file to the tensors that the index says are in it.
  using Index = std::map<std::string, std::vector<std::string>>;
  absl::StatusOr<Index> ReadIndex(const std::string& file) const;
  absl::Status AddFile(const std::string& name);
  absl::Status CheckAgainst(const Index& index, const std::string& source);
  std::string PathOf(absl::string_view name) const;

  std::string path_;
  HuggingFaceConfig config_;
  std::vector<std::unique_ptr<SafetensorsFile>> files_;
  std::map<std::string, Place> tensors_;
};

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_CHECKPOINT_HUGGING_FACE_TENSOR_FOLDER_H_
