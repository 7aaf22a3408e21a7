// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include <memory>
#include <vector>

#include "switchyard/base/status.h"
#include "switchyard/runtime/checkpoint/hugging_face/config_file.h"
#include "switchyard/runtime/checkpoint/hugging_face/convert.h"
#include "switchyard/runtime/checkpoint/hugging_face/folder_writer.h"
#include "switchyard/runtime/checkpoint/hugging_face/tensor_names.h"
#include "switchyard/runtime/checkpoint/model_weights.h"

namespace switchyard {

absl::StatusOr<ConversionReport> ToHuggingFace(const std::string& from,
                                               const std::string& to,
                                               std::optional<DType> dtype,
                                               int64_t shard_bytes) {
  SWITCHYARD_ASSIGN_OR_RETURN(
      const std::unique_ptr<ModelWeights> weights,
      ModelWeights::Open(from, dtype == DType::kFloat32 ? WeightsOf::kMaster
                                                        : WeightsOf::kRun));
  const ModelConfig& model = weights->config();
  SWITCHYARD_RETURN_IF_ERROR(CheckHuggingFaceClass(model, weights->path()));
  ConversionReport report;
  std::vector<WeightsTensor> tensors;
  for (const ModelTensor& tensor : weights->tensors().all()) {
    tensors.push_back({HuggingFaceName(model.family, tensor.name),
                       dtype.value_or(weights->dtype(tensor.name)),
                       tensor.shape});
    report.parameters += tensor.shape.element_count();
  }
  report.tensors = static_cast<int64_t>(tensors.size());
  SWITCHYARD_ASSIGN_OR_RETURN(const auto writer,
                              FolderWriter::Create(to, tensors, shard_bytes));
  const std::vector<ModelTensor>& all = weights->tensors().all();
  for (size_t i = 0; i < all.size(); ++i) {
    SWITCHYARD_RETURN_IF_ERROR(
        weights->Copy(all[i].name, tensors[i].dtype,
                      [&](const void* elements, int64_t count) {
                        return writer->Append(elements, count);
                      }));
  }
  report.files = writer->file_count();
  // The embedding, which comes first, is in the dtype of a run; a router is
  // always in fp32 there.
  SWITCHYARD_RETURN_IF_ERROR(
      writer->Finish(ToHuggingFaceJson(model, tensors.front().dtype)));
  return report;
}

}  // namespace switchyard
