// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/checkpoint/conversions/converted_weights.h"

#include <algorithm>
#include <vector>

#include "switchyard/base/check.h"
#include "switchyard/base/status.h"
#include "switchyard/runtime/checkpoint/stored_type.h"
#include "switchyard/runtime/checkpoint/weights_writer.h"

namespace switchyard {
namespace {

constexpr int64_t kElementsAtOnce = int64_t{1} << 20;

}  // namespace

absl::Status WriteConverted(
    const ModelConfig& config, const std::string& version,
    const std::string& to,
    const std::function<DType(const ModelTensor& tensor)>& dtype_of,
    const std::function<absl::Status(const ModelTensor& tensor,
                                     const Append& append)>& make) {
  SWITCHYARD_RETURN_IF_ERROR(Validate(config, "the converted model"));
  const ModelTensors wanted(config);
  std::vector<WeightsTensor> tensors;
  for (const ModelTensor& tensor : wanted.all()) {
    tensors.push_back({tensor.name, dtype_of(tensor), tensor.shape});
  }
  SWITCHYARD_ASSIGN_OR_RETURN(const auto writer,
                              WeightsWriter::Create(to, tensors));
  const Append append = [&](const void* elements, int64_t count) {
    return writer->Append(elements, count);
  };
  for (const ModelTensor& tensor : wanted.all()) {
    SWITCHYARD_RETURN_IF_ERROR(make(tensor, append));
  }
  RunRecord run;
  run.version = version;
  run.model = ToJson(config);
  return writer->Finish(run);
}

absl::Status AppendValues(absl::Span<const float> values, DType dtype,
                          const Append& append) {
  const int64_t count = static_cast<int64_t>(values.size());
  if (dtype == DType::kFloat32) return append(values.data(), count);
  std::vector<char> converted(values.size() * SizeOf(dtype));
  SWITCHYARD_CHECK(ConvertElements(StoredType::kF32, values.data(), dtype,
                                   converted.data(), count))
      << NameOf(dtype);
  return append(converted.data(), count);
}

absl::Status AppendInitialValue(Stream& stream, const Parameter& parameter,
                                uint64_t seed, DType dtype,
                                const Append& append) {
  const int64_t total = parameter.element_count();
  std::vector<float> values;
  for (int64_t at = 0; at < total; at += kElementsAtOnce) {
    const int64_t count = std::min(kElementsAtOnce, total - at);
    values.resize(static_cast<size_t>(count));
    ModelTensors::InitialValue(stream, parameter, seed, at, count,
                               values.data());
    SWITCHYARD_RETURN_IF_ERROR(AppendValues(values, dtype, append));
  }
  return absl::OkStatus();
}

}  // namespace switchyard
