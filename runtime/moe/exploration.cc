// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/moe/exploration.h"

#include "switchyard/base/philox.h"
#include "switchyard/kernels/gumbel_noise.h"
#include "switchyard/kernels/router_jitter.h"

namespace switchyard {
namespace {

int64_t FirstToken(const TokenBatch& batch) {
  return batch.micro_batch * batch.ids.dim(0);
}

}  // namespace

uint64_t Exploration::Key(const Execution& run, const char* purpose) const {
  const uint64_t of_step = MixKey(MixKey(run.seed, std::string_view(purpose)),
                                  static_cast<uint64_t>(run.step));
  return MixKey(of_step, static_cast<uint64_t>(layer_));
}

void Exploration::Jitter(const Execution& run, const TokenBatch& batch,
                         const ConstTensorView& x, const TensorView& y) const {
  kernels::RouterJitter(run.stream, {.x = x,
                                     .y = y,
                                     .eps = options_.router_jitter,
                                     .key = Key(run, "router jitter"),
                                     .first_token = FirstToken(batch)});
}

ConstTensorView Exploration::SelectionNoise(const Execution& run,
                                            const TokenBatch& batch,
                                            int64_t experts) const {
  if (!batch.training || !options_.router_sampling) return ConstTensorView();
  const TensorView noise =
      run.New(DType::kFloat32, {batch.ids.dim(0), experts});
  kernels::GumbelNoise(run.stream, {.noise = noise,
                                    .key = Key(run, "router sampling"),
                                    .first_token = FirstToken(batch)});
  return noise;
}

}  // namespace switchyard
