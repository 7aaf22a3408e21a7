// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/examples/05_custom_router/cosine_router.h"

#include "switchyard/kernels/elementwise.h"
#include "switchyard/kernels/fixed_point.h"
#include "switchyard/kernels/matmul.h"
#include "switchyard/kernels/rms_norm.h"
#include "switchyard/kernels/router.h"

namespace switchyard::examples {
namespace {

constexpr float kEps = 1e-12f;  // for a vector of zeros

// Rows of equal length, and what the backward pass needs. RMS norm gives a row
// of n numbers the length sqrt(n), times `scale` here.
struct Directions {
  ConstTensorView rows;         // fp32, as those that were normalised
  ConstTensorView scale;        // fp32 [n], all equal
  ConstTensorView inverse_rms;  // fp32 [rows]
};

Directions Normalise(const Execution& run, const ConstTensorView& x,
                     float scale) {
  const TensorView scales = run.New(DType::kFloat32, {x.dim(1)});
  kernels::Fill(run.stream, scale, scales);
  kernels::RmsNormArgs args;
  args.x = x;
  args.weight = scales;
  args.eps = kEps;
  args.y = run.New(DType::kFloat32, x.shape());
  args.inverse_rms = run.New(DType::kFloat32, {x.dim(0)});
  kernels::RmsNorm(run.stream, args);
  return {args.y, scales, args.inverse_rms};
}

// dx from the gradient of the directions of `x`.
void NormaliseBackward(const Execution& run, const ConstTensorView& x,
                       const Directions& directions, const ConstTensorView& dy,
                       const TensorView& dx) {
  kernels::RmsNormBackwardArgs args;
  args.dy = dy;
  args.x = x;
  args.weight = directions.scale;
  args.inverse_rms = directions.inverse_rms;
  args.dx = dx;
  args.dweight = run.New(DType::kFloat32, {x.dim(1)});  // not learned
  kernels::RmsNormBackward(run.stream, args);
}

// Both sides of the product: lengths of sqrt(n) twice, hence 1/n.
Directions OfTokens(const Execution& run, const ConstTensorView& input) {
  const float n = static_cast<float>(input.dim(1));
  return Normalise(run, input, kSharpness / n);
}

Directions OfExperts(const Execution& run, const Parameter& weight) {
  return Normalise(run, weight.weight, 1.0f);
}

}  // namespace

CosineRouter::CosineRouter(const Parameter& weight, int64_t experts_per_token)
    : weight_(weight), experts_per_token_(experts_per_token) {}

RouterOutput CosineRouter::Forward(const Execution& run,
                                   const ConstTensorView& input,
                                   const TokenBatch& batch) const {
  const int64_t tokens = input.dim(0), experts = weight_.shape[0];
  kernels::RouterArgs args;
  args.replayed = batch.replayed;
  args.probabilities = run.New(DType::kFloat32, {tokens, experts});
  args.logsumexp = run.New(DType::kFloat32, {tokens});
  args.experts = run.New(DType::kInt32, {tokens, experts_per_token_});
  args.gates = run.New(DType::kFloat32, {tokens, experts_per_token_});
  // What is made from here on is gone when this returns.
  ArenaScope scratch(run.arena);
  const TensorView logits = run.New(DType::kFloat32, {tokens, experts});
  kernels::MatMul(run.stream, {.a = OfTokens(run, input).rows,
                               .b = OfExperts(run, weight_).rows,
                               .transpose_b = kernels::Transpose::kYes,
                               .c = logits});
  args.logits = logits;
  kernels::Router(run.stream, args);
  return {args.probabilities, args.logsumexp, args.experts, args.gates, {}};
}

void CosineRouter::Backward(const Execution& run, const ConstTensorView& input,
                            const RouterOutput& output,
                            const RouterGradients& gradients,
                            const TensorView& dinput) const {
  ArenaScope scratch(run.arena);
  kernels::RouterBackwardArgs args;
  args.probabilities = output.probabilities;
  args.logsumexp = output.logsumexp;
  args.experts = output.experts;
  args.gates = output.gates;
  args.dgates = gradients.dgates;
  args.valid = gradients.batch.valid;
  args.balance_gradient = gradients.balance_gradient;
  args.z_gradient = gradients.z_gradient;
  args.dlogits = run.New(DType::kFloat32, output.probabilities.shape());
  kernels::RouterBackward(run.stream, args);

  // Made again rather than kept: they are cheap, and memory is not.
  const Directions tokens = OfTokens(run, input);
  const Directions experts = OfExperts(run, weight_);
  const TensorView dtokens = run.New(DType::kFloat32, input.shape());
  kernels::MatMul(run.stream,
                  {.a = args.dlogits, .b = experts.rows, .c = dtokens});
  NormaliseBackward(run, input, tokens, dtokens, dinput);

  const TensorView dexperts = run.New(DType::kFloat32, weight_.shape);
  kernels::MatMul(run.stream, {.a = args.dlogits,
                               .transpose_a = kernels::Transpose::kYes,
                               .b = tokens.rows,
                               .c = dexperts});
  // This micro-batch's gradient of the weight is rounded once and added to a
  // sum of integers, which has no order: that is why no layout changes a bit.
  const TensorView dweight = run.New(DType::kFloat32, weight_.shape);
  NormaliseBackward(run, weight_.weight, experts, dexperts, dweight);
  kernels::AddToFixedPoint(run.stream, dweight, run.format, weight_.gradient);
}

void CosineRouters::Declare(ParameterStore& store, const ModelConfig& config,
                            const std::string& prefix) const {
  store.Declare(prefix + ".gate.weight", {config.experts, config.hidden_size},
                ParameterStore::Kind::kRouter, config.initializer_range);
}

std::unique_ptr<Router> CosineRouters::Make(const ParameterStore& store,
                                            const ModelConfig& config,
                                            const std::string& prefix) const {
  return std::make_unique<CosineRouter>(store.Get(prefix + ".gate.weight"),
                                        config.experts_per_token);
}

}  // namespace switchyard::examples
