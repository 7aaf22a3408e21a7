// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Whether all ranks were told the same. Ranks that were not (a stale copy of
// the data on one host, a flag of an older script) would train something that
// nobody asked for, or wait for calls that others never make.
#ifndef SWITCHYARD_RUNTIME_TRAIN_SAME_RUN_H_
#define SWITCHYARD_RUNTIME_TRAIN_SAME_RUN_H_

#include "absl/status/status.h"
#include "switchyard/comm/communicator.h"
#include "switchyard/runtime/data/data_source.h"
#include "switchyard/runtime/train/options.h"

namespace switchyard {

// An error that names the first flag (or the data) in which ranks differ, and
// those that differ from rank 0. Options that neither touch a number nor decide
// which collectives are called may differ: threads, reports, the deadline. A
// collective call of `world`.
absl::Status CheckSameRun(comm::Communicator& world,
                          const TrainOptions& options, const DataSource& data);

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_TRAIN_SAME_RUN_H_
