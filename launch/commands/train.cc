// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/launch/commands/train.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <new>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "switchyard/base/check.h"
#include "switchyard/base/cpu/cpu_device.h"
#include "switchyard/base/file.h"
#include "switchyard/base/number_text.h"
#include "switchyard/base/out_of_memory.h"
#include "switchyard/base/status.h"
#include "switchyard/launch/commands/run_checkpoints.h"
#include "switchyard/launch/commands/run_start.h"
#include "switchyard/launch/commands/train_flags.h"
#include "switchyard/launch/cores.h"
#include "switchyard/launch/memory.h"
#include "switchyard/launch/messages.h"
#include "switchyard/launch/output_folder.h"
#include "switchyard/launch/signal_reporter.h"
#include "switchyard/launch/terminal.h"
#include "switchyard/launch/version.h"
#include "switchyard/launch/world.h"
#include "switchyard/runtime/parallel/agreement.h"
#include "switchyard/runtime/plan/plan.h"
#include "switchyard/runtime/train/console_sink.h"
#include "switchyard/runtime/train/json_lines_sink.h"
#include "switchyard/runtime/train/routing_files.h"
#include "switchyard/runtime/train/same_run.h"
#include "switchyard/runtime/train/sink_list.h"
#include "switchyard/runtime/train/summary_sink.h"
#include "switchyard/runtime/train/trainer.h"

namespace switchyard::launch {
namespace {

// One run on one rank. Errors are the same on all ranks, or agreed upon.
class Run {
 public:
  Run(TrainFlags flags, comm::Communicator& world, SignalReporter& reporter)
      : flags_(std::move(flags)), world_(world), reporter_(reporter) {}
  ~Run() { ReleaseAtEnd(nullptr); }

  absl::Status Execute();

 private:
  bool speaks() const { return world_.rank() == 0; }
  absl::Status Agree(const absl::Status& status) {
    return AgreeOnStatus(world_, status);
  }

  absl::Status Plan();
  absl::Status TakeGpu();
  absl::Status FitMemory();
  absl::Status OpenData();
  absl::Status ChooseThreads();
  absl::Status FindStart();
  absl::StatusOr<bool> IsComplete();
  absl::Status OpenOutput();
  absl::Status MakeSinks();
  absl::Status DryRun();
  absl::Status Train();
  void ReleaseAtEnd(OutputFolder* output);
  void Announce() const;
  std::string TransportText() const;  // of a GPU's memory
  void AnnounceStart() const;
  RunDescription Describe() const;
  RunRecord Record() const;

  TrainFlags flags_;
  comm::Communicator& world_;
  SignalReporter& reporter_;
  switchyard::Plan plan_;
  std::optional<RankDevice> gpu_;  // if it is --device cuda
  std::string instruction_set_;
  std::unique_ptr<TextDataSource> data_;
  RunStart start_;
  std::vector<std::string> differences_;  // from the run that is resumed
  std::unique_ptr<OutputFolder> output_;
  SinkList sinks_;
};

absl::Status Run::Plan() {
  TrainOptions& options = flags_.options;
  RankLayout layout;
  if (flags_.ranks > 0) {
    SWITCHYARD_ASSIGN_OR_RETURN(
        layout, ResolveLayout(options, flags_.ranks, flags_.ranks_per_node));
  } else {
    SWITCHYARD_ASSIGN_OR_RETURN(layout,
                                ResolveLayout(options, world_.members()));
  }
  options.expert_parallel = layout.expert_parallel;
  plan_ = MakePlan(options, layout);
  return absl::OkStatus();
}

// A GPU, before anything needs it; what the plan says of its ranks, against
// what it has.
absl::Status Run::TakeGpu() {
  const TrainOptions& options = flags_.options;
  SWITCHYARD_ASSIGN_OR_RETURN(
      RankDevice device,
      RankDevice::Create(world_, {.kind = DeviceKind::kCuda,
                                  .transport = flags_.transport,
                                  .timeout_seconds = options.comm_timeout}));
  gpu_.emplace(std::move(device));
  return CheckGpuMemory(world_, **gpu_, plan_.memory.fixed());
}

// What the plan says of every rank of this host, against what the host has.
absl::Status Run::FitMemory() {
  const std::vector<comm::Member>& members = world_.members();
  const comm::Member& mine = members[world_.rank()];
  const int64_t ranks = std::count_if(
      members.begin(), members.end(),
      [&](const comm::Member& member) { return member.node == mine.node; });
  return CheckMemory(ReadHostMemory(mine.host), ranks,
                     plan_.memory.fixed() + plan_.memory.snapshot);
}

absl::Status Run::OpenData() {
  auto data = TextDataSource::Create(DataOptionsOf(flags_));
  SWITCHYARD_RETURN_IF_ERROR(Agree(data.status()));
  data_ = *std::move(data);
  return CheckSameRun(world_, flags_.options, *data_);
}

absl::Status Run::ChooseThreads() {
  SWITCHYARD_ASSIGN_OR_RETURN(const std::vector<RankCores> cores,
                              GatherCores(world_));
  TrainOptions& options = flags_.options;
  SWITCHYARD_RETURN_IF_ERROR(Agree(CheckThreads(options.threads)));
  if (options.threads == 0) {
    options.threads = ShareOfCores(cores, world_.rank());
    return absl::OkStatus();
  }
  const std::string warning = WarnAboutBinding(cores, options.threads);
  if (speaks() && !warning.empty()) Complain("warning: ", warning);
  return absl::OkStatus();
}

// Before anything of an earlier run is touched.
absl::Status Run::FindStart() {
  SWITCHYARD_ASSIGN_OR_RETURN(start_, launch::FindStart(flags_, world_));
  if (!start_.resumes) {
    return Agree(speaks() && flags_.resume == kResumeAuto && !flags_.out.empty()
                     ? CheckUnfinished(flags_.out, FlagFileOf(flags_))
                     : absl::OkStatus());
  }
  SWITCHYARD_RETURN_IF_ERROR(Agree(
      CompareRuns(start_.checkpoint->manifest().run, Record(), &differences_)));
  if (start_.step() <= LastStep(flags_.options)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "expected --steps or --stop_at of at least ", start_.step(),
      ", where the checkpoint is, found ", LastStep(flags_.options),
      "; raise it, or resume an earlier checkpoint"));
}

// A run that came to its end has nothing to go on with, and its files stay.
absl::StatusOr<bool> Run::IsComplete() {
  if (!start_.resumes || start_.step() < LastStep(flags_.options) ||
      !ContinuesInPlace(flags_, start_)) {
    return false;
  }
  std::error_code ignored;
  const int64_t has_summary =
      speaks() &&
      std::filesystem::exists(output_->PathOf(OutputFolder::kSummary), ignored);
  SWITCHYARD_ASSIGN_OR_RETURN(const std::vector<int64_t> all,
                              GatherIntegers(world_, {&has_summary, 1}));
  if (all[0] == 0) return false;
  if (speaks()) {
    output_->Keep();
    Say("the run is complete: there is nothing to do");
  }
  return true;
}

absl::Status Run::OpenOutput() {
  absl::Status status;
  if (speaks()) {
    auto output = ContinuesInPlace(flags_, start_)
                      ? OutputFolder::Continue(flags_.out)
                      : OutputFolder::Create(flags_.out);
    status = output.status();
    if (output.ok()) output_ = *std::move(output);
    ReleaseAtEnd(output_.get());
  }
  return Agree(status);
}

// A run that a signal or a lack of memory ends leaves no lock behind, nor files
// if it has not begun.
void Run::ReleaseAtEnd(OutputFolder* output) {
  if (!speaks()) return;
  if (output == nullptr) {
    reporter_.AtSignal({});
    SetFatalHandler({});
    return;
  }
  reporter_.AtSignal([output] { output->Release(); });
  SetFatalHandler([output](const std::string&) { output->Release(); });
}

RunDescription Run::Describe() const {
  RunDescription run;
  run.version = Version();
  run.dtype = NameOf(flags_.options.dtype);
  run.determinism = NameOf(flags_.options.determinism);
  run.instruction_set = instruction_set_;
  run.ranks = plan_.layout.ranks;
  run.nodes = plan_.layout.nodes;
  run.expert_parallel = plan_.layout.expert_parallel;
  run.threads = flags_.options.threads;
  return run;
}

RunRecord Run::Record() const {
  RunRecord run;
  run.version = Version();
  run.model = ToJson(flags_.options.model);
  run.flags = FlagValues(flags_);
  run.data_tokens = data_->training_sequence_count() * flags_.options.seq_len;
  run.data_identity = data_->training_identity();
  run.instruction_set = instruction_set_;
  run.ranks = plan_.layout.ranks;
  run.expert_parallel = plan_.layout.expert_parallel;
  return run;
}

absl::Status Run::MakeSinks() {
  const TrainOptions& options = flags_.options;
  SWITCHYARD_RETURN_IF_ERROR(
      output_->Write(OutputFolder::kModel, ToJson(options.model)));
  SWITCHYARD_RETURN_IF_ERROR(
      output_->Write(OutputFolder::kFlags, FlagFileOf(flags_)));
  const std::string metrics = output_->PathOf(OutputFolder::kMetrics);
  SWITCHYARD_ASSIGN_OR_RETURN(
      std::unique_ptr<MetricsSink> lines,
      ContinuesInPlace(flags_, start_)
          ? JsonLinesSink::Continue(metrics, start_.step(),
                                    EvaluatesAfter(options, start_.step()))
          : JsonLinesSink::Create(metrics));
  sinks_.Add(std::move(lines));
  sinks_.Add(std::make_unique<SummarySink>(
      output_->PathOf(OutputFolder::kSummary), Describe()));
  ConsoleOptions console;
  console.last_step = LastStep(options);
  console.log_every = options.log_every;
  console.live = OutputIsTerminal();
  console.columns = TerminalColumns();
  sinks_.Add(std::make_unique<ConsoleSink>(stdout, console));
  return absl::OkStatus();
}

std::string Run::TransportText() const {
  if (world_.size() == 1) return "";
  return gpu_->uses_nccl() ? " and NCCL" : " and MPI through host memory";
}

void Run::Announce() const {
  const TrainOptions& options = flags_.options;
  const RankLayout& layout = plan_.layout;
  const int64_t threads = options.threads;
  Say(absl::StrCat(
      "switchyard ", Version(), ": ", layout.ranks,
      layout.ranks == 1 ? " rank on " : " ranks on ", layout.nodes,
      layout.nodes == 1 ? " node" : " nodes", ", expert-parallel width ",
      layout.expert_parallel, ", ", threads,
      threads == 1 ? " thread" : " threads", " a rank, ", NameOf(options.dtype),
      ", ", instruction_set_,
      gpu_.has_value()
          ? absl::StrCat(", ", (*gpu_)->name(), " on rank 0", TransportText())
          : ""));
  Say(absl::StrCat("model: ", GroupedText(plan_.parameters.total),
                   " parameters, ", GroupedText(plan_.parameters.active),
                   " active per token"));
  Say(absl::StrCat(
      "data: ", GroupedText(data_->training_sequence_count()), " sequences of ",
      options.seq_len, " to train on, ",
      GroupedText(data_->eval_sequence_count()), " held out; ",
      plan_.micro_batches,
      plan_.micro_batches == 1 ? " micro-batch of " : " micro-batches of ",
      options.micro_batch, " a step"));
  if (plan_.idle_ranks > 0) {
    Complain(
        "warning: ",
        absl::StrCat(
            plan_.micro_batches,
            plan_.micro_batches == 1 ? " micro-batch a step leaves "
                                     : " micro-batches a step leave ",
            plan_.idle_ranks == 1 ? "rank " : "ranks ", plan_.micro_batches,
            plan_.idle_ranks == 1 ? "" : absl::StrCat(" to ", layout.ranks - 1),
            " without tokens; raise --global_batch or lower "
            "--micro_batch to use ",
            plan_.idle_ranks == 1 ? "it" : "them"));
  }
  const std::string note =
      NoteOnDeviceGroups(options.model.router, layout.expert_parallel);
  if (!note.empty()) Complain("note: ", note);
  const std::string future = NoteOnFutureTokens(options.model.router);
  if (!future.empty()) Complain("note: ", future);
  AnnounceStart();
}

void Run::AnnounceStart() const {
  if (!start_.checkpoint.has_value()) {
    if (!flags_.resume.empty()) {
      Say(absl::StrCat("no checkpoint in ", flags_.out,
                       " yet: starting at step 0"));
    }
    return;
  }
  const std::string& path = start_.checkpoint->path();
  Say(start_.resumes
          ? absl::StrCat("resuming after step ", start_.step(), " from ", path)
          : absl::StrCat("starting with the weights of ", path));
  for (const std::string& difference : differences_) {
    Complain("note: ", difference);
  }
}

// Where no data source does it.
absl::Status CheckTokenizer(const TrainFlags& flags) {
  if (flags.tokenizer == kByteTokenizer) return absl::OkStatus();
  SWITCHYARD_ASSIGN_OR_RETURN(const std::unique_ptr<Tokenizer> tokenizer,
                              OpenTokenizer(flags.tokenizer));
  return CheckVocabulary(*tokenizer, flags.options.model.vocabulary);
}

absl::Status Run::DryRun() {
  if (!flags_.data.empty()) {
    SWITCHYARD_RETURN_IF_ERROR(OpenData());
    SWITCHYARD_RETURN_IF_ERROR(FindStart());
  } else if (!flags_.eval_data.empty()) {
    TextDataOptions held_out = DataOptionsOf(flags_);
    held_out.files.swap(held_out.eval_files);
    SWITCHYARD_RETURN_IF_ERROR(
        Agree(TextDataSource::Create(held_out).status()));
  } else {
    SWITCHYARD_RETURN_IF_ERROR(Agree(CheckTokenizer(flags_)));
  }
  // Not kept: it leaves nothing behind.
  if (!flags_.out.empty()) SWITCHYARD_RETURN_IF_ERROR(OpenOutput());
  SWITCHYARD_RETURN_IF_ERROR(CheckRoutingFiles(flags_.options, world_));
  absl::Status printed;
  if (speaks() && (std::fputs(ToTable(plan_).c_str(), stdout) < 0 ||
                   std::fflush(stdout) != 0)) {
    printed = SystemError(errno, "write", "the plan to standard output");
  }
  return Agree(printed);
}

absl::Status Run::Train() {
  CpuDevice host(static_cast<int>(flags_.options.threads));
  Device& device = gpu_.has_value() ? **gpu_ : host;
  TrainerParts parts;
  parts.data = data_.get();
  parts.sink = &sinks_;
  RunCheckpoints checkpoints(flags_, world_, sinks_);
  parts.after_step = [&](int64_t step) { return checkpoints.AfterStep(step); };
  auto trainer =
      Trainer::Create(flags_.options, world_, device, std::move(parts));
  SWITCHYARD_RETURN_IF_ERROR(Agree(trainer.status()));
  RunRecord record = Record();
  record.arithmetic = (*trainer)->arithmetic();
  if (speaks() && start_.resumes) {
    const std::string note =
        NoteOnArithmetic(start_.checkpoint->manifest().run, record.arithmetic);
    if (!note.empty()) Complain("note: ", note);
  }
  SWITCHYARD_RETURN_IF_ERROR(checkpoints.Begin(**trainer, start_, record));
  // From here on the files of an earlier run are replaced.
  if (speaks()) output_->Keep();
  SWITCHYARD_RETURN_IF_ERROR(Agree(speaks() ? MakeSinks() : absl::OkStatus()));
  SWITCHYARD_RETURN_IF_ERROR(checkpoints.DropLaterOnes(start_));
  SWITCHYARD_RETURN_IF_ERROR((*trainer)->Run());
  return checkpoints.Finish();
}

absl::Status Run::Execute() {
  SWITCHYARD_RETURN_IF_ERROR(Agree(Plan()));
  if (flags_.dry_run) return DryRun();
  if (flags_.options.device == DeviceKind::kCuda) {
    SWITCHYARD_RETURN_IF_ERROR(TakeGpu());
  } else {
    SWITCHYARD_RETURN_IF_ERROR(Agree(FitMemory()));
  }
  SWITCHYARD_RETURN_IF_ERROR(OpenData());
  SWITCHYARD_RETURN_IF_ERROR(ChooseThreads());
  SWITCHYARD_ASSIGN_OR_RETURN(
      const kernels::InstructionSet isa,
      AgreeOnInstructionSet(world_, flags_.options.isa));
  instruction_set_ = kernels::NameOf(isa);
  flags_.options.isa = instruction_set_;
  SWITCHYARD_RETURN_IF_ERROR(FindStart());
  SWITCHYARD_RETURN_IF_ERROR(OpenOutput());
  // Behind the folder: the trace may be meant to lie in it.
  SWITCHYARD_RETURN_IF_ERROR(CheckRoutingFiles(flags_.options, world_));
  if (speaks()) Announce();
  SWITCHYARD_ASSIGN_OR_RETURN(const bool complete, IsComplete());
  if (complete) return absl::OkStatus();
  SWITCHYARD_RETURN_IF_ERROR(Train());
  if (speaks()) {
    Say(absl::StrCat("  files in ", output_->path(), ": ",
                     OutputFolder::kMetrics, " ", OutputFolder::kSummary, " ",
                     OutputFolder::kModel, " ", OutputFolder::kFlags));
  }
  return absl::OkStatus();
}

// Which calls a rank makes depends on these; on the others CheckSameRun does.
absl::Status CheckSameCommand(const TrainFlags& flags,
                              comm::Communicator& world) {
  const IntegerText given = [](int64_t found) {
    return std::string(found ? "it" : "none");
  };
  const IntegerText number = [](int64_t found) { return absl::StrCat(found); };
  const struct {
    const char* name;
    int64_t value;
    IntegerText text;
  } told[] = {
      {"--help or --version", flags.help.empty() ? 0 : 1, given},
      {"--dry_run", flags.dry_run ? 1 : 0, given},
      {"--data", flags.data.empty() ? 0 : 1, given},
      {"--eval_data", flags.eval_data.empty() ? 0 : 1, given},
      {"--out", flags.out.empty() ? 0 : 1, given},
      {"--ranks", flags.ranks, number},
      {"--resume", flags.resume.empty() ? 0 : 1, given},
      {"--init_from", flags.init_from.empty() ? 0 : 1, given},
  };
  std::vector<int64_t> mine;
  for (const auto& item : told) mine.push_back(item.value);
  SWITCHYARD_ASSIGN_OR_RETURN(const std::vector<int64_t> all,
                              GatherIntegers(world, mine));
  for (size_t i = 0; i < mine.size(); ++i) {
    const std::string difference =
        DifferenceOfRanks(world, all, mine.size(), i, told[i].text);
    if (difference.empty()) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("expected the same ", told[i].name, " on all ranks, ",
                     difference, "; start all ranks with the same flags"));
  }
  return absl::OkStatus();
}

absl::Status Start(absl::StatusOr<TrainFlags> flags,
                   comm::Communicator& world) {
  SignalReporter reporter(world);
  SWITCHYARD_RETURN_IF_ERROR(AgreeOnStatus(world, flags.status()));
  SWITCHYARD_RETURN_IF_ERROR(CheckSameCommand(*flags, world));
  if (!flags->help.empty()) {
    if (world.rank() == 0) std::fputs(flags->help.c_str(), stdout);
    return absl::OkStatus();
  }
  return Run(*std::move(flags), world, reporter).Execute();
}

}  // namespace

int Train(absl::Span<const std::string> arguments) {
  SignalReporter::BlockSignals();
  std::set_new_handler([] { EndOutOfMemory(0); });
  absl::StatusOr<TrainFlags> flags = ParseTrainFlags(arguments);
  const double timeout =
      flags.ok() ? flags->options.comm_timeout : TrainOptions().comm_timeout;
  absl::StatusOr<World> world = World::Start(timeout);
  if (!world.ok()) {
    if (LauncherRank() == 0) Complain("", world.status().message());
    return 1;
  }
  return Finish(Start(std::move(flags), world->communicator()),
                world->communicator());
}

}  // namespace switchyard::launch
