// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <set>
#include <vector>

#include "absl/strings/str_cat.h"
#include "switchyard/base/check.h"
#include "switchyard/base/nearest_name.h"
#include "switchyard/base/status.h"
#include "switchyard/runtime/checkpoint/hugging_face/convert.h"
#include "switchyard/runtime/checkpoint/hugging_face/tensor_folder.h"
#include "switchyard/runtime/checkpoint/hugging_face/tensor_names.h"
#include "switchyard/runtime/checkpoint/model_tensors.h"
#include "switchyard/runtime/checkpoint/weights_writer.h"

namespace switchyard {
namespace {

// Elements that are on their way at a time.
constexpr int64_t kElementsAtOnce = int64_t{1} << 20;
constexpr char kEmbedding[] = "model.embed_tokens.weight";
constexpr char kHead[] = "lm_head.weight";

using Place = TensorFolder::Place;

absl::Status Error(absl::string_view file, absl::string_view sentence) {
  return absl::InvalidArgumentError(absl::StrCat(
      file, ": ", sentence,
      "; it is not the model that config.json says: get the folder again"));
}

std::string ShapeText(const Shape& shape) { return shape.ToString(); }

bool SameShape(const std::vector<int64_t>& stored, const Shape& shape) {
  if (static_cast<int>(stored.size()) != shape.rank()) return false;
  for (int axis = 0; axis < shape.rank(); ++axis) {
    if (stored[axis] != shape[axis]) return false;
  }
  return true;
}

// Where the tensor stands, if it is what the model wants.
absl::StatusOr<Place> Find(const TensorFolder& folder, const std::string& name,
                           const Shape& shape) {
  const auto found = folder.tensors().find(name);
  if (found == folder.tensors().end()) {
    return Error(folder.path(), absl::StrCat("expected tensor \"", name, "\" ",
                                             ShapeText(shape), ", found none"));
  }
  const Place& place = found->second;
  const StoredType type = place.tensor->type;
  const bool known = type == StoredType::kF32 || type == StoredType::kBF16 ||
                     type == StoredType::kF16;
  if (known && SameShape(place.tensor->shape, shape)) return place;
  return Error(place.file->path(),
               absl::StrCat("expected tensor \"", name,
                            "\" to be F32, BF16 or "
                            "F16 ",
                            ShapeText(shape), ", found ", NameOf(type), " ",
                            place.tensor->ShapeText()));
}

absl::Status CheckNoneLeft(const TensorFolder& folder,
                           const std::set<std::string>& used) {
  for (const auto& [name, place] : folder.tensors()) {
    if (used.count(name) > 0 || IsUnusedInHuggingFace(name)) continue;
    return Error(
        place.file->path(),
        absl::StrCat("expected the tensors of the model alone, found "
                     "\"",
                     Printable(name), "\" ", place.tensor->ShapeText()));
  }
  return absl::OkStatus();
}

absl::Status Copy(const Place& place, DType dtype, WeightsWriter& writer) {
  const StoredTensor& tensor = *place.tensor;
  const int64_t total = tensor.element_count();
  std::vector<char> stored, converted;
  for (int64_t at = 0; at < total; at += kElementsAtOnce) {
    const int64_t count = std::min(kElementsAtOnce, total - at);
    stored.resize(static_cast<size_t>(count * SizeOf(tensor.type)));
    converted.resize(static_cast<size_t>(count) * SizeOf(dtype));
    SWITCHYARD_RETURN_IF_ERROR(
        place.file->Read(tensor, at, count, stored.data()));
    SWITCHYARD_CHECK(ConvertElements(tensor.type, stored.data(), dtype,
                                     converted.data(), count))
        << tensor.name;
    SWITCHYARD_RETURN_IF_ERROR(writer.Append(converted.data(), count));
  }
  return absl::OkStatus();
}

DType OwnDType(StoredType type) {
  return type == StoredType::kBF16 ? DType::kBFloat16 : DType::kFloat32;
}

}  // namespace

absl::StatusOr<ConversionReport> FromHuggingFace(const std::string& from,
                                                 const std::string& to,
                                                 std::optional<DType> dtype,
                                                 const std::string& version) {
  SWITCHYARD_ASSIGN_OR_RETURN(const TensorFolder folder,
                              TensorFolder::Open(from));
  const ModelConfig& model = folder.config().model;
  const auto there = static_cast<int64_t>(folder.tensors().size());
  if (LeastTensorCount(model) > there) {
    return Error(folder.path(),
                 absl::StrCat("expected at least ", LeastTensorCount(model),
                              " tensors, found ", there));
  }
  const ModelTensors wanted(model);
  ConversionReport report;
  report.untied = folder.config().ties_embeddings;
  std::vector<Place> places;
  std::vector<WeightsTensor> tensors;
  std::set<std::string> used;
  for (const ModelTensor& tensor : wanted.all()) {
    const bool copied = report.untied && tensor.name == kHead;
    const std::string name = HuggingFaceName(
        model.family, copied ? std::string(kEmbedding) : tensor.name);
    SWITCHYARD_ASSIGN_OR_RETURN(const Place place,
                                Find(folder, name, tensor.shape));
    const StoredType type = place.tensor->type;
    report.widened |= type == StoredType::kF16 && !dtype.has_value();
    report.parameters += tensor.shape.element_count();
    tensors.push_back(
        {tensor.name, dtype.value_or(OwnDType(type)), tensor.shape});
    places.push_back(place);
    used.insert(name);
  }
  SWITCHYARD_RETURN_IF_ERROR(CheckNoneLeft(folder, used));
  report.tensors = static_cast<int64_t>(tensors.size());
  SWITCHYARD_ASSIGN_OR_RETURN(const auto writer,
                              WeightsWriter::Create(to, tensors));
  for (size_t i = 0; i < places.size(); ++i) {
    SWITCHYARD_RETURN_IF_ERROR(Copy(places[i], tensors[i].dtype, *writer));
  }
  RunRecord run;
  run.version = version;
  run.model = ToJson(model);
  SWITCHYARD_RETURN_IF_ERROR(writer->Finish(run));
  return report;
}

}  // namespace switchyard
