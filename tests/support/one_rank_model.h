// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// A model on one rank whose gradient and weights a test can read.
#ifndef SWITCHYARD_TESTS_SUPPORT_ONE_RANK_MODEL_H_
#define SWITCHYARD_TESTS_SUPPORT_ONE_RANK_MODEL_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "switchyard/base/cpu/cpu_device.h"
#include "switchyard/comm/communicator.h"
#include "switchyard/runtime/train/model_runner.h"
#include "switchyard/tests/support/plain_model.h"

namespace switchyard::testing {

class OneRankModel {
 public:
  explicit OneRankModel(const TrainOptions& options);

  // Forward and backward of the step's micro-batches `chosen`; `batches` are
  // all micro-batches of the step. Gradients start from zero.
  absl::Status Train(absl::Span<const Batch> batches,
                     absl::Span<const int64_t> chosen);
  // The same for all of them.
  absl::Status Train(absl::Span<const Batch> batches);
  // The same, all forward passes before the first backward pass.
  absl::Status TrainTogether(absl::Span<const Batch> batches);

  // Forward of the first of them alone, as in an evaluation.
  absl::Status Evaluate(absl::Span<const Batch> batches);

  // Of what follows, for random numbers; 0 at first.
  void SetStep(int64_t step) { runner_.SetStep(step); }

  PlainWeights Weights();
  // The sum of gradients in fixed-point units, and as numbers.
  std::vector<int64_t> GradientUnits(const Parameter& parameter);
  std::vector<double> Gradient(const Parameter& parameter);

  const ParameterStore& store() { return runner_.store(); }
  Stream& stream() { return runner_.stream(); }
  const StepStatistics& statistics() const { return statistics_; }

 private:
  absl::Status Start(absl::Span<const Batch> batches);

  const TrainOptions options_;
  CpuDevice device_;
  std::unique_ptr<comm::Communicator> world_;
  Grid grid_;
  ModelRunner runner_;
  StepStatistics statistics_;
};

}  // namespace switchyard::testing

#endif  // SWITCHYARD_TESTS_SUPPORT_ONE_RANK_MODEL_H_
