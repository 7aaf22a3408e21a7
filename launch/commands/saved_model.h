// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The model of a checkpoint on the ranks of a command that does not train.
#ifndef SWITCHYARD_LAUNCH_COMMANDS_SAVED_MODEL_H_
#define SWITCHYARD_LAUNCH_COMMANDS_SAVED_MODEL_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "switchyard/comm/communicator.h"
#include "switchyard/launch/device.h"
#include "switchyard/launch/flags/flag_set.h"
#include "switchyard/runtime/checkpoint/checkpoint.h"
#include "switchyard/runtime/nn/model_config.h"
#include "switchyard/runtime/nn/parameter.h"
#include "switchyard/runtime/parallel/grid.h"

namespace switchyard::launch {

struct SavedModelFlags {
  std::string checkpoint;
  std::optional<DType> dtype;  // absent: the checkpoint's
  int64_t expert_parallel = 0;
  DeviceKind device = DeviceKind::kCpu;
  Transport transport = Transport::kAuto;
  int64_t threads = 0;
  std::string isa;
  double comm_timeout = 300.0;
};
// Those of the computation; `checkpoint` is its own command's first.
void AddCheckpointFlag(SavedModelFlags* flags, FlagSet* set);
void AddRankFlags(SavedModelFlags* flags, FlagSet* set);

// --tokenizer; by default that of the run that wrote the checkpoint.
void AddTokenizerFlag(std::string* tokenizer, FlagSet* set);

struct SavedModel {
  Checkpoint checkpoint;
  ModelConfig config;
  DType dtype = DType::kFloat32;
};

// The tokenizer's name or path: `flag` if it was given.
std::string TokenizerOf(const SavedModel& model, const std::string& flag);

// These are collective calls, and every rank gets the same status.
//
// Rank 0 looks for the checkpoint, all ranks open what it found.
absl::StatusOr<SavedModel> OpenSavedModel(const SavedModelFlags& flags,
                                          comm::Communicator& world);
// Fixes the ranks' instruction set, and this rank's device.
absl::StatusOr<RankDevice> PrepareRank(const SavedModelFlags& flags,
                                       comm::Communicator& world);
// Their layout.
absl::StatusOr<Grid> MakeGrid(const SavedModelFlags& flags,
                              const ModelConfig& config,
                              comm::Communicator& world);
// Fills the store, and waits for all ranks.
absl::Status LoadWeights(SavedModel& model, const ParameterStore& store,
                         Stream& stream, comm::Communicator& world);

}  // namespace switchyard::launch

#endif  // SWITCHYARD_LAUNCH_COMMANDS_SAVED_MODEL_H_
