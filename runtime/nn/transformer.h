// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// A decoder-only transformer of blocks, mixtures of experts and dense ones,
// from token ids to the normalised hidden states that a head reads.
#ifndef SWITCHYARD_RUNTIME_NN_TRANSFORMER_H_
#define SWITCHYARD_RUNTIME_NN_TRANSFORMER_H_

#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "switchyard/runtime/nn/block.h"
#include "switchyard/runtime/nn/token_batch.h"

namespace switchyard {

struct TransformerOptions {
  MoeOptions moe;
  bool recompute = false;  // as Block's
  // Tokens of each sequence of a batch. Where TokenBatch::cache is given: the
  // most positions that a sequence may get.
  int64_t sequence_length = 0;
};

class Transformer {
 public:
  // All parameters in the model's order: embedding, blocks, norm, head.
  static void Declare(ParameterStore& store, const ModelConfig& config,
                      const RouterFactory& routers = ModelRouters());
  // After store.Allocate; options.moe.routers are those of Declare.
  Transformer(Stream& stream, const ParameterStore& store, const Grid& grid,
              const ModelConfig& config, const TransformerOptions& options);

  // Makes all products' primitives for micro-batches of `tokens` tokens.
  void Prepare(int64_t tokens) const;

  struct Saved {
    TokenBatch batch;
    absl::Span<Block::Saved> blocks;
    Norm::Saved norm;
    // [tokens, hidden], the model's dtype: what the head reads.
    const ConstTensorView& hidden() const { return norm.output; }
  };
  // Collective calls of the expert-parallel group, of the world where
  // moe.max_rows_per_rank is given: ResourceExhausted, on all ranks, if more
  // rows meet on one. Other errors are those of collectives (communicator.h).
  absl::StatusOr<Saved> Forward(const Execution& run,
                                const TokenBatch& batch) const;
  // `dhidden` is the gradient of hidden(), of its shape and dtype; z_gradient
  // is the weight of the sum over tokens of a router's logsumexp² in the
  // objective. The head's gradient is complete before: run.listener hears of it
  // with the last block's.
  absl::Status Backward(const Execution& run, Saved& saved, float z_gradient,
                        const ConstTensorView& dhidden) const;

  int layers() const { return static_cast<int>(blocks_.size()); }
  // Those whose blocks have experts, ascending: only they make decisions.
  absl::Span<const int> expert_layers() const { return expert_layers_; }
  // [vocabulary, hidden]; its gradient is the head's to add.
  const Parameter& head() const { return head_; }
  // Router::selection_bias of a layer: undefined where it has none.
  TensorView selection_bias(int layer) const {
    return blocks_[layer]->selection_bias();
  }

 private:
  void PrepareExperts(int64_t tokens) const;
  // Tells run.listener of layer `layer`, whose gradients are complete when the
  // first `put_off` are made that were put off.
  absl::Status Complete(const Execution& run, int layer, int64_t put_off) const;

  ModelConfig config_;
  DType dtype_;
  std::vector<int> expert_layers_;
  RotaryTables rotary_;
  const Parameter& embedding_;
  std::vector<std::unique_ptr<Block>> blocks_;
  Norm norm_;
  const Parameter& head_;
};

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_NN_TRANSFORMER_H_
