// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// A model on this rank's device, and how one micro-batch goes through it.
#ifndef SWITCHYARD_RUNTIME_TRAIN_MODEL_RUNNER_H_
#define SWITCHYARD_RUNTIME_TRAIN_MODEL_RUNNER_H_

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "switchyard/base/cpu/cpu_device.h"
#include "switchyard/runtime/data/data_source.h"
#include "switchyard/runtime/moe/balance_loss.h"
#include "switchyard/runtime/moe/deferred_gradients.h"
#include "switchyard/runtime/nn/loss.h"
#include "switchyard/runtime/nn/transformer.h"
#include "switchyard/runtime/train/options.h"
#include "switchyard/runtime/train/routing_trace.h"
#include "switchyard/runtime/train/step_statistics.h"

namespace switchyard {

class ModelRunner {
 public:
  // Declares, allocates and initialises all parameters.
  ModelRunner(const TrainOptions& options, const Grid& grid, Device& device,
              const RouterFactory& routers = TopKRouters());

  // Replace the losses; null keeps the model's own.
  void SetLoss(std::unique_ptr<Loss> loss);
  void SetBalanceLoss(std::unique_ptr<BalanceLoss> loss);

  // Forward and backward of micro-batch `index` of the step, whose token
  // numbers `statistics` knows for all ranks. A null batch: this rank has none
  // in this round and takes part with no tokens. `listener` follows the
  // backward pass; null: nobody. Collective calls.
  absl::Status Train(const Batch* batch, int64_t index,
                     StepStatistics& statistics,
                     BackwardListener* listener = nullptr) {
    return Run(Pass::kTrain, batch, index, statistics, listener);
  }
  // Forward only; losses and counts. Needs no token numbers of other ranks.
  absl::Status Evaluate(const Batch* batch, int64_t index,
                        StepStatistics& statistics) {
    return Run(Pass::kEvaluate, batch, index, statistics, nullptr);
  }

  // Shows the decisions about every micro-batch that trains; null: to nobody.
  void SetTrace(RoutingTrace* trace) { trace_ = trace; }

  // The step that the ledger's positions tell.
  void SetStep(int64_t step) { step_ = step; }

  Stream& stream() { return *stream_; }
  ParameterStore& store() { return store_; }
  const Transformer& model() const { return *model_; }
  // Bytes that activations took from the device, the most that were in use, and
  // how often memory was taken.
  int64_t activation_bytes() const;
  int64_t activation_peak_bytes() const;
  int arena_growth_count() const;

 private:
  enum class Pass { kTrain, kEvaluate };
  absl::Status Run(Pass pass, const Batch* batch, int64_t index,
                   StepStatistics& statistics, BackwardListener* listener);
  absl::Status RunInScopes(Pass pass, const Batch* batch, int64_t index,
                           StepStatistics& statistics,
                           BackwardListener* listener);
  // The gradients of the loss at `hidden`, and then of everything before it.
  absl::Status Backward(const Execution& run, const TokenBatch& tokens,
                        Transformer::Saved& saved, const TensorView& loss_slot,
                        const StepStatistics& statistics);
  TokenBatch ToDevice(const Execution& run, Pass pass,
                      const Batch* batch) const;
  // All layers', in a table of `run`.
  absl::Span<MoeLayer::Decision* const> DecisionsOf(
      const Execution& run, const Transformer::Saved& saved) const;
  void Record(const Execution& run,
              absl::Span<MoeLayer::Decision* const> decisions,
              const TokenBatch& batch, double weight,
              const TensorView& router_losses, StepStatistics& statistics);
  // What the metrics of each layer need besides.
  void Describe(absl::Span<MoeLayer::Decision* const> decisions,
                const TokenBatch& batch, const StepStatistics& statistics);

  const TrainOptions options_;
  comm::Ledger& ledger_;
  int64_t step_ = 0;
  CpuDevice host_;
  std::unique_ptr<Stream> stream_;
  Arena arena_;
  Arena decision_arena_;
  Arena host_arena_;
  DeferredGradients deferred_;
  kernels::FixedPoint format_;
  ParameterStore store_;
  std::unique_ptr<Transformer> model_;
  std::unique_ptr<Loss> loss_;
  std::unique_ptr<BalanceLoss> balance_loss_;
  RoutingTrace* trace_ = nullptr;
};

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_TRAIN_MODEL_RUNNER_H_
