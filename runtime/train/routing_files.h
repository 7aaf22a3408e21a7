// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The files of routing that options name, as all ranks see them. Collective
// calls of `world`, also where no file is named; errors are agreed upon.
#ifndef SWITCHYARD_RUNTIME_TRAIN_ROUTING_FILES_H_
#define SWITCHYARD_RUNTIME_TRAIN_ROUTING_FILES_H_

#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "switchyard/comm/communicator.h"
#include "switchyard/runtime/train/options.h"
#include "switchyard/runtime/train/routing_replay.h"

namespace switchyard {

// The file to replay, the same on every rank; null where none is named.
absl::StatusOr<std::unique_ptr<RoutingReplay>> OpenReplay(
    const TrainOptions& options, comm::Communicator& world);

// What a trainer would find wrong with the files, found before one is made.
// Leaves none behind.
absl::Status CheckRoutingFiles(const TrainOptions& options,
                               comm::Communicator& world);

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_TRAIN_ROUTING_FILES_H_
