// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Everything that decides a training run, apart from its data and its ranks.
// Names and meanings are those of `switchyard train`'s flags. Every default
// that touches the numbers is a function of the model and the other options,
// never of ranks, threads or memory.
//
//   TrainOptions options;
//   options.model = model;
//   options.steps = 300;
//   FillDefaults(&options);
//   SWITCHYARD_RETURN_IF_ERROR(Validate(options));
#ifndef SWITCHYARD_RUNTIME_TRAIN_OPTIONS_H_
#define SWITCHYARD_RUNTIME_TRAIN_OPTIONS_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "switchyard/base/device.h"
#include "switchyard/base/dtype.h"
#include "switchyard/runtime/moe/balance_options.h"
#include "switchyard/runtime/moe/exploration_options.h"
#include "switchyard/runtime/moe/overflow_options.h"
#include "switchyard/runtime/nn/model_config.h"

namespace switchyard {

enum class Schedule { kCosine, kConstant, kWarmupStableDecay };
enum class BadGradient { kStop, kSkip };
enum class Recompute { kNone, kBlock };
// kDefault: kLayout on the CPU, kRun on a GPU.
enum class Determinism { kDefault, kLayout, kRun };

// To be derived from the other options.
inline constexpr int64_t kDefault = -1;

struct TrainOptions {
  // Holds the coefficients of the balance loss and the z-loss too.
  ModelConfig model;
  DType dtype = DType::kFloat32;  // or kBFloat16, with fp32 master weights

  // The batch. Positions of a micro-batch: micro_batch · seq_len.
  int64_t seq_len = 256;
  int64_t global_batch = 16;       // sequences
  int64_t micro_batch = kDefault;  // sequences; divides global_batch
  uint64_t seed = 0;

  // Optimizer and schedule. The learning rate rises linearly over warmup_steps
  // to lr; cosine falls to lr·min_lr_ratio at the last step; wsd stays at lr
  // and falls linearly over the last decay_fraction of `steps`, or what the
  // warm-up leaves of them (optim/schedule.h has the formulas).
  int64_t steps = 1000;
  double lr = 3e-4;
  Schedule schedule = Schedule::kCosine;
  int64_t warmup_steps = kDefault;
  double min_lr_ratio = 0.1;
  double decay_fraction = 0.1;
  double weight_decay = 0.1;  // on matrices and embeddings
  bool decay_norms = false;   // on norms and biases too
  double beta1 = 0.9;
  double beta2 = 0.95;
  double adam_eps = 1e-8;
  double clip_norm = 1.0;  // 0: off
  // Gradients are summed in units of 2^-fraction_bits, 0 to 58 of them.
  int64_t fraction_bits = kDefault;
  BadGradient bad_gradient = BadGradient::kStop;

  // Mixture of experts.
  ExplorationOptions exploration;
  OverflowOptions overflow;
  BalanceOptions balance;
  int64_t max_rows_per_rank = 0;  // of expert inputs; 0: no limit
  // Files of routing (docs/routing_trace.md): one that this run writes, and one
  // whose experts it takes. Empty: none.
  std::string routing_trace;
  std::string routing_replay;
  // Share of an expert's intermediate activation that is dropped in training
  // (moe/expert_dropout.h); 0: off.
  double expert_dropout = 0.0;

  // How it is computed; no bit depends on these, apart from the instruction
  // set.
  int64_t expert_parallel = 0;  // width; 0: DefaultExpertParallel
  int64_t threads = 0;          // of a rank; 0: its share of the node's cores
  Recompute recompute = Recompute::kNone;
  DeviceKind device = DeviceKind::kCpu;
  // kRun changes something on a GPU only: gradients are then summed in fp32,
  // and a product takes all rows of an expert (docs/gpu.md).
  Determinism determinism = Determinism::kDefault;
  // Parts in which the rows of a layer travel, so that a part's experts compute
  // while others are under way.
  int64_t overlap_chunks = 1;
  std::string isa;              // kernels/instruction_set.h; empty: the best
  double comm_timeout = 300.0;  // seconds

  // Evaluation and reports.
  bool has_eval_data = false;
  int64_t eval_every = kDefault;  // steps; 0: never
  int64_t eval_batches = 8;       // of global_batch sequences; 0: all there are
  int64_t log_every = 1;          // steps between console lines
  int64_t layer_metrics_every = 1;  // steps between StepMetrics::layers; 0: off
  int64_t stop_at = 0;              // ends after this step; 0: after `steps`
  // Steps between checkpoints, whose snapshot the plan counts; 0: none. Who
  // runs the trainer writes them (checkpoint/checkpoint_writer.h).
  int64_t checkpoint_every = 0;
};

// Replaces what is kDefault.
void FillDefaults(TrainOptions* options);

// An error, one sentence that names the option as a flag, if a number is out of
// its range or two options contradict each other. Checks the model too.
absl::Status Validate(const TrainOptions& options);

// The smallest divisor b of global_batch that gives an expert at least 128 rows
// of a micro-batch on average, b · seq_len · k / E >= 128 (in integers), else
// global_batch itself.
int64_t DefaultMicroBatch(const ModelConfig& model, int64_t global_batch,
                          int64_t seq_len);

// Whether gradients are summed in fp32: on a GPU, with Determinism::kRun.
bool SumsFloats(const TrainOptions& options);

// What happens to overflow in a training step or an evaluation.
OverflowRule OverflowRuleOf(const TrainOptions& options, bool training);

// Rows that an expert takes of a micro-batch in training; 0: dropless.
int64_t ExpertCapacity(const TrainOptions& options);
// The most that one takes of a micro-batch in training or in an evaluation; 0:
// no limit.
int64_t MostExpertRows(const TrainOptions& options);

// The widest expert parallelism that divides experts, ranks and, if the ranks
// are on several nodes, ranks_per_node (the greatest common divisor of the
// nodes' numbers of ranks).
int64_t DefaultExpertParallel(int64_t experts, int64_t ranks,
                              int64_t ranks_per_node);

// An error if `width` does not divide both the experts and the ranks.
absl::Status CheckExpertParallel(int64_t width, int64_t experts, int64_t ranks);

// The step that a run ends with.
int64_t LastStep(const TrainOptions& options);

// Whether there is an evaluation when `step` steps are done.
bool EvaluatesAfter(const TrainOptions& options, int64_t step);

// Whether the step, counted from 1, has metrics of each layer.
bool ReportsLayers(const TrainOptions& options, int64_t step);

// The names that flags and files use.
const char* NameOf(Schedule schedule);
const char* NameOf(BadGradient policy);
const char* NameOf(Recompute recompute);
const char* NameOf(Determinism determinism);
const char* NameOf(DeviceKind device);

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_TRAIN_OPTIONS_H_
