// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/checkpoint/model_weights.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "switchyard/base/check.h"
#include "switchyard/base/nearest_name.h"
#include "switchyard/base/status.h"
#include "switchyard/runtime/checkpoint/checkpoint_folder.h"

namespace switchyard {
namespace {

constexpr char kMaster[] = "master/";
// Of a run's tensors, beside its weights.
constexpr const char* kKinds[] = {kMaster, "exp_avg/", "exp_avg_sq/"};

// Elements that are on their way at a time.
constexpr int64_t kElementsAtOnce = int64_t{1} << 20;

std::string WithoutKind(const std::string& name) {
  for (const absl::string_view kind : kKinds) {
    if (absl::StartsWith(name, kind)) return name.substr(kind.size());
  }
  return name;
}

}  // namespace

ModelWeights::ModelWeights(Checkpoint checkpoint, ModelConfig config,
                           WeightsOf which)
    : checkpoint_(std::move(checkpoint)),
      config_(std::move(config)),
      tensors_(config_),
      which_(which) {}

absl::StatusOr<std::unique_ptr<ModelWeights>> ModelWeights::Open(
    const std::string& path, WeightsOf which) {
  SWITCHYARD_ASSIGN_OR_RETURN(const std::string folder, FindCheckpoint(path));
  SWITCHYARD_ASSIGN_OR_RETURN(Checkpoint checkpoint, Checkpoint::Open(folder));
  SWITCHYARD_ASSIGN_OR_RETURN(
      ModelConfig config,
      ParseModelConfig(
          checkpoint.manifest().run.model,
          absl::StrCat(folder, "/", Manifest::kFileName, ", its model")));
  const auto saved = static_cast<int64_t>(checkpoint.manifest().tensors.size());
  if (LeastTensorCount(config) > saved) {
    return absl::InvalidArgumentError(absl::StrCat(
        folder, ": expected at least ", LeastTensorCount(config),
        " tensors of its model, found ", saved,
        "; the checkpoint is not of the model that it names: use another "
        "one"));
  }
  std::unique_ptr<ModelWeights> weights(
      new ModelWeights(std::move(checkpoint), std::move(config), which));
  SWITCHYARD_RETURN_IF_ERROR(weights->CheckTensors());
  return weights;
}

absl::Status ModelWeights::CheckTensors() const {
  const auto error = [&](const std::string& expected,
                         const std::string& found) {
    return absl::InvalidArgumentError(absl::StrCat(
        path(), ": expected ", expected, ", found ", found,
        "; the checkpoint is not of the model that it names: use another "
        "one"));
  };
  for (const ModelTensor& tensor : tensors_.all()) {
    const SavedTensor* saved = checkpoint_.Find(StoredName(tensor.name));
    const std::string wanted =
        absl::StrCat("tensor \"", tensor.name, "\" ", tensor.shape.ToString());
    if (saved == nullptr) return error(wanted, "none");
    if (saved->shape != tensor.shape) {
      return error(wanted, saved->shape.ToString());
    }
    if (saved->dtype != DType::kFloat32 && saved->dtype != DType::kBFloat16) {
      return error(absl::StrCat(wanted, " in fp32 or bf16"),
                   NameOf(saved->dtype));
    }
  }
  for (const auto& [name, saved] : checkpoint_.manifest().tensors) {
    if (tensors_.Find(WithoutKind(name)) != nullptr) continue;
    return error(
        "the tensors of its model alone",
        absl::StrCat("\"", Printable(name), "\" ", saved.shape.ToString()));
  }
  return absl::OkStatus();
}

std::string ModelWeights::StoredName(const std::string& name) const {
  const std::string master = absl::StrCat(kMaster, name);
  const bool use =
      which_ == WeightsOf::kMaster && checkpoint_.Find(master) != nullptr;
  return use ? master : name;
}

DType ModelWeights::dtype(const std::string& name) const {
  const SavedTensor* saved = checkpoint_.Find(StoredName(name));
  SWITCHYARD_CHECK(saved != nullptr) << name;
  return saved->dtype;
}

absl::Status ModelWeights::Copy(const std::string& name, DType dtype,
                                const TakeElements& take) {
  const std::string stored_name = StoredName(name);
  const SavedTensor* saved = checkpoint_.Find(stored_name);
  SWITCHYARD_CHECK(saved != nullptr) << name;
  const int64_t count = saved->shape.element_count();
  for (int64_t at = 0; at < count; at += kElementsAtOnce) {
    const int64_t piece = std::min(kElementsAtOnce, count - at);
    stored_.resize(static_cast<size_t>(piece) * SizeOf(saved->dtype));
    converted_.resize(static_cast<size_t>(piece) * SizeOf(dtype));
    SWITCHYARD_RETURN_IF_ERROR(
        checkpoint_.Read(stored_name, at, piece, stored_.data()));
    SWITCHYARD_CHECK(ConvertElements(StoredTypeOf(saved->dtype), stored_.data(),
                                     dtype, converted_.data(), piece))
        << name;
    SWITCHYARD_RETURN_IF_ERROR(take(converted_.data(), piece));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<float>> ModelWeights::Read(const std::string& name) {
  std::vector<float> values;
  SWITCHYARD_RETURN_IF_ERROR(
      Copy(name, DType::kFloat32, [&](const void* elements, int64_t count) {
        const size_t before = values.size();
        values.resize(before + static_cast<size_t>(count));
        std::memcpy(values.data() + before, elements,
                    static_cast<size_t>(count) * sizeof(float));
        return absl::OkStatus();
      }));
  return values;
}

}  // namespace switchyard
