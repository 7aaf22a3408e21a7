// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The flags of `switchyard train` and `verify-layouts`, a group of their help a
// file: Add...Flags lists a group, and Check... or Resolve... finds what of it
// contradicts itself or has no effect, in one sentence. Those about experts are
// in routing_flags.h.
#ifndef SWITCHYARD_LAUNCH_COMMANDS_FLAG_GROUPS_H_
#define SWITCHYARD_LAUNCH_COMMANDS_FLAG_GROUPS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "switchyard/launch/commands/train_flags.h"
#include "switchyard/launch/flags/flag_set.h"

namespace switchyard::launch {

// run_flags.cc: model, data, steps, seed.
void AddRunFlags(TrainFlags* flags, FlagSet* set);
// What is reported where, and how much of the schedule is run.
void AddOutputFlags(TrainFlags* flags, FlagSet* set);

// verification_flags.cc: of `verify-layouts` instead.
void AddVerificationFlags(VerifyFlags* flags, FlagSet* set);
// What a run's flags.txt has besides, known in a file only.
void AddFlagsOfRun(TrainFlags* flags, TrainFlags* unused, FlagSet* set);
// How long the schedule is, how much of it is compared, what is passed over.
absl::Status ResolveVerificationSteps(const FlagSet& set, VerifyFlags* flags);

// data_flags.cc: the files of text or tokens; a part of the groups of
// run_flags.cc and verification_flags.cc.
void AddDataFlags(TrainFlags* flags, FlagSet* set);
void AddFilesFlag(std::vector<std::string>* files, FlagSet* set);
void AddDataFormatFlag(DataFormat* format, FlagSet* set);

// batch_flags.cc
void AddBatchFlags(TrainFlags* flags, FlagSet* set);

// optimizer_flags.cc: AdamW, the schedule, clipping.
void AddOptimizerFlags(TrainFlags* flags, FlagSet* set);
absl::Status CheckOptimizerFlags(const FlagSet& set, const TrainFlags& flags);

// computation_flags.cc: layout, device, dtype, threads, determinism.
void AddComputationFlags(TrainFlags* flags, FlagSet* set);
void AddTransportFlag(Transport* transport, FlagSet* set);
absl::Status CheckComputationFlags(const TrainFlags& flags);

// evaluation_flags.cc
void AddEvaluationFlags(TrainFlags* flags, FlagSet* set);
// The same but for what is taken from the text to train on.
void AddHeldOutFlags(TrainFlags* flags, FlagSet* set);
absl::Status CheckEvaluationFlags(const FlagSet& set, const TrainFlags& flags);

// checkpoint_flags.cc: what is written for later, and from where a run begins.
void AddCheckpointFlags(TrainFlags* flags, FlagSet* set);
absl::Status CheckCheckpointFlags(const FlagSet& set, const TrainFlags& flags);

// plan_flags.cc: --dry_run and for whom.
void AddPlanFlags(TrainFlags* flags, FlagSet* set);
absl::Status ResolvePlanFlags(const FlagSet& set, TrainFlags* flags);

// flag_aliases.cc: what other trainers call them.
void AddFlagAliases(FlagSet* set);

// train_flags.cc: all of `switchyard train`.
void AddTrainFlags(TrainFlags* flags, FlagSet* set);

}  // namespace switchyard::launch

#endif  // SWITCHYARD_LAUNCH_COMMANDS_FLAG_GROUPS_H_
