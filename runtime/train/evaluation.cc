// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/train/evaluation.h"

#include <algorithm>
#include <cmath>

#include "switchyard/base/status.h"
#include "switchyard/runtime/parallel/agreement.h"
#include "switchyard/runtime/train/batch_check.h"

namespace switchyard {
namespace {

int64_t MicroBatches(const TrainOptions& options, const DataSource& data) {
  int64_t sequences = data.eval_sequence_count();
  if (options.eval_batches > 0) {
    sequences =
        std::min(sequences, options.eval_batches * options.global_batch);
  }
  return (sequences + options.micro_batch - 1) / options.micro_batch;
}

absl::Status Load(const TrainOptions& options, int64_t micro_batch,
                  DataSource& data, Batch* batch, StepStatistics& statistics) {
  SWITCHYARD_RETURN_IF_ERROR(data.FillEval(micro_batch * options.micro_batch,
                                           options.micro_batch, batch));
  SWITCHYARD_RETURN_IF_ERROR(CheckBatch(*batch, options));
  CountTokens(*batch, micro_batch, statistics);
  return absl::OkStatus();
}

EvalMetrics MetricsOf(const StepStatistics& statistics,
                      const DataSource& data) {
  EvalMetrics metrics;
  metrics.tokens = statistics.total_labels();
  if (metrics.tokens > 0) {
    metrics.eval_loss =
        statistics.loss_sum() / static_cast<double>(metrics.tokens);
    const double bytes = data.bytes_per_token();
    if (bytes > 0.0) {
      metrics.bits_per_byte = *metrics.eval_loss / std::log(2.0) / bytes;
    }
  }
  return metrics;
}

}  // namespace

absl::StatusOr<EvalMetrics> Evaluate(const TrainOptions& options,
                                     comm::Communicator& world,
                                     ModelRunner& runner, DataSource& data) {
  const int64_t micro_batches = MicroBatches(options, data);
  if (micro_batches == 0) return EvalMetrics();
  StepStatistics statistics(runner.stream(), world, micro_batches,
                            static_cast<int>(ExpertLayerCount(options.model)),
                            static_cast<int>(options.model.experts));
  statistics.Clear();
  absl::Status loaded;
  Batch loaded_batch;
  for (int64_t first = 0; first < micro_batches; first += world.size()) {
    const int64_t index = first + world.rank();
    const Batch* batch = nullptr;
    if (index < micro_batches && loaded.ok()) {
      loaded = Load(options, index, data, &loaded_batch, statistics);
      if (loaded.ok()) batch = &loaded_batch;
    }
    SWITCHYARD_RETURN_IF_ERROR(runner.Evaluate(batch, index, statistics));
  }
  SWITCHYARD_RETURN_IF_ERROR(statistics.ShareTokens(!loaded.ok()));
  if (statistics.any_rank_failed()) {
    SWITCHYARD_RETURN_IF_ERROR(AgreeOnStatus(world, loaded));
  }
  SWITCHYARD_RETURN_IF_ERROR(statistics.ShareResults());
  return MetricsOf(statistics, data);
}

}  // namespace switchyard
