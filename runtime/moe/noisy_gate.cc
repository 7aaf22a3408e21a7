// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/moe/noisy_gate.h"

#include <string_view>

#include "switchyard/base/philox.h"
#include "switchyard/kernels/elementwise.h"
#include "switchyard/kernels/matmul.h"
#include "switchyard/kernels/noisy_logits.h"

namespace switchyard {
namespace {

std::string WeightName(const std::string& prefix) {
  return prefix + ".gate.noise_weight";
}

}  // namespace

void NoisyGate::Declare(ParameterStore& store, const ModelConfig& config,
                        const std::string& prefix) {
  store.Declare(WeightName(prefix), {config.experts, config.hidden_size},
                ParameterStore::Kind::kRouter, /*init_stddev=*/0.0f);
}

NoisyGate::NoisyGate(const ParameterStore& store, const std::string& prefix)
    : weight_(store.Get(WeightName(prefix))), prefix_(prefix) {}

uint64_t NoisyGate::Key(const Execution& run) const {
  const uint64_t of_step =
      MixKey(MixKey(run.seed, "noisy top-k"), static_cast<uint64_t>(run.step));
  return MixKey(of_step, std::string_view(prefix_));
}

void NoisyGate::AddNoise(const Execution& run, const ConstTensorView& input,
                         const TokenBatch& batch, const TensorView& logits,
                         const TensorView& slope) const {
  const Shape& shape = logits.shape();
  ArenaScope scratch(run.arena);
  const TensorView width = run.New(DType::kFloat32, shape);
  kernels::MatMul(run.stream, {.a = input,
                               .b = weight_.weight,
                               .transpose_b = kernels::Transpose::kYes,
                               .c = width});
  // The noise of the micro-batch's tokens, which the slope replaces.
  kernels::Normal(run.stream,
                  {.key = Key(run),
                   .first_element = batch.micro_batch * shape.element_count(),
                   .y = slope});
  kernels::NoisyLogits(
      run.stream,
      {.noise = slope, .width = width, .logits = logits, .slope = slope});
}

void NoisyGate::Backward(const Execution& run, const ConstTensorView& input,
                         const ConstTensorView& slope,
                         const ConstTensorView& dlogits,
                         const TensorView& dinput) const {
  ArenaScope scratch(run.arena);
  const TensorView dwidth = run.New(DType::kFloat32, slope.shape());
  kernels::NoisyLogitsBackward(
      run.stream, {.slope = slope, .dh = dlogits, .dwidth = dwidth});
  kernels::WeightGradient(run.stream, {.dy = dwidth,
                                       .x = input,
                                       .format = run.format,
                                       .gradients = {&weight_.gradient, 1}});
  kernels::MatMul(
      run.stream,
      {.a = dwidth, .b = weight_.weight, .c = dinput, .accumulate = true});
}

}  // namespace switchyard
