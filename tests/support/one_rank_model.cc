// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/tests/support/one_rank_model.h"

#include <cmath>
#include <numeric>

#include "switchyard/comm/self/self_communicator.h"

namespace switchyard::testing {

OneRankModel::OneRankModel(const TrainOptions& options)
    : options_(options),
      world_(comm::NewSelfCommunicator()),
      grid_(*Grid::Create(*world_, 1, static_cast<int>(options.model.experts))),
      runner_(options, grid_, device_),
      statistics_(runner_.stream(), *world_,
                  options.global_batch / options.micro_batch,
                  static_cast<int>(ExpertLayerCount(options.model)),
                  static_cast<int>(options.model.experts)) {}

absl::Status OneRankModel::Start(absl::Span<const Batch> batches) {
  statistics_.Clear();
  for (size_t i = 0; i < batches.size(); ++i) {
    int64_t labels = 0, valid = 0;
    for (int32_t label : batches[i].labels) labels += label != kNoLabel;
    for (uint8_t mark : batches[i].valid) valid += mark;
    statistics_.SetTokens(static_cast<int64_t>(i), labels, valid);
  }
  absl::Status status = statistics_.ShareTokens(false);
  runner_.store().ZeroGradients(runner_.stream());
  return status;
}

absl::Status OneRankModel::Train(absl::Span<const Batch> batches,
                                 absl::Span<const int64_t> chosen) {
  absl::Status status = Start(batches);
  for (int64_t index : chosen) {
    status.Update(runner_.Train(&batches[index], index, statistics_));
  }
  status.Update(statistics_.ShareResults());
  return status;
}

absl::Status OneRankModel::TrainTogether(absl::Span<const Batch> batches) {
  absl::Status status = Start(batches);
  std::vector<MicroBatch> rounds;
  for (const Batch& batch : batches) {
    rounds.push_back({&batch, static_cast<int64_t>(rounds.size())});
  }
  status.Update(runner_.Train(rounds, statistics_));
  status.Update(statistics_.ShareResults());
  return status;
}

absl::Status OneRankModel::Train(absl::Span<const Batch> batches) {
  std::vector<int64_t> all(batches.size());
  std::iota(all.begin(), all.end(), 0);
  return Train(batches, all);
}

absl::Status OneRankModel::Evaluate(absl::Span<const Batch> batches) {
  absl::Status status = Start(batches);
  status.Update(runner_.Evaluate(&batches[0], 0, statistics_));
  status.Update(statistics_.ShareResults());
  return status;
}

PlainWeights OneRankModel::Weights() {
  PlainWeights weights;
  for (const auto& parameter : runner_.store().parameters()) {
    const float* values = parameter->weight.data<float>();
    weights[parameter->name].assign(values,
                                    values + parameter->element_count());
  }
  for (const auto& state : runner_.store().states()) {
    const float* values = state->values.data<float>();
    weights[state->name].assign(values, values + state->shape.element_count());
  }
  return weights;
}

std::vector<int64_t> OneRankModel::GradientUnits(const Parameter& parameter) {
  const int64_t* units = parameter.gradient.sum.data<int64_t>();
  return std::vector<int64_t>(units, units + parameter.element_count());
}

std::vector<double> OneRankModel::Gradient(const Parameter& parameter) {
  std::vector<double> gradient;
  for (int64_t units : GradientUnits(parameter)) {
    gradient.push_back(std::ldexp(static_cast<double>(units),
                                  -static_cast<int>(options_.fraction_bits)));
  }
  return gradient;
}

}  // namespace switchyard::testing
