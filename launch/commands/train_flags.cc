// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/launch/commands/train_flags.h"

#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "switchyard/base/status.h"
#include "switchyard/launch/commands/flag_groups.h"
#include "switchyard/launch/commands/routing_flags.h"
#include "switchyard/launch/flags/flag_set.h"
#include "switchyard/launch/version.h"
#include "switchyard/runtime/checkpoint/checkpoint.h"
#include "switchyard/runtime/checkpoint/checkpoint_folder.h"

namespace switchyard::launch {
namespace {

// Ranks that are threads of one process.
constexpr int64_t kMostThreadRanks = 64;

absl::Status Require(const FlagSet& set, const char* name,
                     absl::string_view what) {
  if (set.Given(name)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("expected --", name, ", found none; give ", what));
}

absl::Status RequireModel(const FlagSet& set) {
  return Require(set, "model", "a config.json such as examples/models/small");
}

absl::Status RequireData(const FlagSet& set) {
  return Require(set, "data", "a file of text");
}

// The checkpoint that stands in for --model; empty: none.
std::string CheckpointOf(const TrainFlags& flags) {
  const bool from_path = !flags.resume.empty() && flags.resume != kResumeAuto;
  return from_path ? flags.resume : flags.init_from;
}

absl::StatusOr<ModelConfig> ModelOfCheckpoint(const std::string& path,
                                              const DecidedElsewhere& keys) {
  SWITCHYARD_ASSIGN_OR_RETURN(const std::string found, FindCheckpoint(path));
  SWITCHYARD_ASSIGN_OR_RETURN(const Checkpoint checkpoint,
                              Checkpoint::Open(found));
  return ParseModelConfig(checkpoint.manifest().run.model,
                          absl::StrCat("the model of ", found), keys);
}

// Coefficients that were given as flags stay; the model's own are looked for in
// its file.
absl::Status ReadModel(const FlagSet& set, TrainFlags* flags) {
  ModelConfig& model = flags->options.model;
  const double balance = model.balance_loss_coef;
  const double z = model.router_z_loss_coef;
  DecidedElsewhere keys;
  keys.balance_loss_coef = set.Given("balance_loss_coef");
  keys.router_z_loss_coef = set.Given("router_z_loss_coef");
  SWITCHYARD_ASSIGN_OR_RETURN(
      model, flags->model_path.empty()
                 ? ModelOfCheckpoint(CheckpointOf(*flags), keys)
                 : ReadModelConfig(flags->model_path, keys));
  if (keys.balance_loss_coef) model.balance_loss_coef = balance;
  if (keys.router_z_loss_coef) model.router_z_loss_coef = z;
  return absl::OkStatus();
}

// What does not depend on what the run is for.
absl::Status ResolveOptions(const FlagSet& set, TrainFlags* flags) {
  TrainOptions& options = flags->options;
  SWITCHYARD_RETURN_IF_ERROR(CheckComputationFlags(*flags));
  SWITCHYARD_RETURN_IF_ERROR(ReadModel(set, flags));
  // Before a capacity is asked for that would be refused in turn.
  SWITCHYARD_RETURN_IF_ERROR(CheckFlagsThatNeedExperts(set, options));
  SWITCHYARD_RETURN_IF_ERROR(ResolveOverflowFlags(set, &options.overflow));
  ResolveBalanceFlags(set, &options);
  options.has_eval_data =
      !flags->eval_data.empty() || flags->eval_fraction > 0.0;
  FillDefaults(&options);
  return Validate(options);
}

absl::Status Resolve(const FlagSet& set, TrainFlags* flags) {
  if (CheckpointOf(*flags).empty()) {
    SWITCHYARD_RETURN_IF_ERROR(RequireModel(set));
  }
  SWITCHYARD_RETURN_IF_ERROR(CheckOptimizerFlags(set, *flags));
  SWITCHYARD_RETURN_IF_ERROR(CheckEvaluationFlags(set, *flags));
  SWITCHYARD_RETURN_IF_ERROR(CheckCheckpointFlags(set, *flags));
  SWITCHYARD_RETURN_IF_ERROR(ResolvePlanFlags(set, flags));
  if (!flags->dry_run) {
    SWITCHYARD_RETURN_IF_ERROR(RequireData(set));
    SWITCHYARD_RETURN_IF_ERROR(Require(set, "out", "a new folder"));
  }
  return ResolveOptions(set, flags);
}

absl::Status ResolveVerification(const FlagSet& set, VerifyFlags* flags) {
  SWITCHYARD_RETURN_IF_ERROR(ResolveVerificationSteps(set, flags));
  SWITCHYARD_RETURN_IF_ERROR(RequireModel(set));
  SWITCHYARD_RETURN_IF_ERROR(RequireData(set));
  SWITCHYARD_RETURN_IF_ERROR(CheckOptimizerFlags(set, flags->train));
  SWITCHYARD_RETURN_IF_ERROR(CheckEvaluationFlags(set, flags->train));
  if (set.Given("max_ranks") &&
      (flags->max_ranks < 2 || flags->max_ranks > kMostThreadRanks)) {
    return absl::InvalidArgumentError(
        absl::StrCat("expected --max_ranks between 2 and ", kMostThreadRanks,
                     ", found ", flags->max_ranks, "; correct it"));
  }
  return ResolveOptions(set, &flags->train);
}

// Paths mean the same wherever the flagfile is read. What stands before a ".."
// may be a link, so only the system can tell where that leads.
std::string Absolute(const std::string& path) {
  std::error_code error;
  const std::filesystem::path absolute = std::filesystem::absolute(path, error);
  if (error || path.empty()) return path;
  std::filesystem::path result;
  for (const std::filesystem::path& part : absolute) {
    if (part != ".") result /= part;
  }
  return result.string();
}

void MakePathsAbsolute(TrainFlags* flags) {
  flags->model_path = Absolute(flags->model_path);
  flags->out = Absolute(flags->out);
  flags->init_from = Absolute(flags->init_from);
  if (flags->resume != kResumeAuto) flags->resume = Absolute(flags->resume);
  flags->options.routing_trace = Absolute(flags->options.routing_trace);
  flags->options.routing_replay = Absolute(flags->options.routing_replay);
  for (std::string& path : flags->data) path = Absolute(path);
  for (std::string& path : flags->eval_data) path = Absolute(path);
}

std::string VersionText() {
  return absl::StrCat("switchyard ", Version(), "\n");
}

// True if that is all that was asked for.
bool Answers(const FlagSet& set, TrainFlags* flags) {
  if (set.help_requested()) flags->help = set.Help();
  if (set.version_requested()) flags->help = VersionText();
  return set.help_requested() || set.version_requested();
}

}  // namespace

void AddTrainFlags(TrainFlags* flags, FlagSet* set) {
  AddRunFlags(flags, set);
  AddOutputFlags(flags, set);
  AddBatchFlags(flags, set);
  AddOptimizerFlags(flags, set);
  AddRoutingFlags(flags, set);
  AddComputationFlags(flags, set);
  AddEvaluationFlags(flags, set);
  AddCheckpointFlags(flags, set);
  AddPlanFlags(flags, set);
  AddFlagAliases(set);
}

absl::StatusOr<TrainFlags> ParseTrainFlags(
    absl::Span<const std::string> arguments) {
  TrainFlags flags;
  FlagSet set("switchyard train",
              "Trains a mixture-of-experts language model. Alone it is one "
              "rank; under mpirun -n R or srun it is R ranks, with the same "
              "bits.");
  AddTrainFlags(&flags, &set);
  SWITCHYARD_RETURN_IF_ERROR(set.Parse(arguments));
  if (Answers(set, &flags)) return flags;
  SWITCHYARD_RETURN_IF_ERROR(Resolve(set, &flags));
  MakePathsAbsolute(&flags);
  return flags;
}

absl::StatusOr<VerifyFlags> ParseVerifyFlags(
    absl::Span<const std::string> arguments) {
  VerifyFlags flags;
  TrainFlags unused;
  TrainFlags* train = &flags.train;
  FlagSet set("switchyard verify-layouts",
              "Trains a few steps on one rank and on other layouts, and "
              "compares every bit. Alone its ranks are threads of this "
              "process; under mpirun -n R those are compared with one.");
  AddVerificationFlags(&flags, &set);
  AddBatchFlags(train, &set);
  AddOptimizerFlags(train, &set);
  AddRoutingFlags(train, &set);
  AddComputationFlags(train, &set);
  AddFlagsOfRun(train, &unused, &set);
  SWITCHYARD_RETURN_IF_ERROR(set.Parse(arguments));
  if (Answers(set, train)) return flags;
  SWITCHYARD_RETURN_IF_ERROR(ResolveVerification(set, &flags));
  return flags;
}

TextDataOptions DataOptionsOf(const TrainFlags& flags) {
  TextDataOptions data;
  data.files = flags.data;
  data.eval_files = flags.eval_data;
  data.eval_fraction = flags.eval_fraction;
  data.sequence_length = flags.options.seq_len;
  data.global_batch = flags.options.global_batch;
  data.seed = flags.options.seed;
  data.vocabulary = flags.options.model.vocabulary;
  return data;
}

}  // namespace switchyard::launch
