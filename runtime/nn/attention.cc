// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/nn/attention.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "switchyard/kernels/attention.h"
#include "switchyard/kernels/matmul.h"
#include "switchyard/kernels/rotary_embedding.h"

namespace switchyard {

using kernels::Transpose;

RotaryTables MakeRotaryTables(Stream& stream, const ModelConfig& config,
                              int64_t sequence_length) {
  const Shape shape = {sequence_length, config.head_dim / 2};
  RotaryTables tables;
  tables.storage =
      Storage(stream.device(), DType::kFloat32, {2 * shape.element_count()});
  tables.cos = tables.storage.View(DType::kFloat32, shape);
  tables.sin = tables.storage.View(DType::kFloat32, shape,
                                   shape.element_count() * sizeof(float));
  kernels::RotaryTable(stream, config.rope_theta, tables.cos, tables.sin);
  stream.Wait();
  return tables;
}

void Attention::Declare(ParameterStore& store, const ModelConfig& config,
                        const std::string& prefix) {
  const auto declare = [&](const char* name, int64_t out, int64_t in) {
    store.Declare(absl::StrCat(prefix, ".self_attn.", name, ".weight"),
                  {out, in}, ParameterStore::Kind::kMatrix,
                  config.initializer_range);
  };
  const int64_t hidden = config.hidden_size;
  declare("q_proj", config.heads * config.head_dim, hidden);
  declare("k_proj", config.kv_heads * config.head_dim, hidden);
  declare("v_proj", config.kv_heads * config.head_dim, hidden);
  declare("o_proj", hidden, config.heads * config.head_dim);
}

Attention::Attention(const ParameterStore& store, const ModelConfig& config,
                     const std::string& prefix)
    : heads_(config.heads),
      kv_heads_(config.kv_heads),
      head_dim_(config.head_dim),
      scale_(static_cast<float>(
          1.0 / std::sqrt(static_cast<double>(config.head_dim)))),
      output_(store.Get(prefix + ".self_attn.o_proj.weight")) {
  const Parameter& q = store.Get(prefix + ".self_attn.q_proj.weight");
  const Parameter& k = store.Get(prefix + ".self_attn.k_proj.weight");
  const Parameter& v = store.Get(prefix + ".self_attn.v_proj.weight");
  qkv_weight_ = Fused({&q, &k, &v});
  qkv_gradients_ = {q.gradient, k.gradient, v.gradient};
}

Attention::Heads Attention::Split(const TensorView& qkv) const {
  const int64_t tokens = qkv.dim(0);
  const int64_t k_begin = heads_ * head_dim_;
  const int64_t v_begin = k_begin + kv_heads_ * head_dim_;
  const auto part = [&](int64_t begin, int64_t heads) {
    return qkv.Columns(begin, begin + heads * head_dim_)
        .Reshaped({tokens, heads, head_dim_});
  };
  return {part(0, heads_), part(k_begin, kv_heads_), part(v_begin, kv_heads_)};
}

void Attention::RotateQueriesAndKeys(const Execution& run,
                                     const RotaryTables& rotary,
                                     const TensorView& qkv,
                                     bool backward) const {
  // Queries and keys are neighbours and turn alike: one call for both.
  kernels::RotaryArgs args;
  args.x = qkv.Columns(0, (heads_ + kv_heads_) * head_dim_)
               .Reshaped({qkv.dim(0), heads_ + kv_heads_, head_dim_});
  args.cos = rotary.cos;
  args.sin = rotary.sin;
  args.sequence_length = rotary.cos.dim(0);
  args.backward = backward;
  kernels::Rotate(run.stream, args);
}

Attention::Saved Attention::Forward(const Execution& run,
                                    const RotaryTables& rotary,
                                    const ConstTensorView& input,
                                    const TensorView& output) const {
  const int64_t tokens = input.dim(0);
  const TensorView qkv =
      run.New(input.dtype(), {tokens, (heads_ + 2 * kv_heads_) * head_dim_});
  kernels::MatMul(
      run.stream,
      {.a = input, .b = qkv_weight_, .transpose_b = Transpose::kYes, .c = qkv});
  RotateQueriesAndKeys(run, rotary, qkv, /*backward=*/false);

  const TensorView context =
      run.New(input.dtype(), {tokens, heads_ * head_dim_});
  const Heads heads = Split(qkv);
  kernels::AttentionArgs args;
  args.q = heads.q;
  args.k = heads.k;
  args.v = heads.v;
  args.sequence_length = rotary.cos.dim(0);
  args.scale = scale_;
  args.out = context.Reshaped({tokens, heads_, head_dim_});
  args.logsumexp = run.New(DType::kFloat32, {tokens, heads_});
  kernels::Attention(run.stream, run.arena, args);
  kernels::MatMul(run.stream, {.a = context,
                               .b = output_.weight,
                               .transpose_b = Transpose::kYes,
                               .c = output});
  return {input, qkv, context, args.logsumexp};
}

TensorView Attention::Backward(const Execution& run, const RotaryTables& rotary,
                               const Saved& saved,
                               const ConstTensorView& doutput) const {
  const int64_t tokens = saved.input.dim(0);
  const DType dtype = saved.input.dtype();
  const TensorView dinput = run.New(dtype, saved.input.shape());
  ArenaScope scratch(run.arena);

  kernels::WeightGradient(run.stream, {.dy = doutput,
                                       .x = saved.context,
                                       .format = run.format,
                                       .gradients = {&output_.gradient, 1}});
  const TensorView dcontext = run.New(dtype, saved.context.shape());
  kernels::MatMul(run.stream,
                  {.a = doutput, .b = output_.weight, .c = dcontext});

  const TensorView dqkv = run.New(dtype, saved.qkv.shape());
  const Heads gradients = Split(dqkv);
  const Heads heads = Split(saved.qkv);
  const Shape by_head = {tokens, heads_, head_dim_};
  kernels::AttentionBackwardArgs args;
  args.q = heads.q;
  args.k = heads.k;
  args.v = heads.v;
  args.out = saved.context.Reshaped(by_head);
  args.logsumexp = saved.logsumexp;
  args.dout = dcontext.Reshaped(by_head);
  args.sequence_length = rotary.cos.dim(0);
  args.scale = scale_;
  args.dq = gradients.q;
  args.dk = gradients.k;
  args.dv = gradients.v;
  run.Poll();
  kernels::AttentionBackward(run.stream, run.arena, args);
  run.Poll();
  RotateQueriesAndKeys(run, rotary, dqkv, /*backward=*/true);

  kernels::WeightGradient(run.stream, {.dy = dqkv,
                                       .x = saved.input,
                                       .format = run.format,
                                       .gradients = qkv_gradients_});
  kernels::MatMul(run.stream, {.a = dqkv, .b = qkv_weight_, .c = dinput});
  return dinput;
}

}  // namespace switchyard
