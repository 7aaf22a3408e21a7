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

// One micro-batch of a step for this rank.
struct MicroBatch {
  const Batch* batch = nullptr;  // null: it takes part with no tokens
  int64_t index = 0;             // round · ranks + rank
};

class ModelRunner {
 public:
  // Declares, allocates and initialises all parameters. Without gradients it
  // can only evaluate.
  ModelRunner(const TrainOptions& options, const Grid& grid, Device& device,
              const RouterFactory& routers = ModelRouters(),
              Gradients gradients = Gradients::kYes);

  // Replace the losses; null keeps the model's own.
  void SetLoss(std::unique_ptr<Loss> loss);
  void SetBalanceLoss(std::unique_ptr<BalanceLoss> loss);

  // Forward and backward of consecutive rounds of the step: all forward passes
  // before the first backward pass, which the balance loss needs where it
  // counts micro-batches together (BalanceLoss::counted_together): then no
  // window may have micro-batches in other rounds. `statistics` knows the token
  // numbers of all ranks. `listener` follows the last backward pass; null:
  // nobody. Collective calls.
  absl::Status Train(absl::Span<const MicroBatch> rounds,
                     StepStatistics& statistics,
                     BackwardListener* listener = nullptr) {
    return Run(Pass::kTrain, rounds, statistics, listener);
  }
  // Of one round.
  absl::Status Train(const Batch* batch, int64_t index,
                     StepStatistics& statistics,
                     BackwardListener* listener = nullptr) {
    const MicroBatch round{batch, index};
    return Train({&round, 1}, statistics, listener);
  }
  // Forward only; losses and counts. Needs no token numbers of other ranks.
  absl::Status Evaluate(const Batch* batch, int64_t index,
                        StepStatistics& statistics) {
    const MicroBatch round{batch, index};
    return Run(Pass::kEvaluate, {&round, 1}, statistics, nullptr);
  }

  // Rounds that Train must be given at once; the last ones of a step may be
  // fewer.
  int64_t rounds_together() const;

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
  // A micro-batch between its passes.
  struct Passed {
    TokenBatch tokens;
    Transformer::Saved saved;
    absl::Span<MoeLayer::Decision*> decisions;  // of all layers
    TensorView loss_slot;
    TensorView router_losses;
    double weight = 0.0;  // its share of the step's valid tokens
  };

  absl::Status Run(Pass pass, absl::Span<const MicroBatch> rounds,
                   StepStatistics& statistics, BackwardListener* listener);
  absl::Status RunInScopes(Pass pass, absl::Span<const MicroBatch> rounds,
                           StepStatistics& statistics,
                           BackwardListener* listener);
  Execution NewExecution(BackwardListener* listener);
  // The same, but what is made lives as long as decisions.
  static Execution Keeping(const Execution& run);
  TokenBatch ToDevice(const Execution& run, Pass pass,
                      const Batch* batch) const;
  absl::Status Forward(const Execution& run, Pass pass, const MicroBatch& round,
                       StepStatistics& statistics, Passed& passed) const;
  // Shows what was decided to the trace and to the metrics of layers.
  void Report(const Passed& passed, const StepStatistics& statistics) const;
  // Adds the counts of windows over all ranks, if the balance loss wants them.
  // All ranks have the same rounds, so they make the same call.
  absl::Status ShareCounts(const Execution& run, Pass pass,
                           absl::Span<const MicroBatch> rounds,
                           absl::Span<Passed> passed);
  void ComputeBalanceLoss(const Execution& run, const Passed& passed) const;
  // The gradients of the loss at the hidden states, and then of everything
  // before them.
  absl::Status Backward(const Execution& run, Passed& passed,
                        StepStatistics& statistics);
  // Counts what was decided, when the stream has been waited for.
  static void AddRouting(const Passed& passed, StepStatistics& statistics);

  const TrainOptions options_;
  comm::Communicator& world_;
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
