// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The weights of a checkpoint, as the tensors of its model: what conversions
// read. Optimizer moments and other state of a run are left alone.
#ifndef SWITCHYARD_RUNTIME_CHECKPOINT_MODEL_WEIGHTS_H_
#define SWITCHYARD_RUNTIME_CHECKPOINT_MODEL_WEIGHTS_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "switchyard/runtime/checkpoint/checkpoint.h"
#include "switchyard/runtime/checkpoint/model_tensors.h"
#include "switchyard/runtime/nn/model_config.h"

namespace switchyard {

// Which weights of a run whose own dtype is bf16.
enum class WeightsOf {
  kRun,     // those that it computes with
  kMaster,  // the optimizer's in fp32, where there are some
};

// Takes `count` elements of the dtype that was asked for.
using TakeElements =
    std::function<absl::Status(const void* elements, int64_t count)>;

class ModelWeights {
 public:
  // `path`: FindCheckpoint. An error names a tensor that the model has and the
  // checkpoint lacks, or the other way round, or one of another shape or in
  // another type than fp32 and bf16.
  static absl::StatusOr<std::unique_ptr<ModelWeights>> Open(
      const std::string& path, WeightsOf which);

  const std::string& path() const { return checkpoint_.path(); }
  const ModelConfig& config() const { return config_; }
  const ModelTensors& tensors() const { return tensors_; }
  // In which the tensor is stored: fp32 or bf16.
  DType dtype(const std::string& name) const;

  // All elements of a tensor of the model in `dtype`, in pieces, so that little
  // of it is in memory.
  absl::Status Copy(const std::string& name, DType dtype,
                    const TakeElements& take);
  // All of them as fp32.
  absl::StatusOr<std::vector<float>> Read(const std::string& name);

 private:
  ModelWeights(Checkpoint checkpoint, ModelConfig config, WeightsOf which);
  absl::Status CheckTensors() const;
  std::string StoredName(const std::string& name) const;

  Checkpoint checkpoint_;
  const ModelConfig config_;
  const ModelTensors tensors_;
  const WeightsOf which_;
  std::vector<char> stored_, converted_;
};

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_CHECKPOINT_MODEL_WEIGHTS_H_
