// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/tests/support/checkpoint_run.h"

#include <algorithm>
#include <cmath>
#include <mutex>

#include "switchyard/base/cpu/cpu_device.h"
#include "switchyard/base/philox.h"
#include "switchyard/base/status.h"
#include "switchyard/comm/thread/thread_communicator.h"
#include "switchyard/runtime/checkpoint/checkpoint.h"
#include "switchyard/runtime/checkpoint/restore.h"
#include "switchyard/runtime/train/model_runner.h"

namespace switchyard::testing {
namespace {

// Sequences [first, first + count).
Batch Part(const Batch& batch, int64_t first, int64_t count) {
  const int64_t begin = first * batch.sequence_length;
  const int64_t end = begin + count * batch.sequence_length;
  Batch part;
  part.sequences = count;
  part.sequence_length = batch.sequence_length;
  part.ids.assign(batch.ids.begin() + begin, batch.ids.begin() + end);
  part.labels.assign(batch.labels.begin() + begin, batch.labels.begin() + end);
  part.valid.assign(batch.valid.begin() + begin, batch.valid.begin() + end);
  for (int64_t i = 0; i < count; ++i) part.sequence_index.push_back(first + i);
  return part;
}

// Shows the weights and the state that a rank holds.
absl::Status VisitWeights(ParameterStore& store, StateVisitor& visitor) {
  for (const auto& parameter : store.parameters()) {
    if (!parameter->owned) continue;
    SWITCHYARD_RETURN_IF_ERROR(visitor.Visit(
        {parameter->name, parameter->shape, 0,
         parameter->weight.Reshaped({parameter->element_count()}), true}));
  }
  for (const auto& state : store.states()) {
    SWITCHYARD_RETURN_IF_ERROR(visitor.Visit(
        {state->name, state->shape, 0,
         state->values.Reshaped({state->shape.element_count()}), true}));
  }
  return absl::OkStatus();
}

class RankRun {
 public:
  RankRun(const TrainOptions& options, const Grid& grid, const Batch& batch)
      : options_(options),
        grid_(grid),
        batch_(batch),
        runner_(options, grid, device_),
        arena_(device_),
        decisions_(device_),
        host_(device_) {}

  absl::Status Restore(const std::string& path) {
    SWITCHYARD_ASSIGN_OR_RETURN(Checkpoint checkpoint, Checkpoint::Open(path));
    return RestoreWeights(checkpoint, runner_.store(), runner_.stream(),
                          [&](StateVisitor& visitor) {
                            return VisitWeights(runner_.store(), visitor);
                          });
  }

  // Logits and choices, into the rank's part of `result`.
  absl::Status Forward(CheckpointRun& result, std::mutex& mutex) {
    const int64_t tokens = static_cast<int64_t>(batch_.ids.size());
    const Execution run{runner_.stream(), arena_, decisions_, host_, {},
                        nullptr,          0};
    const TensorView ids = run.New(DType::kInt32, {tokens});
    const TensorView labels = run.New(DType::kInt32, {tokens});
    const TensorView valid = run.New(DType::kUInt8, {tokens});
    runner_.stream().CopyToDevice(ids, batch_.ids.data());
    runner_.stream().CopyToDevice(labels, batch_.labels.data());
    runner_.stream().CopyToDevice(valid, batch_.valid.data());
    SWITCHYARD_ASSIGN_OR_RETURN(
        const Transformer::Saved saved,
        runner_.model().Forward(run, {ids, labels, valid, rank(), false}));
    runner_.stream().Wait();
    const std::lock_guard<std::mutex> lock(mutex);
    KeepLogits(saved, result);
    for (int layer = 0; layer < options_.model.layers; ++layer) {
      if (HasExperts(options_.model, layer)) {
        KeepChoices(saved.blocks[layer].decision, layer, result);
      }
    }
    return absl::OkStatus();
  }

  absl::Status Train(CheckpointRun& result, std::mutex& mutex) {
    StepStatistics statistics(
        runner_.stream(), grid_.world(), grid_.world().size(),
        static_cast<int>(ExpertLayerCount(options_.model)),
        static_cast<int>(options_.model.experts));
    statistics.Clear();
    int64_t labels = 0, valid = 0;
    for (const int32_t label : batch_.labels) labels += label != kNoLabel;
    for (const uint8_t mark : batch_.valid) valid += mark;
    statistics.SetTokens(rank(), labels, valid);
    SWITCHYARD_RETURN_IF_ERROR(statistics.ShareTokens(false));
    runner_.store().ZeroGradients(runner_.stream());
    SWITCHYARD_RETURN_IF_ERROR(runner_.Train(&batch_, rank(), statistics));
    SWITCHYARD_RETURN_IF_ERROR(statistics.ShareResults());
    runner_.stream().Wait();
    const std::lock_guard<std::mutex> lock(mutex);
    result.loss =
        statistics.loss_sum() / static_cast<double>(statistics.total_labels());
    result.balance = statistics.balance();
    for (const auto& parameter : runner_.store().parameters()) {
      if (parameter->owned) KeepGradient(*parameter, result);
    }
    return absl::OkStatus();
  }

 private:
  int rank() const { return grid_.world().rank(); }

  void KeepLogits(const Transformer::Saved& saved, CheckpointRun& result) {
    const int64_t tokens = static_cast<int64_t>(batch_.ids.size());
    const int64_t hidden = options_.model.hidden_size;
    const int64_t vocabulary = options_.model.vocabulary;
    const float* head =
        runner_.store().Get("lm_head.weight").weight.data<float>();
    const float* states = saved.hidden().data<float>();
    for (int64_t t = 0; t < tokens; ++t) {
      for (int64_t v = 0; v < vocabulary; ++v) {
        double sum = 0.0;
        for (int64_t i = 0; i < hidden; ++i) {
          sum += static_cast<double>(states[t * hidden + i]) *
                 static_cast<double>(head[v * hidden + i]);
        }
        result.logits[(rank() * tokens + t) * vocabulary + v] = sum;
      }
    }
  }

  void KeepChoices(const MoeLayer::Decision& decision, int layer,
                   CheckpointRun& result) {
    const int64_t count = decision.router.experts.element_count();
    const int64_t choices = options_.model.choices();
    std::vector<int32_t>& all = result.experts[layer];
    all.resize(static_cast<size_t>(count * grid_.world().size()));
    const auto own = all.begin() + rank() * count;
    std::copy_n(decision.router.experts.data<int32_t>(), count, own);
    for (int64_t i = 0; i < count; i += choices) {
      std::sort(own + i, own + i + choices);
    }
  }

  // Ranks that hold the same parameter hold the sums of their own tokens.
  void KeepGradient(const Parameter& parameter, CheckpointRun& result) {
    std::vector<double>& sum = result.gradient[parameter.name];
    sum.resize(static_cast<size_t>(parameter.element_count()));
    const int64_t* units = parameter.gradient.sum.data<int64_t>();
    for (size_t i = 0; i < sum.size(); ++i) {
      sum[i] += std::ldexp(static_cast<double>(units[i]),
                           -static_cast<int>(options_.fraction_bits));
    }
  }

  const TrainOptions options_;
  const Grid& grid_;
  const Batch batch_;
  CpuDevice device_;
  ModelRunner runner_;
  Arena arena_, decisions_, host_;
};

TrainOptions OptionsOf(const ModelConfig& model, const Batch& batch,
                       const CheckpointRunOptions& run) {
  TrainOptions options;
  options.model = model;
  options.seq_len = batch.sequence_length;
  options.global_batch = batch.sequences;
  options.micro_batch = batch.sequences / run.ranks;
  if (ExpertLayerCount(model) > 0) {
    options.balance.loss = BalanceLossKind::kHfMixtral;
    options.balance.scope = BalanceScope::kGlobal;
  }
  if (!run.balances) options.model.balance_loss_coef = 0.0;
  FillDefaults(&options);
  return options;
}

}  // namespace

absl::StatusOr<ModelConfig> ModelOf(const std::string& checkpoint) {
  SWITCHYARD_ASSIGN_OR_RETURN(const Checkpoint opened,
                              Checkpoint::Open(checkpoint));
  return ParseModelConfig(opened.manifest().run.model, checkpoint);
}

absl::StatusOr<CheckpointRun> RunCheckpoint(const std::string& checkpoint,
                                            const Batch& batch,
                                            const CheckpointRunOptions& run) {
  SWITCHYARD_ASSIGN_OR_RETURN(const ModelConfig model, ModelOf(checkpoint));
  const TrainOptions options = OptionsOf(model, batch, run);
  CheckpointRun result;
  result.vocabulary = model.vocabulary;
  result.logits.assign(batch.ids.size() * model.vocabulary, NAN);
  std::mutex mutex;
  const int width = static_cast<int>(
      DefaultExpertParallel(model.experts, run.ranks, run.ranks));
  SWITCHYARD_RETURN_IF_ERROR(comm::RunRanks(
      run.ranks, {}, [&](comm::Communicator& world) -> absl::Status {
        SWITCHYARD_ASSIGN_OR_RETURN(
            const Grid grid,
            Grid::Create(world, width, static_cast<int>(model.experts)));
        const int64_t own = options.micro_batch;
        RankRun rank(options, grid, Part(batch, world.rank() * own, own));
        SWITCHYARD_RETURN_IF_ERROR(rank.Restore(checkpoint));
        SWITCHYARD_RETURN_IF_ERROR(rank.Forward(result, mutex));
        return rank.Train(result, mutex);
      }));
  return result;
}

Batch SomeBatch(int64_t vocabulary, int64_t sequences, int64_t length,
                uint64_t seed) {
  Batch batch;
  batch.sequences = sequences;
  batch.sequence_length = length;
  for (int64_t i = 0; i < sequences * length; ++i) {
    const auto next = [&](int64_t at) {
      return static_cast<int32_t>(MixKey(seed, std::to_string(at)) %
                                  static_cast<uint64_t>(vocabulary));
    };
    batch.ids.push_back(next(i));
    batch.labels.push_back(next(i + 1));
    batch.valid.push_back(1);
  }
  for (int64_t i = 0; i < sequences; ++i) batch.sequence_index.push_back(i);
  return batch;
}

}  // namespace switchyard::testing
