// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// What a data source may get wrong, before an operator meets it.
#ifndef SWITCHYARD_RUNTIME_TRAIN_BATCH_CHECK_H_
#define SWITCHYARD_RUNTIME_TRAIN_BATCH_CHECK_H_

#include "absl/status/status.h"
#include "switchyard/runtime/data/data_source.h"
#include "switchyard/runtime/train/options.h"
#include "switchyard/runtime/train/step_statistics.h"

namespace switchyard {

// InvalidArgument, one sentence, if a micro-batch has other sizes than the
// options say, ids or labels outside the vocabulary, valid marks other than 0
// and 1, or replayed experts that the model cannot have.
absl::Status CheckBatch(const Batch& batch, const TrainOptions& options);

// Tells the statistics how many labels and valid tokens it holds.
void CountTokens(const Batch& batch, int64_t micro_batch,
                 StepStatistics& statistics);

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_TRAIN_BATCH_CHECK_H_
