// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/checkpoint/model_tensors.h"

#include <utility>

#include "switchyard/base/check.h"
#include "switchyard/base/storage.h"
#include "switchyard/comm/self/self_communicator.h"
#include "switchyard/runtime/nn/transformer.h"

namespace switchyard {

int64_t LeastTensorCount(const ModelConfig& config) {
  return config.layers + ExpertLayerCount(config) * config.experts;
}

ModelTensors::ModelTensors(const ModelConfig& config)
    : alone_(comm::NewSelfCommunicator()) {
  absl::StatusOr<Grid> grid =
      Grid::Create(*alone_, 1, static_cast<int>(config.experts));
  SWITCHYARD_CHECK(grid.ok()) << grid.status().message();
  grid_ = std::make_unique<Grid>(*std::move(grid));
  store_ = std::make_unique<ParameterStore>(*grid_, DType::kFloat32);
  Transformer::Declare(*store_, config);
  for (const auto& parameter : store_->parameters()) {
    all_.push_back({parameter->name, parameter->shape, parameter.get()});
  }
  for (const auto& state : store_->states()) {
    all_.push_back({state->name, state->shape, nullptr});
  }
  for (size_t i = 0; i < all_.size(); ++i) by_name_[all_[i].name] = i;
}

const ModelTensor* ModelTensors::Find(const std::string& name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : &all_[found->second];
}

void ModelTensors::InitialValue(Stream& stream, const Parameter& parameter,
                                uint64_t seed, int64_t first, int64_t count,
                                float* values) {
  Storage storage(stream.device(), DType::kFloat32, {count});
  const TensorView view = storage.View(DType::kFloat32, {count});
  ParameterStore::InitialValue(stream, parameter, seed, first, view);
  stream.CopyToHost(values, view);
  stream.Wait();
}

}  // namespace switchyard
