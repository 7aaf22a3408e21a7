// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/moe/expert_bank.h"

#include "absl/strings/str_cat.h"
#include "switchyard/kernels/matmul.h"
#include "switchyard/runtime/moe/deferred_gradients.h"

namespace switchyard {
namespace {

std::string WeightName(const std::string& prefix, int64_t expert,
                       const char* name) {
  return absl::StrCat(prefix, ".experts.", expert, ".", name, ".weight");
}

// Calls visit(begin, end) for rows of a chunk's segments that follow one
// another.
template <typename Visit>
void ForEachRun(const RoutingChunk& chunk, const Visit& visit) {
  int64_t begin = 0, end = 0;
  for (const kernels::Segment& segment : chunk.segments) {
    if (segment.row != end) {
      if (end > begin) visit(begin, end);
      begin = segment.row;
    }
    end = segment.row + segment.padded_rows;
  }
  if (end > begin) visit(begin, end);
}

}  // namespace

void ExpertBank::Declare(ParameterStore& store, const ModelConfig& config,
                         const std::string& prefix) {
  const int64_t hidden = config.hidden_size;
  const int64_t inner = config.intermediate_size;
  for (int64_t expert = 0; expert < config.experts; ++expert) {
    const auto declare = [&](const char* name, const Shape& shape) {
      store.Declare(WeightName(prefix, expert, name), shape,
                    ParameterStore::Kind::kMatrix, config.initializer_range,
                    static_cast<int>(expert));
    };
    // w3 follows w1, so that both are one matrix of 2 · intermediate rows.
    declare("w1", {inner, hidden});
    if (config.feed_forward.activation.gated) declare("w3", {inner, hidden});
    declare("w2", {hidden, inner});
  }
}

ExpertBank::ExpertBank(const ParameterStore& store, const Grid& grid,
                       const ModelConfig& config, const std::string& prefix)
    : intermediate_(config.intermediate_size),
      activation_(config.feed_forward.activation) {
  for (int own = 0; own < grid.experts_per_rank(); ++own) {
    const int expert = grid.first_expert() + own;
    const Parameter& w1 = store.Get(WeightName(prefix, expert, "w1"));
    const Parameter& w2 = store.Get(WeightName(prefix, expert, "w2"));
    down_weights_.push_back(w2.weight);
    down_gradients_.push_back(w2.gradient);
    gate_up_gradients_.push_back(w1.gradient);
    if (activation_.gated) {
      const Parameter& w3 = store.Get(WeightName(prefix, expert, "w3"));
      gate_up_weights_.push_back(Fused({&w1, &w3}));
      gate_up_gradients_.push_back(w3.gradient);
    } else {
      gate_up_weights_.push_back(w1.weight);
    }
  }
}

ExpertBank::Saved ExpertBank::Begin(const Execution& run,
                                    const Routing& routing,
                                    const ConstTensorView& buffer,
                                    const ExpertDropout& dropout) const {
  const int64_t rows = routing.segment_rows;
  const ConstTensorView input = buffer.Rows(0, rows);
  const TensorView gate_up =
      run.New(input.dtype(), {rows, activation_.InnerWidth(intermediate_)});
  const TensorView act = run.New(input.dtype(), {rows, intermediate_});
  return {input, gate_up, act, dropout};
}

void ExpertBank::Forward(const Execution& run, const RoutingChunk& chunk,
                         const Saved& saved,
                         const TensorView& output_buffer) const {
  const TensorView output = output_buffer.Rows(0, saved.input.dim(0));
  kernels::GroupedMatMul(run.stream, {.x = saved.input,
                                      .weights = gate_up_weights_,
                                      .segments = chunk.segments,
                                      .y = saved.gate_up,
                                      .join_segments = run.join_segments});
  ForEachRun(chunk, [&](int64_t begin, int64_t end) {
    kernels::Activate(run.stream, activation_, saved.gate_up.Rows(begin, end),
                      saved.act.Rows(begin, end));
  });
  saved.dropout.Of(run, chunk).Apply(run, chunk.segments, saved.act);
  kernels::GroupedMatMul(run.stream, {.x = saved.act,
                                      .weights = down_weights_,
                                      .segments = chunk.segments,
                                      .y = output,
                                      .join_segments = run.join_segments});
}

void ExpertBank::BackwardInput(const Execution& run, const RoutingChunk& chunk,
                               const Saved& saved,
                               const ConstTensorView& doutput_buffer,
                               const TensorView& dinput_buffer) const {
  const ConstTensorView doutput = doutput_buffer.Rows(0, saved.act.dim(0));
  const TensorView dinput = dinput_buffer.Rows(0, saved.act.dim(0));
  ArenaScope scratch(run.arena);
  const TensorView dact = run.New(saved.act.dtype(), saved.act.shape());
  kernels::GroupedMatMul(run.stream, {.x = doutput,
                                      .weights = down_weights_,
                                      .transpose_w = kernels::Transpose::kNo,
                                      .segments = chunk.segments,
                                      .y = dact,
                                      .join_segments = run.join_segments});
  run.Poll();
  saved.dropout.Of(run, chunk).Apply(run, chunk.segments, dact);
  ForEachRun(chunk, [&](int64_t begin, int64_t end) {
    const TensorView dgate_up = saved.gate_up.Rows(begin, end);
    kernels::ActivateBackward(run.stream, activation_, dgate_up,
                              dact.Rows(begin, end), dgate_up);
  });
  kernels::GroupedMatMul(run.stream, {.x = saved.gate_up,
                                      .weights = gate_up_weights_,
                                      .transpose_w = kernels::Transpose::kNo,
                                      .segments = chunk.segments,
                                      .y = dinput,
                                      .join_segments = run.join_segments});
  run.Poll();
}

void ExpertBank::BackwardWeights(const Execution& run,
                                 absl::Span<const kernels::Segment> segments,
                                 const Saved& saved,
                                 const ConstTensorView& doutput_buffer) const {
  // Of rows that the caller needs back: not to be put off.
  kernels::GroupedWeightGradient(
      run.stream, {.dy = doutput_buffer.Rows(0, saved.act.dim(0)),
                   .x = saved.act,
                   .segments = segments,
                   .format = run.format,
                   .gradients = down_gradients_,
                   .parameters_per_expert = 1});
  run.Poll();
  const kernels::GroupedWeightGradientArgs gate_up = {
      .dy = saved.gate_up,
      .x = saved.input,
      .segments = segments,
      .format = run.format,
      .gradients = gate_up_gradients_,
      .parameters_per_expert = activation_.gated ? 2 : 1};
  if (run.deferred != nullptr) {
    run.deferred->Add(gate_up);
  } else {
    kernels::GroupedWeightGradient(run.stream, gate_up);
  }
}

}  // namespace switchyard
