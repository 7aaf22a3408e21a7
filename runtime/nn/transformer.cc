// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/nn/transformer.h"

#include "switchyard/base/status.h"
#include "switchyard/kernels/embedding.h"
#include "switchyard/kernels/lm_head.h"
#include "switchyard/kernels/matmul.h"
#include "switchyard/kernels/segments.h"
#include "switchyard/runtime/moe/deferred_gradients.h"

namespace switchyard {
namespace {

constexpr char kEmbedding[] = "model.embed_tokens.weight";
constexpr char kNorm[] = "model.norm.weight";
constexpr char kHead[] = "lm_head.weight";

InitialValueRule RuleOf(const FeedForwardConfig& config) {
  if (config.initializer == InitialValues::kNormal) return {};
  const bool scaled = config.initializer_scale > 0.0;
  return {scaled ? 2.0f : 3.0f, config.initializer_scale};
}

}  // namespace

void Transformer::Declare(ParameterStore& store, const ModelConfig& config,
                          const RouterFactory& routers) {
  const Shape table = {config.vocabulary, config.hidden_size};
  store.SetInitialValueRule(RuleOf(config.feed_forward));
  store.Declare(kEmbedding, table, ParameterStore::Kind::kEmbedding,
                config.initializer_range);
  for (int layer = 0; layer < config.layers; ++layer) {
    Block::Declare(store, config, layer, routers);
  }
  Norm::Declare(store, kNorm, config.hidden_size);
  store.Declare(kHead, table, ParameterStore::Kind::kMatrix,
                config.initializer_range);
}

Transformer::Transformer(Stream& stream, const ParameterStore& store,
                         const Grid& grid, const ModelConfig& config,
                         const TransformerOptions& options)
    : config_(config),
      dtype_(store.Get(kEmbedding).weight.dtype()),
      expert_layers_(ExpertLayers(config)),
      rotary_(MakeRotaryTables(stream, config, options.sequence_length)),
      embedding_(store.Get(kEmbedding)),
      norm_(store, kNorm, config.rms_norm_eps),
      head_(store.Get(kHead)) {
  for (int layer = 0; layer < config.layers; ++layer) {
    blocks_.push_back(std::make_unique<Block>(store, grid, config, options.moe,
                                              options.recompute, layer));
  }
}

void Transformer::PrepareExperts(int64_t tokens) const {
  const int64_t hidden = config_.hidden_size;
  const int64_t inner = config_.intermediate_size;
  const kernels::ActivationKind activation = config_.feed_forward.activation;
  kernels::PrepareDense(DType::kFloat32, tokens, hidden, config_.experts);
  kernels::PrepareGrouped(dtype_, tokens, hidden, activation.InnerWidth(inner));
  kernels::PrepareGrouped(dtype_, tokens, inner, hidden);
  for (const int64_t rows : kernels::PaddedRowList(tokens)) {
    kernels::PrepareDense(dtype_, rows, hidden, inner);
  }
  if (SharedWidth(config_) == 0) return;
  FeedForward::Prepare(dtype_, tokens, config_, SharedWidth(config_));
  if (config_.feed_forward.shared_expert_gate) {
    kernels::PrepareDense(dtype_, tokens, hidden, 1);
  }
}

void Transformer::Prepare(int64_t tokens) const {
  const int64_t hidden = config_.hidden_size;
  const int64_t heads = config_.heads * config_.head_dim;
  const int64_t kv = config_.kv_heads * config_.head_dim;
  kernels::PrepareDense(dtype_, tokens, hidden, heads + 2 * kv);
  kernels::PrepareDense(dtype_, tokens, heads, hidden);
  // Gradients of matrices that are multiplied as one are formed one by one: of
  // queries, keys and values, and of an expert's w1 and w3.
  kernels::PrepareDense(dtype_, tokens, hidden, heads);
  kernels::PrepareDense(dtype_, tokens, hidden, kv);
  if (!expert_layers_.empty()) PrepareExperts(tokens);
  if (static_cast<int>(expert_layers_.size()) < layers()) {
    FeedForward::Prepare(dtype_, tokens, config_, DenseWidth(config_));
  }
  kernels::PrepareLmHead(dtype_, tokens, hidden, config_.vocabulary);
}

absl::StatusOr<Transformer::Saved> Transformer::Forward(
    const Execution& run, const TokenBatch& batch) const {
  const int64_t tokens = batch.ids.dim(0);
  Saved saved;
  saved.batch = batch;
  saved.blocks = run.NewHost<Block::Saved>(layers());
  const TensorView embedded = run.New(dtype_, {tokens, config_.hidden_size});
  kernels::Embedding(run.stream, embedding_.weight, batch.ids, embedded);
  Residual stream = {embedded, ConstTensorView()};
  for (int layer = 0; layer < layers(); ++layer) {
    SWITCHYARD_RETURN_IF_ERROR(blocks_[layer]->Forward(
        run, rotary_, batch, stream, saved.blocks[layer]));
    stream = saved.blocks[layer].output;
  }
  saved.norm = norm_.Forward(run, stream);
  return saved;
}

absl::Status Transformer::Complete(const Execution& run, int layer,
                                   int64_t put_off) const {
  if (run.listener == nullptr || layer == layers()) return absl::OkStatus();
  if (run.deferred != nullptr) run.deferred->MakeUntil(run.stream, put_off);
  return run.listener->GradientsComplete(blocks_[layer]->first_parameter());
}

absl::Status Transformer::Backward(const Execution& run, Saved& saved,
                                   float z_gradient,
                                   const ConstTensorView& dhidden) const {
  ArenaScope scratch(run.arena);
  const TensorView gradient =
      norm_.Backward(run, saved.norm, dhidden, TensorView());
  int64_t put_off = 0;
  for (int layer = layers() - 1; layer >= 0; --layer) {
    SWITCHYARD_RETURN_IF_ERROR(blocks_[layer]->Backward(
        run, rotary_, saved.batch, z_gradient, saved.blocks[layer], gradient));
    // What was put off is something to do while the layer below waits for rows:
    // it is complete a layer late.
    const bool late = run.deferred != nullptr;
    SWITCHYARD_RETURN_IF_ERROR(
        Complete(run, late ? layer + 1 : layer, put_off));
    if (late) put_off = run.deferred->added();
  }
  if (run.deferred != nullptr) run.deferred->MakeAll(run.stream);
  kernels::EmbeddingGradient(run.stream, run.arena,
                             {.dy = gradient,
                              .ids = saved.batch.ids,
                              .format = run.format,
                              .gradient = embedding_.gradient});
  return absl::OkStatus();
}

}  // namespace switchyard
