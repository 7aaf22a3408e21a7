// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/launch/commands/saved_model.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "switchyard/base/status.h"
#include "switchyard/launch/commands/flag_groups.h"
#include "switchyard/launch/cores.h"
#include "switchyard/launch/messages.h"
#include "switchyard/runtime/checkpoint/checkpoint_folder.h"
#include "switchyard/runtime/checkpoint/restore.h"
#include "switchyard/runtime/data/open_tokenizer.h"
#include "switchyard/runtime/parallel/agreement.h"
#include "switchyard/runtime/plan/rank_layout.h"

namespace switchyard::launch {
namespace {

// Of the weights, where the checkpoint has one that models can have.
DType SavedDType(const Checkpoint& checkpoint) {
  const SavedTensor* embedding = checkpoint.Find("model.embed_tokens.weight");
  const bool narrow =
      embedding != nullptr && embedding->dtype == DType::kBFloat16;
  return narrow ? DType::kBFloat16 : DType::kFloat32;
}

absl::StatusOr<std::string> FindOnRankZero(const std::string& wanted,
                                           comm::Communicator& world) {
  std::string found;
  absl::Status status;
  if (wanted.empty()) {
    status = absl::InvalidArgumentError(
        "expected --checkpoint, found none; give a checkpoint, or the folder "
        "of a run that has some");
  } else if (world.rank() == 0) {
    const absl::StatusOr<std::string> path = FindCheckpoint(wanted);
    status = path.status();
    if (path.ok()) found = *path;
  }
  SWITCHYARD_RETURN_IF_ERROR(AgreeOnStatus(world, status));
  return TextOfRankZero(world, found);
}

absl::StatusOr<Checkpoint> FindAndOpen(const std::string& wanted,
                                       comm::Communicator& world) {
  SWITCHYARD_ASSIGN_OR_RETURN(const std::string path,
                              FindOnRankZero(wanted, world));
  absl::StatusOr<Checkpoint> checkpoint = Checkpoint::Open(path);
  SWITCHYARD_RETURN_IF_ERROR(AgreeOnStatus(world, checkpoint.status()));
  return checkpoint;
}

}  // namespace

void AddCheckpointFlag(SavedModelFlags* flags, FlagSet* set) {
  set->Add("checkpoint", &flags->checkpoint, "PATH",
           "a checkpoint, or the newest one of a run's folder");
}

void AddRankFlags(SavedModelFlags* flags, FlagSet* set) {
  set->Group("Computation");
  set->AddChoice<std::optional<DType>>("dtype", &flags->dtype,
                                       {{"saved", std::nullopt},
                                        {"fp32", DType::kFloat32},
                                        {"bf16", DType::kBFloat16}},
                                       "of weights and activations");
  set->Add("expert_parallel", &flags->expert_parallel, "W",
           "ranks that share out the experts",
           "the widest that divides experts, ranks and a node's ranks");
  set->AddChoice("device", &flags->device,
                 {{"cpu", DeviceKind::kCpu}, {"cuda", DeviceKind::kCuda}},
                 "where tensors live; cuda: one GPU a rank");
  AddTransportFlag(&flags->transport, set);
  set->Add("threads", &flags->threads, "N", "threads of a rank",
           "its share of the node's cores");
  set->Add("isa", &flags->isa, "NAME", "cap of the instruction set",
           "the best that all ranks have");
  set->Add("comm_timeout", &flags->comm_timeout, "SECONDS",
           "how long a rank waits for the others");
}

void AddTokenizerFlag(std::string* tokenizer, FlagSet* set) {
  set->Add("tokenizer", tokenizer, "bytes|PATH",
           "tokenizer.json, a SentencePiece .model or a folder that holds one",
           "the run's, or bytes");
}

std::string TokenizerOf(const SavedModel& model, const std::string& flag) {
  if (!flag.empty()) return flag;
  const auto& flags = model.checkpoint.manifest().run.flags;
  const auto found = flags.find("tokenizer");
  const bool known = found != flags.end() && !found->second.empty();
  return known ? found->second : kByteTokenizer;
}

absl::StatusOr<SavedModel> OpenSavedModel(const SavedModelFlags& flags,
                                          comm::Communicator& world) {
  absl::StatusOr<Checkpoint> checkpoint = FindAndOpen(flags.checkpoint, world);
  // A run that still writes may have replaced what was found by a newer one.
  if (absl::IsNotFound(checkpoint.status())) {
    checkpoint = FindAndOpen(flags.checkpoint, world);
  }
  SWITCHYARD_RETURN_IF_ERROR(checkpoint.status());
  absl::StatusOr<ModelConfig> config =
      ParseModelConfig(checkpoint->manifest().run.model,
                       absl::StrCat("the model of ", checkpoint->path()));
  SWITCHYARD_RETURN_IF_ERROR(AgreeOnStatus(world, config.status()));
  const DType dtype = flags.dtype.value_or(SavedDType(*checkpoint));
  return SavedModel{*std::move(checkpoint), *std::move(config), dtype};
}

absl::StatusOr<RankDevice> PrepareRank(const SavedModelFlags& flags,
                                       comm::Communicator& world) {
  SWITCHYARD_ASSIGN_OR_RETURN(const std::vector<RankCores> cores,
                              GatherCores(world));
  SWITCHYARD_RETURN_IF_ERROR(AgreeOnStatus(world, CheckThreads(flags.threads)));
  const int64_t threads =
      flags.threads > 0 ? flags.threads : ShareOfCores(cores, world.rank());
  SWITCHYARD_RETURN_IF_ERROR(AgreeOnInstructionSet(world, flags.isa).status());
  return RankDevice::Create(world, {.kind = flags.device,
                                    .threads = static_cast<int>(threads),
                                    .transport = flags.transport,
                                    .timeout_seconds = flags.comm_timeout});
}

absl::StatusOr<Grid> MakeGrid(const SavedModelFlags& flags,
                              const ModelConfig& config,
                              comm::Communicator& world) {
  TrainOptions options;
  options.model = config;
  options.expert_parallel = flags.expert_parallel;
  const absl::StatusOr<RankLayout> layout =
      ResolveLayout(options, world.members());
  SWITCHYARD_RETURN_IF_ERROR(AgreeOnStatus(world, layout.status()));
  return Grid::Create(world, static_cast<int>(layout->expert_parallel),
                      static_cast<int>(config.experts));
}

absl::Status LoadWeights(SavedModel& model, const ParameterStore& store,
                         Stream& stream, comm::Communicator& world) {
  return AgreeOnStatus(world, RestoreWeights(model.checkpoint, store, stream));
}

}  // namespace switchyard::launch
