// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/tests/support/layout_run.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <mutex>

#include "absl/strings/str_cat.h"
#include "switchyard/base/cpu/cpu_device.h"
#include "switchyard/base/cuda/cuda_device.h"
#include "switchyard/base/guarded/guarded_device.h"
#include "switchyard/base/status.h"
#include "switchyard/comm/thread/thread_communicator.h"
#include "switchyard/runtime/nn/weights_checksum.h"
#include "switchyard/runtime/train/trainer.h"
#include "switchyard/tests/support/any_device.h"
#include "switchyard/tests/support/state_values.h"
#include "switchyard/tests/support/synthetic_data.h"

namespace switchyard::testing {
namespace {

std::vector<double> LayerNumbers(const StepMetrics& metrics) {
  std::vector<double> numbers;
  for (const LayerMetrics& layer : metrics.layers) {
    for (const double number :
         {layer.max_load, layer.max_vio,
          static_cast<double>(layer.dead_experts), layer.entropy,
          layer.dropped_share, layer.balance_loss, layer.balance_loss_scaled,
          layer.z_loss, layer.z_loss_scaled, layer.bias_min.value_or(0.0),
          layer.bias_max.value_or(0.0), layer.repeat_first,
          layer.repeat_first_or_second}) {
      numbers.push_back(number);
    }
  }
  return numbers;
}

absl::Status Record(const StepMetrics& metrics, Trainer& trainer,
                    RunRecord& record) {
  record.losses.push_back(
      metrics.loss.value_or(std::numeric_limits<double>::quiet_NaN()));
  record.balance_losses.push_back(metrics.balance_loss);
  record.z_losses.push_back(metrics.z_loss);
  record.norms.push_back(metrics.grad_norm);
  record.dropped.push_back(metrics.dropped);
  record.max_loads.push_back(metrics.max_load);
  record.tokens.push_back(metrics.tokens);
  record.layers.push_back(LayerNumbers(metrics));
  record.assigned.emplace_back(trainer.assigned().begin(),
                               trainer.assigned().end());
  const auto copy = [](absl::Span<const int64_t> counts) {
    return std::vector<int64_t>(counts.begin(), counts.end());
  };
  const StepStatistics& statistics = trainer.statistics();
  record.over_capacity.push_back(copy(statistics.over_capacity()));
  record.rerouted.push_back(copy(statistics.rerouted()));
  record.lost_tokens.push_back(copy(statistics.lost_tokens()));
  SWITCHYARD_ASSIGN_OR_RETURN(
      std::vector<int64_t> checksums,
      ParameterChecksums(trainer.runner().stream(), trainer.grid(),
                         trainer.runner().store()));
  record.checksums.push_back(std::move(checksums));
  return absl::OkStatus();
}

absl::Status RunRank(comm::Communicator& world, const Layout& layout,
                     const TrainOptions& options, DataSource& data,
                     const RouterFactory* routers, RunRecord& record) {
  const std::unique_ptr<Device> device = MakeDevice(layout);
  TrainerParts parts;
  parts.data = &data;
  parts.routers = routers;
  SWITCHYARD_ASSIGN_OR_RETURN(
      const std::unique_ptr<Trainer> trainer,
      Trainer::Create(options, world, *device, std::move(parts)));
  SetStateValues(trainer->runner().stream(), trainer->runner().store(),
                 options.seed);
  for (int64_t step = 0; step < options.steps; ++step) {
    SWITCHYARD_ASSIGN_OR_RETURN(const StepMetrics metrics, trainer->Step());
    SWITCHYARD_RETURN_IF_ERROR(Record(metrics, *trainer, record));
  }
  SWITCHYARD_ASSIGN_OR_RETURN(const EvalMetrics eval, trainer->Evaluate());
  record.eval_loss = eval.eval_loss.value_or(0.0);
  record.bits_per_byte = eval.bits_per_byte.value_or(0.0);
  record.eval_tokens = eval.tokens;
  return absl::OkStatus();
}

template <typename T>
bool SameBits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() &&
         (a.empty() ||
          std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}

template <typename T>
std::string FirstDifference(const char* what, const std::vector<T>& a,
                            const std::vector<T>& b) {
  if (SameBits(a, b)) return "";
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    if (std::memcmp(&a[i], &b[i], sizeof(T)) != 0) {
      return absl::StrCat(what, " differ first at ", i, ": ", a[i], " and ",
                          b[i], "; ");
    }
  }
  return absl::StrCat(what, " differ in number; ");
}

template <typename T>
std::string FirstDifference(const char* what,
                            const std::vector<std::vector<T>>& a,
                            const std::vector<std::vector<T>>& b) {
  if (a.size() != b.size()) return absl::StrCat(what, " differ in number; ");
  for (size_t step = 0; step < a.size(); ++step) {
    const std::string found = FirstDifference(what, a[step], b[step]);
    if (!found.empty()) return absl::StrCat("step ", step, ": ", found);
  }
  return "";
}

}  // namespace

std::unique_ptr<Device> MakeDevice(const Layout& layout) {
  if (TestsCuda()) return std::make_unique<AnyDevice>();
  if (layout.gpu) {
    auto gpu = NewCudaDevice(0);
    SWITCHYARD_CHECK(gpu.ok()) << gpu.status();
    return *std::move(gpu);
  }
  if (layout.guarded) return std::make_unique<GuardedDevice>(layout.threads);
  return std::make_unique<CpuDevice>(layout.threads);
}

TrainOptions OptionsFor(const Layout& layout, TrainOptions options) {
  options.device =
      TestsCuda() || layout.gpu ? DeviceKind::kCuda : DeviceKind::kCpu;
  options.expert_parallel = layout.width;
  return options;
}

std::string Layout::ToString() const {
  return absl::StrCat(ranks, " ranks, width ", width, ", ", threads, " threads",
                      guarded ? ", guarded" : "", gpu ? ", on a GPU" : "");
}

TrainOptions SmallRun() {
  TrainOptions options;
  ModelConfig& model = options.model;
  model.hidden_size = 32;
  model.intermediate_size = 24;
  model.layers = 2;
  model.heads = 4;
  model.kv_heads = 2;
  model.head_dim = 8;
  model.experts = 8;
  model.experts_per_token = 2;
  model.vocabulary = 48;
  model.rope_theta = 10000.0;
  model.rms_norm_eps = 1e-5f;
  model.initializer_range = 0.1f;
  model.balance_loss_coef = 0.01;
  model.router_z_loss_coef = 0.001;
  options.seq_len = 24;
  options.global_batch = 8;
  options.micro_batch = 2;
  options.steps = 20;
  options.lr = 3e-3;
  options.schedule = Schedule::kCosine;
  options.warmup_steps = 2;
  options.clip_norm = 1.0;
  options.seed = 5;
  options.eval_batches = 1;
  options.threads = 1;
  FillDefaults(&options);
  return options;
}

TrainOptions WideRun() {
  TrainOptions options = SmallRun();
  ModelConfig& model = options.model;
  model.hidden_size = 256;
  model.intermediate_size = 320;
  model.layers = 1;
  model.heads = 4;
  model.kv_heads = 2;
  model.head_dim = 64;
  model.vocabulary = 300;
  model.initializer_range = 0.05f;
  options.seq_len = 160;
  options.steps = 3;
  options.warmup_steps = 0;
  FillDefaults(&options);
  return options;
}

absl::StatusOr<RunRecord> RunOn(const Layout& layout,
                                const TrainOptions& options,
                                const std::function<void(Batch&)>& edit,
                                const RouterFactory* routers) {
  const TrainOptions run = OptionsFor(layout, options);
  SWITCHYARD_RETURN_IF_ERROR(Validate(run));
  std::vector<RunRecord> records(layout.ranks);
  comm::Options comm_options;
  comm_options.timeout_seconds = 60;
  SWITCHYARD_RETURN_IF_ERROR(comm::RunRanks(
      layout.ranks, comm_options, [&](comm::Communicator& world) {
        SyntheticData data(run.model.vocabulary, run.seq_len, run.global_batch);
        data.edit = edit;
        return RunRank(world, layout, run, data, routers,
                       records[world.rank()]);
      }));
  for (int rank = 1; rank < layout.ranks; ++rank) {
    const std::string difference = Difference(records[0], records[rank]);
    if (!difference.empty()) {
      return absl::InternalError(
          absl::StrCat("rank ", rank, " saw another run: ", difference));
    }
  }
  return records[0];
}

std::string Difference(const RunRecord& expected, const RunRecord& actual) {
  return absl::StrCat(
      FirstDifference("losses", expected.losses, actual.losses),
      FirstDifference("balance losses", expected.balance_losses,
                      actual.balance_losses),
      FirstDifference("z losses", expected.z_losses, actual.z_losses),
      FirstDifference("norms", expected.norms, actual.norms),
      FirstDifference("drops", expected.dropped, actual.dropped),
      FirstDifference("largest loads", expected.max_loads, actual.max_loads),
      FirstDifference("tokens", expected.tokens, actual.tokens),
      FirstDifference("assigned", expected.assigned, actual.assigned),
      FirstDifference("metrics of layers", expected.layers, actual.layers),
      FirstDifference("over capacity", expected.over_capacity,
                      actual.over_capacity),
      FirstDifference("rerouted", expected.rerouted, actual.rerouted),
      FirstDifference("lost tokens", expected.lost_tokens, actual.lost_tokens),
      FirstDifference("weights", expected.checksums, actual.checksums),
      FirstDifference(
          "evaluations (loss, bits per byte)",
          std::vector<double>{expected.eval_loss, expected.bits_per_byte},
          {actual.eval_loss, actual.bits_per_byte}),
      FirstDifference("evaluated tokens",
                      std::vector<int64_t>{expected.eval_tokens},
                      {actual.eval_tokens}));
}

}  // namespace switchyard::testing
