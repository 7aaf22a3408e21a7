// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The loss of a model on held-out text: what the trainer and `switchyard eval`
// compute. The same bits on every layout.
#ifndef SWITCHYARD_RUNTIME_TRAIN_EVALUATION_H_
#define SWITCHYARD_RUNTIME_TRAIN_EVALUATION_H_

#include "absl/status/statusor.h"
#include "switchyard/comm/communicator.h"
#include "switchyard/runtime/data/data_source.h"
#include "switchyard/runtime/train/metrics_sink.h"
#include "switchyard/runtime/train/model_runner.h"

namespace switchyard {

// The loss of options.eval_batches global batches of held-out text, or of all
// there is; absent where there is none. EvalMetrics::step stays 0. A collective
// call of the world; every rank gets the same status.
absl::StatusOr<EvalMetrics> Evaluate(const TrainOptions& options,
                                     comm::Communicator& world,
                                     ModelRunner& runner, DataSource& data);

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_TRAIN_EVALUATION_H_
