// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/nn/parameter.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "switchyard/base/philox.h"
#include "switchyard/kernels/elementwise.h"
#include "switchyard/kernels/norms.h"

namespace switchyard {
namespace {

enum GroupIndex { kDense = 0, kRouterGroup = 1, kExperts = 2 };

ParameterGroup MakeGroup(const char* name, comm::Communicator& ranks,
                         DType dtype) {
  ParameterGroup group;
  group.name = name;
  group.ranks = &ranks;
  group.dtype = dtype;
  return group;
}

}  // namespace

int64_t Parameter::chunk_count() const {
  return (element_count() + kernels::kNormChunk - 1) / kernels::kNormChunk;
}

ParameterStore::ParameterStore(const Grid& grid, DType dtype) : grid_(grid) {
  groups_.push_back(MakeGroup("dense", grid.world(), dtype));
  groups_.push_back(MakeGroup("router", grid.world(), DType::kFloat32));
  groups_.push_back(MakeGroup("experts", grid.expert_data(), dtype));
}

float ParameterStore::InitialDeviation(const Shape& shape, Kind kind,
                                       float declared) const {
  const bool multiplied = kind == Kind::kMatrix || kind == Kind::kRouter;
  if (rule_.scale == 0.0 || !multiplied || shape.rank() != 2 ||
      declared == 0.0f) {
    return declared;
  }
  return static_cast<float>(
      std::sqrt(rule_.scale / static_cast<double>(shape[1])));
}

void ParameterStore::Declare(std::string name, const Shape& shape, Kind kind,
                             float init_stddev, int expert) {
  auto parameter = std::make_unique<Parameter>();
  parameter->name = std::move(name);
  parameter->shape = shape;
  parameter->is_norm = kind == Kind::kNorm;
  parameter->is_bias = kind == Kind::kBias;
  parameter->init_stddev = InitialDeviation(shape, kind, init_stddev);
  parameter->init_cut = rule_.cut;
  parameter->expert = expert;
  parameter->index = static_cast<int>(parameters_.size());
  parameter->first_chunk = chunk_count_;
  parameter->owned = expert < 0 || grid_.OwnsExpert(expert);
  parameter->group = expert >= 0             ? kExperts
                     : kind == Kind::kRouter ? kRouterGroup
                                             : kDense;
  chunk_count_ += parameter->chunk_count();
  element_count_ += parameter->element_count();
  if (parameter->owned) {
    ParameterGroup& group = groups_[parameter->group];
    parameter->group_offset = group.element_count;
    group.element_count += parameter->element_count();
    group.parameters.push_back(parameter.get());
  }
  by_name_.emplace(parameter->name, parameter.get());
  parameters_.push_back(std::move(parameter));
}

void ParameterStore::DeclareState(std::string name, const Shape& shape) {
  auto state = std::make_unique<StateTensor>();
  state->name = std::move(name);
  state->shape = shape;
  states_.push_back(std::move(state));
}

const StateTensor& ParameterStore::GetState(const std::string& name) const {
  const auto found =
      std::find_if(states_.begin(), states_.end(),
                   [&](const auto& state) { return state->name == name; });
  SWITCHYARD_CHECK(found != states_.end() && (*found)->values.defined())
      << name;
  return **found;
}

const Parameter& ParameterStore::Get(const std::string& name) const {
  const auto found = by_name_.find(name);
  SWITCHYARD_CHECK(found != by_name_.end() && found->second->owned &&
                   found->second->weight.defined())
      << name;
  return *found->second;
}

void ParameterStore::Allocate(Device& device, Gradients gradients) {
  const bool has_gradients = gradients != Gradients::kNo;
  const DType sums =
      gradients == Gradients::kFloat32 ? DType::kFloat32 : DType::kInt64;
  const Shape refused_shape = {static_cast<int64_t>(parameters_.size())};
  refused_storage_ = Storage(device, DType::kInt64, refused_shape);
  refused_ = refused_storage_.View(DType::kInt64, refused_shape);
  for (ParameterGroup& group : groups_) {
    const Shape flat = {group.element_count};
    group.weight_storage = Storage(device, group.dtype, flat);
    group.weights = group.weight_storage.View(group.dtype, flat);
    if (!has_gradients) continue;
    group.gradient_storage = Storage(device, sums, flat);
    group.gradients = group.gradient_storage.View(sums, flat);
  }
  for (const std::unique_ptr<StateTensor>& state : states_) {
    state->storage = Storage(device, DType::kFloat32, state->shape);
    state->values = state->storage.View(DType::kFloat32, state->shape);
  }
  for (const std::unique_ptr<Parameter>& parameter : parameters_) {
    if (!parameter->owned) continue;
    const ParameterGroup& group = groups_[parameter->group];
    const int64_t begin = parameter->group_offset;
    const int64_t end = begin + parameter->element_count();
    const auto place = [&](const TensorView& flat) {
      return flat.Rows(begin, end).Reshaped(parameter->shape);
    };
    parameter->weight = place(group.weights);
    if (!has_gradients) continue;
    parameter->gradient.sum = place(group.gradients);
    parameter->gradient.refused =
        refused_.Rows(parameter->index, parameter->index + 1);
  }
}

void ParameterStore::InitialValue(Stream& stream, const Parameter& parameter,
                                  uint64_t seed, int64_t begin,
                                  const TensorView& out) {
  if (parameter.is_norm || parameter.is_bias) {
    kernels::Fill(stream, parameter.is_norm ? 1.0f : 0.0f, out);
    return;
  }
  kernels::NormalArgs args;
  args.key = MixKey(MixKey(seed, "initial value"), parameter.name);
  args.first_element = begin;
  args.stddev = parameter.init_stddev;
  args.cut = parameter.init_cut;
  args.y = out;
  kernels::Normal(stream, args);
}

void ParameterStore::Initialize(Stream& stream, uint64_t seed) {
  // In pieces, so that the fp32 values of a large bf16 matrix need little room.
  constexpr int64_t kPiece = int64_t{1} << 22;
  Storage scratch;
  for (const std::unique_ptr<Parameter>& parameter : parameters_) {
    if (!parameter->owned) continue;
    const int64_t count = parameter->element_count();
    const TensorView flat = parameter->weight.Reshaped({count});
    if (flat.dtype() == DType::kFloat32) {
      InitialValue(stream, *parameter, seed, 0, flat);
      continue;
    }
    if (scratch.byte_count() == 0) {
      scratch = Storage(stream.device(), DType::kFloat32, {kPiece});
    }
    for (int64_t begin = 0; begin < count; begin += kPiece) {
      const int64_t end = std::min(begin + kPiece, count);
      const TensorView values = scratch.View(DType::kFloat32, {end - begin});
      InitialValue(stream, *parameter, seed, begin, values);
      kernels::Cast(stream, values, flat.Rows(begin, end));
    }
  }
  for (const std::unique_ptr<StateTensor>& state : states_) {
    stream.Zero(state->values);
  }
  stream.Wait();
}

void ParameterStore::ZeroGradients(Stream& stream) {
  stream.Zero(refused_);
  for (const ParameterGroup& group : groups_) stream.Zero(group.gradients);
}

ConstTensorView Fused(absl::Span<const Parameter* const> parameters) {
  const Parameter& first = *parameters.front();
  int64_t rows = 0;
  int64_t end = first.group_offset;
  for (const Parameter* parameter : parameters) {
    SWITCHYARD_CHECK(
        parameter->group == first.group && parameter->group_offset == end &&
        parameter->shape.row_element_count() == first.shape.row_element_count())
        << parameter->name << " does not follow in memory";
    rows += parameter->shape[0];
    end += parameter->element_count();
  }
  return ConstTensorView(first.weight.raw(), first.weight.dtype(),
                         {rows, first.shape.row_element_count()});
}

}  // namespace switchyard
