// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/nn/query_key_norm.h"

#include "switchyard/kernels/rms_norm.h"

namespace switchyard {
namespace {

// A part's columns, cut into groups as wide as the weight if there are several.
Shape GroupShape(int64_t tokens, int64_t columns, int64_t width) {
  return columns == width ? Shape{tokens, width}
                          : Shape{tokens, columns / width, width};
}

}  // namespace

void QueryKeyNorm::Declare(ParameterStore& store, const ModelConfig& config,
                           const std::string& prefix) {
  if (config.attention.qk_norm == QkNorm::kNone) return;
  const bool full = config.attention.qk_norm == QkNorm::kFull;
  const auto declare = [&](const char* name, int64_t heads) {
    store.Declare(prefix + name, {config.head_dim * (full ? heads : 1)},
                  ParameterStore::Kind::kNorm, 0.0f);
  };
  declare(".q_norm.weight", config.heads);
  declare(".k_norm.weight", config.kv_heads);
}

QueryKeyNorm::QueryKeyNorm(const ParameterStore& store,
                           const ModelConfig& config, const std::string& prefix)
    : eps_(config.rms_norm_eps) {
  if (config.attention.qk_norm == QkNorm::kNone) return;
  const int64_t queries = config.heads * config.head_dim;
  const int64_t keys = config.kv_heads * config.head_dim;
  query_ = {&store.Get(prefix + ".q_norm.weight"), 0, queries};
  key_ = {&store.Get(prefix + ".k_norm.weight"), queries, queries + keys};
}

ConstTensorView QueryKeyNorm::Groups(const Part& part,
                                     const ConstTensorView& all) const {
  return all.Columns(part.begin, part.end)
      .Reshaped(GroupShape(all.dim(0), part.end - part.begin,
                           part.weight->element_count()));
}
TensorView QueryKeyNorm::Groups(const Part& part, const TensorView& all) const {
  return all.Columns(part.begin, part.end)
      .Reshaped(GroupShape(all.dim(0), part.end - part.begin,
                           part.weight->element_count()));
}

ConstTensorView QueryKeyNorm::NormalizePart(const Execution& run,
                                            const Part& part,
                                            const ConstTensorView& input,
                                            const TensorView& output) const {
  kernels::RmsNormArgs args;
  args.x = Groups(part, input);
  args.weight = part.weight->weight;
  args.eps = eps_;
  args.y = Groups(part, output);
  const Shape& shape = args.x.shape();
  args.inverse_rms =
      run.New(DType::kFloat32,
              shape.rank() == 3 ? Shape{shape[0], shape[1]} : Shape{shape[0]});
  kernels::RmsNorm(run.stream, args);
  return args.inverse_rms;
}

QueryKeyNorm::Saved QueryKeyNorm::Forward(const Execution& run,
                                          const ConstTensorView& input) const {
  Saved saved;
  saved.input = input;
  saved.output = run.New(input.dtype(), input.shape());
  saved.query_inverse_rms = NormalizePart(run, query_, input, saved.output);
  saved.key_inverse_rms = NormalizePart(run, key_, input, saved.output);
  return saved;
}

void QueryKeyNorm::PartBackward(const Execution& run, const Part& part,
                                const ConstTensorView& input,
                                const ConstTensorView& inverse_rms,
                                const TensorView& gradient) const {
  kernels::RmsNormBackwardArgs args;
  args.dy = Groups(part, gradient);
  args.x = Groups(part, input);
  args.weight = part.weight->weight;
  args.inverse_rms = inverse_rms;
  args.dx = Groups(part, gradient);
  args.dweight = run.New(DType::kFloat32, part.weight->shape);
  kernels::RmsNormBackward(run.stream, args);
  kernels::AddToFixedPoint(run.stream, args.dweight, run.format,
                           part.weight->gradient);
}

void QueryKeyNorm::Backward(const Execution& run, const Saved& saved,
                            const TensorView& gradient) const {
  PartBackward(run, query_, saved.input, saved.query_inverse_rms, gradient);
  PartBackward(run, key_, saved.input, saved.key_inverse_rms, gradient);
}

}  // namespace switchyard
