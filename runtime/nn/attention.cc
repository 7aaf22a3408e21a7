// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/nn/attention.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "switchyard/kernels/attention.h"
#include "switchyard/kernels/cached_attention.h"
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
  // Behind the matrices, so that these stay neighbours.
  const auto declare_bias = [&](const char* name, int64_t out) {
    Bias::Declare(store, absl::StrCat(prefix, ".self_attn.", name, ".bias"),
                  out);
  };
  if (config.attention.qkv_bias()) {
    declare_bias("q_proj", config.heads * config.head_dim);
    declare_bias("k_proj", config.kv_heads * config.head_dim);
    declare_bias("v_proj", config.kv_heads * config.head_dim);
  }
  if (config.attention.output_bias()) declare_bias("o_proj", hidden);
  QueryKeyNorm::Declare(store, config, prefix + ".self_attn");
}

Attention::Attention(const ParameterStore& store, const ModelConfig& config,
                     const std::string& prefix)
    : heads_(config.heads),
      kv_heads_(config.kv_heads),
      head_dim_(config.head_dim),
      scale_(static_cast<float>(
          1.0 / std::sqrt(static_cast<double>(config.head_dim)))),
      window_(config.attention.window),
      output_(store.Get(prefix + ".self_attn.o_proj.weight")),
      norm_(store, config, prefix + ".self_attn") {
  const Parameter& q = store.Get(prefix + ".self_attn.q_proj.weight");
  const Parameter& k = store.Get(prefix + ".self_attn.k_proj.weight");
  const Parameter& v = store.Get(prefix + ".self_attn.v_proj.weight");
  qkv_weight_ = Fused({&q, &k, &v});
  qkv_gradients_ = {q.gradient, k.gradient, v.gradient};
  if (config.attention.qkv_bias()) {
    qkv_bias_ = Bias(store, {prefix + ".self_attn.q_proj.bias",
                             prefix + ".self_attn.k_proj.bias",
                             prefix + ".self_attn.v_proj.bias"});
  }
  if (config.attention.output_bias()) {
    output_bias_ = Bias(store, {prefix + ".self_attn.o_proj.bias"});
  }
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

TensorView Attention::QueriesAndKeys(const TensorView& qkv) const {
  return qkv.Columns(0, (heads_ + kv_heads_) * head_dim_);
}

Attention::Heads Attention::Inputs(const TensorView& qkv,
                                   const QueryKeyNorm::Saved& norm) const {
  Heads heads = Split(qkv);
  if (!norm_.exists()) return heads;
  const int64_t tokens = qkv.dim(0);
  const int64_t k_begin = heads_ * head_dim_;
  heads.q =
      norm.output.Columns(0, k_begin).Reshaped({tokens, heads_, head_dim_});
  heads.k = norm.output.Columns(k_begin, norm.output.dim(1))
                .Reshaped({tokens, kv_heads_, head_dim_});
  return heads;
}

void Attention::RotateQueriesAndKeys(const Execution& run,
                                     const RotaryTables& rotary,
                                     const Positions& positions,
                                     const TensorView& queries_and_keys,
                                     bool backward) const {
  // Queries and keys are neighbours and turn alike: one call for both.
  kernels::RotaryArgs args;
  args.x = queries_and_keys.Reshaped(
      {queries_and_keys.dim(0), heads_ + kv_heads_, head_dim_});
  args.cos = rotary.cos;
  args.sin = rotary.sin;
  args.sequence_length = positions.count;
  args.backward = backward;
  args.first_position = positions.first;
  kernels::Rotate(run.stream, args);
}

Attention::Saved Attention::Project(const Execution& run,
                                    const RotaryTables& rotary,
                                    const Positions& positions,
                                    const ConstTensorView& input) const {
  Saved saved;
  saved.input = input;
  saved.qkv = run.New(input.dtype(),
                      {input.dim(0), (heads_ + 2 * kv_heads_) * head_dim_});
  kernels::MatMul(run.stream, {.a = input,
                               .b = qkv_weight_,
                               .transpose_b = Transpose::kYes,
                               .c = saved.qkv});
  qkv_bias_.Add(run, saved.qkv);
  if (norm_.exists()) {
    saved.norm = norm_.Forward(run, QueriesAndKeys(saved.qkv));
  }
  RotateQueriesAndKeys(
      run, rotary, positions,
      norm_.exists() ? saved.norm.output : QueriesAndKeys(saved.qkv),
      /*backward=*/false);
  return saved;
}

void Attention::Attend(const Execution& run, int64_t sequence_length,
                       Saved& saved, const TensorView& context) const {
  const int64_t tokens = context.dim(0);
  const Heads heads = Inputs(saved.qkv, saved.norm);
  kernels::AttentionArgs args;
  args.q = heads.q;
  args.k = heads.k;
  args.v = heads.v;
  args.sequence_length = sequence_length;
  args.scale = scale_;
  args.out = context.Reshaped({tokens, heads_, head_dim_});
  args.logsumexp = run.New(DType::kFloat32, {tokens, heads_});
  args.window = window_;
  kernels::Attention(run.stream, run.arena, args);
  saved.context = context;
  saved.logsumexp = args.logsumexp;
}

void Attention::ProjectOutput(const Execution& run,
                              const ConstTensorView& context,
                              const TensorView& output) const {
  kernels::MatMul(run.stream, {.a = context,
                               .b = output_.weight,
                               .transpose_b = Transpose::kYes,
                               .c = output});
  output_bias_.Add(run, output);
}

Attention::Saved Attention::Forward(const Execution& run,
                                    const RotaryTables& rotary,
                                    const ConstTensorView& input,
                                    const TensorView& output) const {
  const int64_t length = rotary.cos.dim(0);
  Saved saved = Project(run, rotary, {0, length}, input);
  const TensorView context =
      run.New(input.dtype(), {input.dim(0), heads_ * head_dim_});
  Attend(run, length, saved, context);
  ProjectOutput(run, context, output);
  return saved;
}

void Attention::ForwardCached(const Execution& run, const RotaryTables& rotary,
                              const KvCache::Layer& cache,
                              const ConstTensorView& input,
                              const TensorView& output) const {
  const int64_t tokens = input.dim(0);
  // A rank without sequences has no tokens, and any length fits.
  const int64_t length = tokens == 0 ? 1 : tokens / cache.sequences;
  Saved saved = Project(run, rotary, {cache.length, length}, input);
  const TensorView context =
      run.New(input.dtype(), {tokens, heads_ * head_dim_});
  const Heads heads = Inputs(saved.qkv, saved.norm);
  if (cache.length == 0) {
    // Whole sequences: in tiles, which is faster.
    Attend(run, length, saved, context);
  } else {
    kernels::CachedAttention(
        run.stream, run.arena,
        {.q = heads.q,
         .k = heads.k,
         .v = heads.v,
         .cached_k = cache.keys,
         .cached_v = cache.values,
         .sequences = cache.sequences,
         .past = cache.length,
         .scale = scale_,
         .out = context.Reshaped({tokens, heads_, head_dim_}),
         .window = window_});
  }
  kernels::AppendToCache(run.stream, {.k = heads.k,
                                      .v = heads.v,
                                      .cached_k = cache.keys,
                                      .cached_v = cache.values,
                                      .sequences = cache.sequences,
                                      .past = cache.length});
  ProjectOutput(run, context, output);
}

TensorView Attention::HeadsBackward(const Execution& run,
                                    const RotaryTables& rotary,
                                    const Saved& saved,
                                    const TensorView& dcontext) const {
  const TensorView dqkv = run.New(saved.qkv.dtype(), saved.qkv.shape());
  const Heads gradients = Split(dqkv);
  const Heads heads = Inputs(saved.qkv, saved.norm);
  const Shape by_head = {saved.qkv.dim(0), heads_, head_dim_};
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
  args.window = window_;
  run.Poll();
  kernels::AttentionBackward(run.stream, run.arena, args);
  run.Poll();
  RotateQueriesAndKeys(run, rotary, {0, rotary.cos.dim(0)},
                       QueriesAndKeys(dqkv), /*backward=*/true);
  if (norm_.exists()) norm_.Backward(run, saved.norm, QueriesAndKeys(dqkv));
  return dqkv;
}

TensorView Attention::Backward(const Execution& run, const RotaryTables& rotary,
                               const Saved& saved,
                               const ConstTensorView& doutput) const {
  const DType dtype = saved.input.dtype();
  const TensorView dinput = run.New(dtype, saved.input.shape());
  ArenaScope scratch(run.arena);

  kernels::WeightGradient(run.stream, {.dy = doutput,
                                       .x = saved.context,
                                       .format = run.format,
                                       .gradients = {&output_.gradient, 1}});
  output_bias_.Backward(run, doutput);
  const TensorView dcontext = run.New(dtype, saved.context.shape());
  kernels::MatMul(run.stream,
                  {.a = doutput, .b = output_.weight, .c = dcontext});

  const TensorView dqkv = HeadsBackward(run, rotary, saved, dcontext);
  qkv_bias_.Backward(run, dqkv);
  kernels::WeightGradient(run.stream, {.dy = dqkv,
                                       .x = saved.input,
                                       .format = run.format,
                                       .gradients = qkv_gradients_});
  kernels::MatMul(run.stream, {.a = dqkv, .b = qkv_weight_, .c = dinput});
  return dinput;
}

}  // namespace switchyard
