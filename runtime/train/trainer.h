// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The training loop, assembled from interfaces: data source, schedule, losses,
// metrics sink and callbacks. `switchyard train` uses it as anyone would:
//
//   SWITCHYARD_ASSIGN_OR_RETURN(
//       const std::unique_ptr<Trainer> trainer,
//       Trainer::Create(options, world, device, {.data = &data,
//                                                .sink = &sink}));
//   SWITCHYARD_RETURN_IF_ERROR(trainer->Run());
//
// All its functions are collective calls of the world, unless they are const or
// say so. Every rank gets the same error, unless the communicator has failed.
#ifndef SWITCHYARD_RUNTIME_TRAIN_TRAINER_H_
#define SWITCHYARD_RUNTIME_TRAIN_TRAINER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "switchyard/comm/communicator.h"
#include "switchyard/runtime/optim/schedule.h"
#include "switchyard/runtime/optim/sharded_adamw.h"
#include "switchyard/runtime/optim/state_visitor.h"
#include "switchyard/runtime/train/bias_ranges.h"
#include "switchyard/runtime/train/metrics_sink.h"
#include "switchyard/runtime/train/model_runner.h"
#include "switchyard/runtime/train/options.h"
#include "switchyard/runtime/train/recent_rates.h"
#include "switchyard/runtime/train/routing_replay.h"
#include "switchyard/runtime/train/routing_trace.h"

namespace switchyard {

struct TrainerParts {
  DataSource* data = nullptr;   // needed
  MetricsSink* sink = nullptr;  // used on rank 0 only
  // Null: the ones that the options describe.
  const RouterFactory* routers = nullptr;  // used by Create only
  std::unique_ptr<LearningRateSchedule> schedule;
  // Called once, when the model is there: a loss may read its head.
  std::function<std::unique_ptr<Loss>(const Transformer& model)> make_loss;
  std::unique_ptr<BalanceLoss> balance_loss;
  // Called on every rank with the number of steps done.
  std::function<absl::Status(int64_t step)> before_step;
  std::function<absl::Status(int64_t step)> after_step;
};

class Trainer {
 public:
  // `options` must be valid and have no kDefault left. The communicator, the
  // device and the parts must outlive the trainer.
  static absl::StatusOr<std::unique_ptr<Trainer>> Create(
      const TrainOptions& options, comm::Communicator& world, Device& device,
      TrainerParts parts);

  // All steps, with evaluations before the first, every eval_every and after
  // the last step; then the summary, whose median speed is that of the last
  // RecentRates::kWindow = 4096 steps.
  absl::Status Run();

  absl::StatusOr<StepMetrics> Step();
  absl::StatusOr<EvalMetrics> Evaluate();
  // All weights, the same number in every layout.
  absl::StatusOr<uint64_t> WeightsChecksum();

  // Shows whatever must survive a restart, between two steps: a trainer of the
  // same options whose state is overwritten with another's goes on with its
  // bits. Of this rank; not a collective call.
  absl::Status VisitState(StateVisitor& visitor);

  int64_t steps_done() const { return step_; }
  // The fingerprint that all ranks have (parallel/arithmetic.h).
  uint64_t arithmetic() const { return arithmetic_; }
  // Of the last step.
  const StepStatistics& statistics() const { return statistics_; }
  // Its assignments before dropping, [layers, experts].
  absl::Span<const int64_t> assigned() const { return statistics_.assigned(); }
  absl::Span<const int64_t> kept() const { return statistics_.kept(); }
  const Grid& grid() const { return *grid_; }
  ModelRunner& runner() { return runner_; }
  ShardedAdamW& optimizer() { return optimizer_; }

 private:
  Trainer(const TrainOptions& options, std::unique_ptr<Grid> grid,
          Device& device, TrainerParts parts);

  // Opens the files of routing that the options name.
  absl::Status OpenRouting();
  // Keeps an error of this rank alone until the next LoadBatches, where all
  // ranks learn of it.
  void Defer(const absl::Status& status);
  absl::Status Share(const absl::Status& status);
  absl::Status LoadBatches();
  absl::Status Load(int64_t micro_batch, Batch& batch);
  absl::Status RunMicroBatches();
  absl::Status ApplyGradient(StepMetrics& metrics);
  // Moves the biases that routers choose by, by the loads of the step.
  void UpdateBiases();
  void Report(const StepMetrics& metrics);
  void Report(const EvalMetrics& metrics);
  absl::Status RunSteps();
  absl::Status Finish();
  bool reports() const {
    return parts_.sink != nullptr && grid_->world().rank() == 0;
  }

  const TrainOptions options_;
  std::unique_ptr<Grid> grid_;
  TrainerParts parts_;
  ModelRunner runner_;
  std::unique_ptr<RoutingTrace> trace_;    // null: none
  std::unique_ptr<RoutingReplay> replay_;  // null: none
  ShardedAdamW optimizer_;
  StepStatistics statistics_;
  std::vector<Batch> batches_;      // of this rank, by round
  std::vector<MicroBatch> rounds_;  // the same for the model
  int64_t step_ = 0;
  uint64_t arithmetic_ = 0;
  absl::Status deferred_;
  std::vector<LayerMetrics> layers_;
  BiasRanges bias_ranges_;
  RunSummary summary_;
  RecentRates rates_;
};

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_TRAIN_TRAINER_H_
