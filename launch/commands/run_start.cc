// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/launch/commands/run_start.h"

#include <filesystem>
#include <set>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "switchyard/base/file.h"
#include "switchyard/base/nearest_name.h"
#include "switchyard/base/status.h"
#include "switchyard/launch/output_folder.h"
#include "switchyard/runtime/checkpoint/checkpoint_folder.h"
#include "switchyard/runtime/parallel/agreement.h"

namespace switchyard::launch {
namespace {

namespace fs = std::filesystem;

// What no bit of the future depends on: where things are, who computes, what is
// reported and written. Data is compared by what it holds.
bool IsFree(const std::string& flag) {
  static const std::set<std::string> free = {"model",
                                             "data",
                                             "data_format",
                                             "tokenizer",
                                             "out",
                                             "stop_at",
                                             "log_every",
                                             "layer_metrics_every",
                                             "eval_data",
                                             "eval_every",
                                             "eval_batches",
                                             "eval_capacity_factor",
                                             "eval_fraction",
                                             "routing_trace",
                                             "expert_parallel",
                                             "threads",
                                             "recompute",
                                             "comm_timeout",
                                             "max_rows_per_rank",
                                             "checkpoint_every",
                                             "keep",
                                             "resume",
                                             "init_from",
                                             "isa",
                                             "dry_run",
                                             "ranks",
                                             "ranks_per_node",
                                             "device",
                                             "overlap_chunks",
                                             "transport"};
  return free.count(flag) > 0;
}

// Of no interest even where they differ.
bool IsSilent(const std::string& flag) {
  static const std::set<std::string> silent = {
      "model",   "out",   "resume",        "init_from",
      "dry_run", "ranks", "ranks_per_node"};
  return silent.count(flag) > 0;
}

std::string ValueOf(const RunRecord& run, const std::string& flag) {
  const auto found = run.flags.find(flag);
  return found == run.flags.end() ? "" : found->second;
}

std::string Told(const std::string& value) {
  return value.empty() ? "none" : Printable(value);
}

absl::Status Differs(const std::string& flag, const std::string& saved,
                     const std::string& now, absl::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("expected --", flag, " ", Told(saved),
                   " as the run had that is resumed, "
                   "found ",
                   Told(now), why,
                   "; give the same, or begin another run with "
                   "--init_from"));
}

// Another length changes nothing of the past where the rate is constant.
absl::Status CompareFlag(const std::string& flag, const RunRecord& saved,
                         const RunRecord& now,
                         std::vector<std::string>* notes) {
  const std::string before = ValueOf(saved, flag), after = ValueOf(now, flag);
  if (before == after) return absl::OkStatus();
  const bool steps = flag == "steps";
  const bool constant = ValueOf(now, "schedule") == "constant";
  if (steps && !constant) {
    return Differs(flag, before, after,
                   absl::StrCat(", and the rates of --schedule ",
                                ValueOf(now, "schedule"), " depend on it"));
  }
  if (!steps && !IsFree(flag)) return Differs(flag, before, after, "");
  if (!IsSilent(flag)) {
    notes->push_back(absl::StrCat("--", flag, " is ", Told(after), " and was ",
                                  Told(before)));
  }
  return absl::OkStatus();
}

// "--name=value" lines of a file of flags, without those that may differ.
std::set<std::string> DecisiveLines(const std::string& flag_file) {
  std::set<std::string> lines;
  for (const absl::string_view line : absl::StrSplit(flag_file, '\n')) {
    const absl::string_view flag =
        absl::StripPrefix(line.substr(0, line.find('=')), "--");
    if (!flag.empty() && !IsFree(std::string(flag))) {
      lines.insert(std::string(line));
    }
  }
  return lines;
}

absl::Status CompareData(const RunRecord& saved, const RunRecord& now) {
  if (saved.data_tokens == now.data_tokens &&
      saved.data_identity == now.data_identity) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "expected the training text of the run that is resumed, ",
      saved.data_tokens, " tokens, found ",
      saved.data_tokens == now.data_tokens
          ? "as many that are others"
          : absl::StrCat(now.data_tokens, " tokens"),
      "; give the same --data and --eval_fraction, or begin another run with "
      "--init_from"));
}

}  // namespace

absl::StatusOr<RunStart> FindStart(const TrainFlags& flags,
                                   comm::Communicator& world) {
  // What rank 0 finds: 'r' or 'i' and the path.
  std::string found;
  absl::Status status;
  if (world.rank() == 0) {
    std::string wanted = flags.resume;
    if (flags.resume == kResumeAuto) {
      const auto places =
          ListCheckpoints(absl::StrCat(flags.out, "/", kCheckpointsFolder));
      status = places.status();
      wanted = places.ok() && !places->empty() ? places->back().path : "";
    }
    const bool resumes = !wanted.empty();
    if (!resumes) wanted = flags.init_from;
    if (status.ok() && !wanted.empty()) {
      const absl::StatusOr<std::string> path = FindCheckpoint(wanted);
      status = path.status();
      if (path.ok()) found = absl::StrCat(resumes ? "r" : "i", *path);
    }
  }
  SWITCHYARD_RETURN_IF_ERROR(AgreeOnStatus(world, status));
  SWITCHYARD_ASSIGN_OR_RETURN(found, TextOfRankZero(world, found));
  RunStart start;
  if (found.empty()) return start;
  start.resumes = found[0] == 'r';
  absl::StatusOr<Checkpoint> checkpoint = Checkpoint::Open(found.substr(1));
  SWITCHYARD_RETURN_IF_ERROR(AgreeOnStatus(world, checkpoint.status()));
  start.checkpoint = *std::move(checkpoint);
  return start;
}

bool ContinuesInPlace(const TrainFlags& flags, const RunStart& start) {
  if (flags.resume == kResumeAuto) return true;
  if (!start.resumes) return false;
  std::error_code error;
  const fs::path run =
      fs::weakly_canonical(start.checkpoint->path(), error).parent_path();
  return !error && run.filename() == kCheckpointsFolder &&
         fs::equivalent(run.parent_path(), flags.out, error);
}

absl::Status CheckUnfinished(const std::string& folder,
                             const std::string& flag_file) {
  constexpr size_t kMostBytes = size_t{1} << 20;
  const auto path = [&](const char* name) {
    return absl::StrCat(folder, "/", name);
  };
  std::error_code ignored;
  const bool finished = fs::exists(path(OutputFolder::kSummary), ignored);
  const auto saved = ReadFile(path(OutputFolder::kFlags), kMostBytes);
  const bool holds_files = fs::exists(path(OutputFolder::kMetrics), ignored) ||
                           fs::exists(path(OutputFolder::kModel), ignored);
  if (absl::IsNotFound(saved.status()) && !holds_files && !finished) {
    return absl::OkStatus();
  }
  if (!finished && saved.ok() &&
      DecisiveLines(*saved) == DecisiveLines(flag_file)) {
    return absl::OkStatus();
  }
  return absl::AlreadyExistsError(absl::StrCat(
      "expected --out to be new, or to hold this run, where --resume ",
      kResumeAuto, " finds no checkpoint, found ",
      finished ? "a run that came to its end" : "another run", " in ", folder,
      "; give another folder or remove that run"));
}

absl::Status CompareRuns(const RunRecord& saved, const RunRecord& now,
                         std::vector<std::string>* notes) {
  if (saved.model != now.model) {
    return absl::InvalidArgumentError(
        "expected the model of the run that is resumed, found another one; "
        "leave --model out, or begin another run with --init_from");
  }
  for (const auto& [flag, value] : now.flags) {
    SWITCHYARD_RETURN_IF_ERROR(CompareFlag(flag, saved, now, notes));
  }
  SWITCHYARD_RETURN_IF_ERROR(CompareData(saved, now));
  const struct {
    const char* what;
    std::string before, after;
  } facts[] = {
      {"the version", saved.version, now.version},
      {"the instruction set", saved.instruction_set, now.instruction_set},
      {"the number of ranks", absl::StrCat(saved.ranks),
       absl::StrCat(now.ranks)},
      {"the expert-parallel width", absl::StrCat(saved.expert_parallel),
       absl::StrCat(now.expert_parallel)},
  };
  for (const auto& fact : facts) {
    if (fact.before == fact.after) continue;
    notes->push_back(
        absl::StrCat(fact.what, " is ", fact.after, " and was ", fact.before));
  }
  return absl::OkStatus();
}

std::string NoteOnArithmetic(const RunRecord& saved, uint64_t arithmetic) {
  if (saved.arithmetic == arithmetic) return "";
  return "this machine's arithmetic is not that of the run before (processor, "
         "libraries or instruction set): what follows agrees with it to "
         "rounding, and no longer bit for bit";
}

}  // namespace switchyard::launch
