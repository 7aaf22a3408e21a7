// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/launch/commands/verify_layouts.h"

#include <algorithm>
#include <cstdio>
#include <memory>
#include <new>
#include <optional>
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
#include "switchyard/launch/device.h"
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
                absl::string_view routing, absl::string_view gradients,
                absl::string_view norm, absl::string_view weights) {
  return absl::StrFormat("  %-20s %-18s %-20s %-12s %-18s %s", layout, loss,
                         routing, gradients, norm, weights);
}

// One comparison on one rank of the launcher's world, mostly the only one.
class Verification {
 public:
  Verification(VerifyFlags flags, const PartsOfRank& parts,
               comm::Communicator& world)
      : flags_(std::move(flags)), parts_(parts), world_(world) {}

  absl::Status Execute();

 private:
  bool speaks() const { return world_.rank() == 0; }
  bool threads_are_ranks() const { return world_.size() == 1; }
  const TrainOptions& options() const { return flags_.train.options; }

  absl::Status Prepare();
  absl::Status ChooseLayouts();
  absl::Status FitMemory(int64_t ranks_here);
  // Steps of this rank of `world`, with `threads` threads, up to the one that
  // is watched.
  absl::StatusOr<LayoutRecord> RunRank(comm::Communicator& world, int64_t width,
                                       int64_t threads,
                                       const GradientPlace& watch = {}) const;
  // Of one rank, which every rank of a launcher is for itself, so that other
  // machines' bits count too.
  absl::StatusOr<LayoutRecord> RecordAlone(
      const GradientPlace& watch = {}) const;
  absl::StatusOr<LayoutRecord> Record(const RankLayout& layout,
                                      const GradientPlace& watch = {}) const;
  absl::Status MeasureGradients(const RankLayout& layout,
                                LayoutDifferences* differences) const;
  void Announce() const;
  void WarnAboutIdleRanks() const;

  VerifyFlags flags_;
  const PartsOfRank& parts_;  // null: none
  comm::Communicator& world_;
  std::optional<RankDevice> gpu_;  // if it is --device cuda
  int64_t cores_ = 1;              // of this rank
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
  if (run.device == DeviceKind::kCuda) {
    SWITCHYARD_ASSIGN_OR_RETURN(
        RankDevice device,
        RankDevice::Create(world_, {.kind = run.device,
                                    .transport = flags_.train.transport,
                                    .timeout_seconds = run.comm_timeout}));
    gpu_.emplace(std::move(device));
  }
  return CheckRoutingFiles(run, world_);
}

absl::StatusOr<LayoutRecord> Verification::RunRank(
    comm::Communicator& world, int64_t width, int64_t threads,
    const GradientPlace& watch) const {
  TrainOptions run = options();
  run.expert_parallel = width;
  if (run.threads == 0) run.threads = threads;
  auto data = TextDataSource::Create(DataOptionsOf(flags_.train));
  SWITCHYARD_RETURN_IF_ERROR(AgreeOnStatus(world, data.status()));
  CpuDevice host(static_cast<int>(run.threads));
  Device& device = gpu_.has_value() ? **gpu_ : host;
  TrainerParts parts = parts_ ? parts_(world) : TrainerParts();
  parts.data = data->get();
  auto trainer = Trainer::Create(run, world, device, std::move(parts));
  SWITCHYARD_RETURN_IF_ERROR(AgreeOnStatus(world, trainer.status()));
  return RecordSteps(**trainer, watch.step < 0 ? flags_.steps : watch.step + 1,
                     watch);
}

absl::StatusOr<LayoutRecord> Verification::RecordAlone(
    const GradientPlace& watch) const {
  const std::unique_ptr<comm::Communicator> alone = comm::NewSelfCommunicator();
  auto record = RunRank(*alone, 1, cores_, watch);
  SWITCHYARD_RETURN_IF_ERROR(AgreeOnStatus(world_, record.status()));
  return record;
}

absl::StatusOr<LayoutRecord> Verification::Record(
    const RankLayout& layout, const GradientPlace& watch) const {
  if (!threads_are_ranks()) {
    auto record = RunRank(world_, layout.expert_parallel, cores_, watch);
    SWITCHYARD_RETURN_IF_ERROR(AgreeOnStatus(world_, record.status()));
    return record;
  }
  comm::Options comm_options;
  comm_options.timeout_seconds = options().comm_timeout;
  const int64_t threads = std::max<int64_t>(1, cores_ / layout.ranks);
  return RecordOnThreads(static_cast<int>(layout.ranks), comm_options,
                         [&](comm::Communicator& world) {
                           return RunRank(world, layout.expert_parallel,
                                          threads, watch);
                         });
}

// By how much the first gradients that differ do so: checksums cannot say, and
// no run keeps all its gradients, so both layouts train once more.
absl::Status Verification::MeasureGradients(
    const RankLayout& layout, LayoutDifferences* differences) const {
  // Under a launcher one rank may have seen a difference and others none.
  int64_t place[] = {differences->gradient.step,
                     differences->gradient.parameter};
  SWITCHYARD_ASSIGN_OR_RETURN(const std::vector<int64_t> all,
                              GatherIntegers(world_, place));
  for (size_t i = 0; i < all.size() && place[0] < 0; i += 2) {
    place[0] = all[i];
    place[1] = all[i + 1];
  }
  if (place[0] < 0) return absl::OkStatus();
  const GradientPlace watch = {place[0], static_cast<int>(place[1])};
  SWITCHYARD_ASSIGN_OR_RETURN(const LayoutRecord one, RecordAlone(watch));
  SWITCHYARD_ASSIGN_OR_RETURN(const LayoutRecord other, Record(layout, watch));
  if (differences->gradients.empty()) return absl::OkStatus();
  absl::StrAppend(
      &differences->gradients, ", in ",
      LargestDifference(one.watched, other.watched, options().fraction_bits));
  return absl::OkStatus();
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
  Say(absl::StrCat("switchyard ", Version(), ": ", flags_.steps,
                   flags_.steps == 1 ? " step of " : " steps of ",
                   run.global_batch, " sequences in micro-batches of ",
                   run.micro_batch, ", ", switchyard::NameOf(run.dtype), ", ",
                   run.isa, "; each layout against 1 rank"));
  if (!flags_.passed_over.empty()) {
    Say(absl::StrCat("note: of the file of flags, --",
                     absl::StrJoin(flags_.passed_over, ", --"),
                     flags_.passed_over.size() == 1 ? " plays" : " play",
                     " no part here"));
  }
  WarnAboutIdleRanks();
  Say(Row("", "loss", "routing", "gradients", "gradient norm", "weights"));
}

absl::Status Verification::Execute() {
  SWITCHYARD_RETURN_IF_ERROR(Prepare());
  if (speaks()) Announce();
  SWITCHYARD_ASSIGN_OR_RETURN(const LayoutRecord one, RecordAlone());
  absl::Status verdict;
  for (const RankLayout& layout : layouts_) {
    SWITCHYARD_ASSIGN_OR_RETURN(const LayoutRecord other, Record(layout));
    LayoutDifferences differences = Compare(one, other);
    SWITCHYARD_RETURN_IF_ERROR(MeasureGradients(layout, &differences));
    if (speaks()) Say(LayoutRow(layout, differences));
    verdict.Update(AgreeOnStatus(world_, Verdict(layout, differences)));
  }
  if (verdict.ok() && speaks()) {
    Say(absl::StrCat("  every bit is the same on ", layouts_.size() + 1,
                     " layouts"));
  }
  return verdict;
}

absl::Status Start(absl::StatusOr<VerifyFlags> flags, const PartsOfRank& parts,
                   comm::Communicator& world) {
  SignalReporter reporter(world);
  SWITCHYARD_RETURN_IF_ERROR(AgreeOnStatus(world, flags.status()));
  const std::string& help = flags->train.help;
  if (!help.empty()) {
    if (world.rank() == 0) std::fputs(help.c_str(), stdout);
    return absl::OkStatus();
  }
  return Verification(*std::move(flags), parts, world).Execute();
}

}  // namespace

std::string LayoutRow(const RankLayout& layout,
                      const LayoutDifferences& differences) {
  const auto cell = [](const std::string& difference) {
    return difference.empty() ? "same" : difference;
  };
  const std::string step = absl::StrCat("step ", differences.gradient.step + 1);
  const std::string row =
      Row(NameOf(layout), cell(differences.losses), cell(differences.routing),
          differences.gradients.empty() ? "same" : step, cell(differences.norm),
          cell(differences.weights));
  if (differences.gradients.empty()) return row;
  return absl::StrCat(row, "\n    gradients: ", differences.gradients);
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
  add("the gradients at ", differences.gradients);
  add("the gradient norm at ", differences.norm);
  add("the weights at ", differences.weights);
  return absl::DataLossError(absl::StrCat(
      "expected the bits of 1 rank on ", NameOf(layout),
      ", found others: ", absl::StrJoin(what, "; "),
      "; this breaks what Switchyard promises, please report it with these "
      "flags"));
}

int VerifyLayouts(absl::Span<const std::string> arguments,
                  const PartsOfRank& parts) {
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
  return Finish(Start(std::move(flags), parts, world->communicator()),
                world->communicator());
}

}  // namespace switchyard::launch
