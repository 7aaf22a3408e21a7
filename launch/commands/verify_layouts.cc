// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/launch/commands/verify_layouts.h"

#include <algorithm>
#include <cstdio>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "switchyard/base/cpu/cpu_device.h"
#include "switchyard/base/out_of_memory.h"
#include "switchyard/base/status.h"
#include "switchyard/comm/self/self_communicator.h"
#include "switchyard/launch/commands/train_flags.h"
#include "switchyard/launch/cores.h"
#include "switchyard/launch/memory.h"
#include "switchyard/launch/messages.h"
#include "switchyard/launch/signal_reporter.h"
#include "switchyard/launch/version.h"
#include "switchyard/launch/world.h"
#include "switchyard/runtime/parallel/agreement.h"
#include "switchyard/runtime/plan/plan.h"
#include "switchyard/runtime/train/routing_files.h"

namespace switchyard::launch {
namespace {

constexpr int64_t kDefaultMaxRanks = 4;

std::string Ranks(int64_t count) {
  return absl::StrCat(count, count == 1 ? " rank" : " ranks");
}

std::string NameOf(const RankLayout& layout) {
  return absl::StrCat(Ranks(layout.ranks), ", width ", layout.expert_parallel);
}

std::string Row(absl::string_view layout, absl::string_view loss,
                absl::string_view routing, absl::string_view norm,
                absl::string_view weights) {
  return absl::StrFormat("  %-20s %-18s %-20s %-18s %s", layout, loss, routing,
                         norm, weights);
}

// One comparison on one rank of the launcher's world, mostly the only one.
class Verification {
 public:
  Verification(VerifyFlags flags, comm::Communicator& world)
      : flags_(std::move(flags)), world_(world) {}

  absl::Status Execute();

 private:
  bool speaks() const { return world_.rank() == 0; }
  bool threads_are_ranks() const { return world_.size() == 1; }
  const TrainOptions& options() const { return flags_.train.options; }

  absl::Status Prepare();
  absl::Status ChooseLayouts();
  absl::Status FitMemory(int64_t ranks_here);
  // Steps of this rank of `world`, with `threads` threads.
  absl::StatusOr<LayoutRecord> RunRank(comm::Communicator& world, int64_t width,
                                       int64_t threads) const;
  absl::StatusOr<LayoutRecord> Record(const RankLayout& layout) const;
  void Announce() const;
  void WarnAboutIdleRanks() const;

  VerifyFlags flags_;
  comm::Communicator& world_;
  int64_t cores_ = 1;  // of this rank
  std::vector<RankLayout> layouts_;
};

absl::Status Verification::ChooseLayouts() {
  const int64_t experts = options().model.experts;
  const int64_t width = options().expert_parallel;
  const int64_t most =
      flags_.max_ranks > 0 ? flags_.max_ranks : kDefaultMaxRanks;
  if (!threads_are_ranks() && flags_.max_ranks > 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "expected no --max_ranks under a launcher, found it with ",
        Ranks(world_.size()), "; leave it out or start the command alone"));
  }
  layouts_ = threads_are_ranks() ? LayoutsUpTo(most, experts, width)
                                 : LayoutsOf(world_.size(), experts, width);
  if (!layouts_.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "expected --expert_parallel to divide ", experts, " experts and ",
      threads_are_ranks() ? absl::StrCat("2 to ", most) : Ranks(world_.size()),
      threads_are_ranks() ? " ranks" : "", ", found ", width,
      "; leave it out to compare every width that does"));
}

// The most ranks of one process or host need the most memory at once.
absl::Status Verification::FitMemory(int64_t ranks_here) {
  for (const RankLayout& layout : layouts_) {
    TrainOptions run = options();
    run.expert_parallel = layout.expert_parallel;
    const Plan plan = MakePlan(run, layout);
    SWITCHYARD_RETURN_IF_ERROR(CheckMemory(
        ReadHostMemory(world_.members()[world_.rank()].host),
        threads_are_ranks() ? layout.ranks : ranks_here, plan.memory.fixed()));
  }
  return absl::OkStatus();
}

absl::Status Verification::Prepare() {
  TrainOptions& run = flags_.train.options;
  SWITCHYARD_RETURN_IF_ERROR(AgreeOnStatus(world_, ChooseLayouts()));
  const std::vector<comm::Member>& members = world_.members();
  const int node = members[world_.rank()].node;
  const int64_t ranks_here = std::count_if(
      members.begin(), members.end(),
      [node](const comm::Member& member) { return member.node == node; });
  SWITCHYARD_RETURN_IF_ERROR(AgreeOnStatus(world_, FitMemory(ranks_here)));
  SWITCHYARD_ASSIGN_OR_RETURN(const std::vector<RankCores> cores,
                              GatherCores(world_));
  SWITCHYARD_RETURN_IF_ERROR(AgreeOnStatus(world_, CheckThreads(run.threads)));
  cores_ = ShareOfCores(cores, world_.rank());
  SWITCHYARD_ASSIGN_OR_RETURN(const kernels::InstructionSet isa,
                              AgreeOnInstructionSet(world_, run.isa));
  run.isa = kernels::NameOf(isa);
  return CheckRoutingFiles(run, world_);
}

absl::StatusOr<LayoutRecord> Verification::RunRank(comm::Communicator& world,
                                                   int64_t width,
                                                   int64_t threads) const {
  TrainOptions run = options();
  run.expert_parallel = width;
  if (run.threads == 0) run.threads = threads;
  auto data = TextDataSource::Create(DataOptionsOf(flags_.train));
  SWITCHYARD_RETURN_IF_ERROR(AgreeOnStatus(world, data.status()));
  CpuDevice device(static_cast<int>(run.threads));
  TrainerParts parts;
  parts.data = data->get();
  auto trainer = Trainer::Create(run, world, device, std::move(parts));
  SWITCHYARD_RETURN_IF_ERROR(AgreeOnStatus(world, trainer.status()));
  return RecordSteps(**trainer, run.steps);
}

absl::StatusOr<LayoutRecord> Verification::Record(
    const RankLayout& layout) const {
  if (!threads_are_ranks()) {
    return RunRank(world_, layout.expert_parallel, cores_);
  }
  comm::Options comm_options;
  comm_options.timeout_seconds = options().comm_timeout;
  const int64_t threads = std::max<int64_t>(1, cores_ / layout.ranks);
  return RecordOnThreads(static_cast<int>(layout.ranks), comm_options,
                         [&](comm::Communicator& world) {
                           return RunRank(world, layout.expert_parallel,
                                          threads);
                         });
}

// Where most ranks have nothing to do, little is compared.
void Verification::WarnAboutIdleRanks() const {
  const int64_t micro_batches = options().global_batch / options().micro_batch;
  const int64_t most = layouts_.back().ranks;
  if (micro_batches >= most) return;
  Complain("warning: ",
           absl::StrCat(micro_batches,
                        micro_batches == 1 ? " micro-batch a step leaves"
                                           : " micro-batches a step leave",
                        " some of ", most,
                        " ranks without tokens; lower --micro_batch or raise "
                        "--global_batch to compare more"));
}

void Verification::Announce() const {
  const TrainOptions& run = options();
  Say(absl::StrCat("switchyard ", Version(), ": ", run.steps,
                   run.steps == 1 ? " step of " : " steps of ",
                   run.global_batch, " sequences in micro-batches of ",
                   run.micro_batch, ", ", switchyard::NameOf(run.dtype), ", ",
                   run.isa, "; each layout against 1 rank"));
  WarnAboutIdleRanks();
  Say(Row("", "loss", "routing", "gradient norm", "weights"));
}

absl::Status Verification::Execute() {
  SWITCHYARD_RETURN_IF_ERROR(Prepare());
  if (speaks()) Announce();
  // Under a launcher every rank is the one, so other machines' bits count too.
  const std::unique_ptr<comm::Communicator> alone = comm::NewSelfCommunicator();
  auto one = RunRank(*alone, 1, cores_);
  SWITCHYARD_RETURN_IF_ERROR(AgreeOnStatus(world_, one.status()));
  absl::Status verdict;
  for (const RankLayout& layout : layouts_) {
    const auto other = Record(layout);
    SWITCHYARD_RETURN_IF_ERROR(AgreeOnStatus(world_, other.status()));
    const LayoutDifferences differences = Compare(*one, *other);
    if (speaks()) Say(LayoutRow(layout, differences));
    verdict.Update(AgreeOnStatus(world_, Verdict(layout, differences)));
  }
  if (verdict.ok() && speaks()) {
    Say(absl::StrCat("  every bit is the same on ", layouts_.size() + 1,
                     " layouts"));
  }
  return verdict;
}

absl::Status Start(absl::StatusOr<VerifyFlags> flags,
                   comm::Communicator& world) {
  SignalReporter reporter(world);
  SWITCHYARD_RETURN_IF_ERROR(AgreeOnStatus(world, flags.status()));
  const std::string& help = flags->train.help;
  if (!help.empty()) {
    if (world.rank() == 0) std::fputs(help.c_str(), stdout);
    return absl::OkStatus();
  }
  return Verification(*std::move(flags), world).Execute();
}

}  // namespace

std::string LayoutRow(const RankLayout& layout,
                      const LayoutDifferences& differences) {
  const auto cell = [](const std::string& difference) {
    return difference.empty() ? "same" : difference;
  };
  return Row(NameOf(layout), cell(differences.losses),
             cell(differences.routing), cell(differences.norm),
             cell(differences.weights));
}

absl::Status Verdict(const RankLayout& layout,
                     const LayoutDifferences& differences) {
  if (differences.none()) return absl::OkStatus();
  std::vector<std::string> what;
  const auto add = [&what](const char* name, const std::string& difference) {
    if (!difference.empty()) what.push_back(absl::StrCat(name, difference));
  };
  add("the loss at ", differences.losses);
  add("the routing at ", differences.routing);
  add("the gradient norm at ", differences.norm);
  add("the weights at ", differences.weights);
  return absl::DataLossError(absl::StrCat(
      "expected the bits of 1 rank on ", NameOf(layout),
      ", found others: ", absl::StrJoin(what, "; "),
      "; this breaks what Switchyard promises, please report it with these "
      "flags"));
}

int VerifyLayouts(absl::Span<const std::string> arguments) {
  SignalReporter::BlockSignals();
  std::set_new_handler([] { EndOutOfMemory(0); });
  absl::StatusOr<VerifyFlags> flags = ParseVerifyFlags(arguments);
  const double timeout = flags.ok() ? flags->train.options.comm_timeout
                                    : TrainOptions().comm_timeout;
  absl::StatusOr<World> world = World::Start(timeout);
  if (!world.ok()) {
    if (LauncherRank() == 0) Complain("", world.status().message());
    return 1;
  }
  return Finish(Start(std::move(flags), world->communicator()),
                world->communicator());
}

}  // namespace switchyard::launch
