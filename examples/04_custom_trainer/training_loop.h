// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// A training loop assembled from the library's parts: the grid of ranks,
// parameters, transformer, balance loss, schedule and optimizer.
//
//   SWITCHYARD_ASSIGN_OR_RETURN(const std::unique_ptr<TrainingLoop> loop,
//                               TrainingLoop::Create(model, world, data));
//   SWITCHYARD_ASSIGN_OR_RETURN(const StepReport report, loop->Step());
//
// Its functions are collective calls of the world.
#ifndef CUSTOM_TRAINER_TRAINING_LOOP_H_
#define CUSTOM_TRAINER_TRAINING_LOOP_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cross_entropy.h"
#include "switchyard/base/arena.h"
#include "switchyard/base/cpu/cpu_device.h"
#include "switchyard/comm/communicator.h"
#include "switchyard/kernels/fixed_point.h"
#include "switchyard/runtime/data/data_source.h"
#include "switchyard/runtime/moe/balance_loss.h"
#include "switchyard/runtime/nn/model_config.h"
#include "switchyard/runtime/nn/transformer.h"
#include "switchyard/runtime/optim/schedule.h"
#include "switchyard/runtime/optim/sharded_adamw.h"
#include "switchyard/runtime/parallel/grid.h"

namespace custom_trainer {

struct StepReport {
  int64_t step = 0;        // counted from 1
  double loss = 0.0;       // mean over the tokens of the step
  double grad_norm = 0.0;  // before clipping
  double learning_rate = 0.0;
};

class TrainingLoop {
 public:
  // `world` and `data` must outlive the loop.
  static absl::StatusOr<std::unique_ptr<TrainingLoop>> Create(
      const switchyard::ModelConfig& model,
      switchyard::comm::Communicator& world, switchyard::DataSource& data);

  // Forward, backward and update, the same report on every rank.
  absl::StatusOr<StepReport> Step();

  // Of all weights, as `switchyard train` writes it.
  absl::StatusOr<std::string> WeightsChecksum();

 private:
  TrainingLoop(const switchyard::ModelConfig& model, switchyard::Grid grid,
               switchyard::DataSource& data);

  absl::Status RunMicroBatch(int64_t micro_batch);
  // Copies what `batch` holds to the device; without one, no tokens.
  switchyard::TokenBatch ToDevice(const switchyard::Execution& run,
                                  const switchyard::Batch* batch);
  // Fills in the routers' gradients of the balance loss.
  void ComputeBalanceLoss(const switchyard::Execution& run,
                          const switchyard::Transformer::Saved& saved,
                          const switchyard::TokenBatch& tokens);
  absl::Status ApplyGradient(StepReport& report);
  absl::StatusOr<double> MeanLoss();

  const switchyard::ModelConfig config_;
  switchyard::DataSource& data_;
  switchyard::Batch batch_;
  switchyard::CpuDevice device_;
  const std::unique_ptr<switchyard::Stream> stream_;
  switchyard::Arena arena_;
  switchyard::Arena decision_arena_;
  switchyard::Arena host_arena_;
  const switchyard::kernels::FixedPoint format_;
  const switchyard::Grid grid_;
  switchyard::ParameterStore store_;
  std::unique_ptr<switchyard::Transformer> model_;
  std::unique_ptr<CrossEntropy> loss_;
  const switchyard::SwitchBalanceLoss balance_loss_;
  const switchyard::CosineSchedule schedule_;
  std::unique_ptr<switchyard::ShardedAdamW> optimizer_;
  switchyard::Storage loss_storage_;
  switchyard::TensorView loss_sums_;  // fp64 [micro-batches]
  int64_t step_ = 0;
};

}  // namespace custom_trainer

#endif  // CUSTOM_TRAINER_TRAINING_LOOP_H_
