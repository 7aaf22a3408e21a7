// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/tests/support/random_checkpoint.h"

#include "gtest/gtest.h"
#include "switchyard/base/cpu/cpu_device.h"
#include "switchyard/base/status.h"
#include "switchyard/runtime/checkpoint/conversions/converted_weights.h"
#include "switchyard/runtime/checkpoint/model_weights.h"

namespace switchyard::testing {

absl::Status WriteRandomCheckpoint(const ModelConfig& config,
                                   const std::string& path,
                                   const EditWeights& edit, DType dtype) {
  CpuDevice device;
  const auto stream = device.NewStream();
  return WriteConverted(
      config, "test", path, [&](const ModelTensor&) { return dtype; },
      [&](const ModelTensor& tensor, const Append& append) {
        Parameter parameter;
        parameter.name = tensor.name;
        parameter.shape = tensor.shape;
        parameter.init_stddev = 0.3f;
        std::vector<float> values(
            static_cast<size_t>(tensor.shape.element_count()));
        ModelTensors::InitialValue(*stream, parameter, /*seed=*/5, 0,
                                   tensor.shape.element_count(), values.data());
        if (tensor.parameter != nullptr && tensor.parameter->is_norm) {
          for (float& value : values) value += 1.0f;
        }
        if (edit) edit(tensor.name, values);
        return AppendValues(values, dtype, append);
      });
}

std::map<std::string, std::vector<float>> WeightsIn(const std::string& path) {
  std::map<std::string, std::vector<float>> result;
  auto weights = ModelWeights::Open(path, WeightsOf::kRun);
  EXPECT_TRUE(weights.ok()) << weights.status();
  if (!weights.ok()) return result;
  for (const ModelTensor& tensor : (*weights)->tensors().all()) {
    auto values = (*weights)->Read(tensor.name);
    EXPECT_TRUE(values.ok()) << values.status();
    if (values.ok()) result[tensor.name] = *std::move(values);
  }
  return result;
}

}  // namespace switchyard::testing
