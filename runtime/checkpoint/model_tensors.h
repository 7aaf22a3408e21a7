// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The logical tensors of a model, without the model.
#ifndef SWITCHYARD_RUNTIME_CHECKPOINT_MODEL_TENSORS_H_
#define SWITCHYARD_RUNTIME_CHECKPOINT_MODEL_TENSORS_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "switchyard/base/stream.h"
#include "switchyard/comm/communicator.h"
#include "switchyard/runtime/nn/model_config.h"
#include "switchyard/runtime/nn/parameter.h"

namespace switchyard {

struct ModelTensor {
  std::string name;
  Shape shape;
  const Parameter* parameter = nullptr;  // null: state, such as a router's bias
};

// Of the tensors of a model's layers and experts: what a file that claims to
// hold them must have at least. To be asked before ModelTensors of a config
// from outside, which may claim more of them than memory holds.
int64_t LeastTensorCount(const ModelConfig& config);

class ModelTensors {
 public:
  // `config` is valid.
  explicit ModelTensors(const ModelConfig& config);

  // In the order of their declaration; state follows parameters.
  const std::vector<ModelTensor>& all() const { return all_; }
  // Null if there is none.
  const ModelTensor* Find(const std::string& name) const;

  // Elements [first, first + count) of a parameter's initial value, fp32, into
  // host memory (ParameterStore::Initialize).
  static void InitialValue(Stream& stream, const Parameter& parameter,
                           uint64_t seed, int64_t first, int64_t count,
                           float* values);

 private:
  std::unique_ptr<comm::Communicator> alone_;
  std::unique_ptr<Grid> grid_;
  std::unique_ptr<ParameterStore> store_;
  std::vector<ModelTensor> all_;
  std::map<std::string, size_t> by_name_;
};

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_CHECKPOINT_MODEL_TENSORS_H_
