// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/tests/golden/golden_folder.h"

#include <algorithm>
#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "switchyard/base/check.h"

namespace switchyard::testing {
namespace {

const char kFolders[] = SWITCHYARD_SOURCE_DIR "/tests/golden/hugging_face/";

SafetensorsFile OpenOrDie(const std::string& path) {
  absl::StatusOr<SafetensorsFile> file = SafetensorsFile::Open(path);
  SWITCHYARD_CHECK(file.ok()) << file.status().message();
  return *std::move(file);
}

}  // namespace

std::vector<std::string> GoldenNames() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(kFolders)) {
    if (entry.is_directory()) names.push_back(entry.path().filename());
  }
  std::sort(names.begin(), names.end());
  return names;
}

GoldenFolder::GoldenFolder(const std::string& name)
    : path_(absl::StrCat(kFolders, name)),
      file_(OpenOrDie(absl::StrCat(path_, "/expected.safetensors"))) {}

bool GoldenFolder::Has(const std::string& tensor) const {
  return file_.Find(tensor) != nullptr;
}

std::vector<double> GoldenFolder::Values(const std::string& tensor) const {
  const StoredTensor* place = file_.Find(tensor);
  SWITCHYARD_CHECK(place != nullptr) << tensor;
  const int64_t count = place->element_count();
  std::vector<double> values;
  if (place->type == StoredType::kI64) {
    std::vector<int64_t> stored(static_cast<size_t>(count));
    SWITCHYARD_CHECK(file_.Read(*place, 0, count, stored.data()).ok());
    for (const int64_t value : stored) {
      values.push_back(static_cast<double>(value));
    }
    return values;
  }
  SWITCHYARD_CHECK(place->type == StoredType::kF32) << tensor;
  std::vector<float> stored(static_cast<size_t>(count));
  SWITCHYARD_CHECK(file_.Read(*place, 0, count, stored.data()).ok());
  values.assign(stored.begin(), stored.end());
  return values;
}

std::vector<int32_t> GoldenFolder::Integers(const std::string& tensor) const {
  std::vector<int32_t> integers;
  for (const double value : Values(tensor)) {
    integers.push_back(static_cast<int32_t>(value));
  }
  return integers;
}

std::vector<std::string> GoldenFolder::Names(const std::string& prefix) const {
  std::vector<std::string> names;
  for (const StoredTensor& tensor : file_.tensors()) {
    if (absl::StartsWith(tensor.name, prefix)) {
      names.push_back(tensor.name.substr(prefix.size()));
    }
  }
  return names;
}

Batch GoldenFolder::MakeBatch() const {
  const StoredTensor* ids = file_.Find("ids");
  SWITCHYARD_CHECK(ids != nullptr && ids->shape.size() == 2) << path_;
  Batch batch;
  batch.sequences = ids->shape[0];
  batch.sequence_length = ids->shape[1];
  batch.ids = Integers("ids");
  batch.labels = Integers("labels");
  batch.valid.assign(batch.ids.size(), 1);
  for (int64_t i = 0; i < batch.sequences; ++i) {
    batch.sequence_index.push_back(i);
  }
  return batch;
}

}  // namespace switchyard::testing
