// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/launch/commands/eval.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "switchyard/base/number_text.h"
#include "switchyard/base/status.h"
#include "switchyard/launch/commands/flag_groups.h"
#include "switchyard/launch/commands/rank_command.h"
#include "switchyard/launch/commands/saved_model.h"
#include "switchyard/launch/messages.h"
#include "switchyard/runtime/data/text_data_source.h"
#include "switchyard/runtime/parallel/agreement.h"
#include "switchyard/runtime/train/evaluation.h"
#include "switchyard/runtime/train/same_run.h"

namespace switchyard::launch {
namespace {

struct EvalFlags {
  SavedModelFlags model;
  std::vector<std::string> data;
  DataFormat format = DataFormat::kAuto;
  std::string tokenizer;
  int64_t eval_batches = 0;
  int64_t seq_len = 0;      // 0: the run's
  int64_t micro_batch = 0;  // likewise
};

void AddFlags(EvalFlags* flags, FlagSet* set) {
  set->Group("Text");
  AddCheckpointFlag(&flags->model, set);
  AddFilesFlag(&flags->data, set);
  AddDataFormatFlag(&flags->format, set);
  AddTokenizerFlag(&flags->tokenizer, set);
  set->Add("eval_batches", &flags->eval_batches, "N",
           "micro-batches, of all parts of the text; 0: all of it");
  set->Add("seq_len", &flags->seq_len, "T", "tokens of a sequence",
           "the run's");
  set->Add("micro_batch", &flags->micro_batch, "SEQS",
           "sequences that are computed at once", "the run's");
  AddRankFlags(&flags->model, set);
}

// What an evaluation within the run depended on: the sizes of its batches, and
// what happens to overflow. A checkpoint of weights alone has none of it.
absl::StatusOr<TrainOptions> OptionsOfRun(const SavedModel& model) {
  TrainFlags flags;
  FlagSet set("switchyard train", "");
  AddTrainFlags(&flags, &set);
  std::vector<std::string> arguments;
  for (const char* name :
       {"seq_len", "micro_batch", "capacity_factor", "eval_capacity_factor",
        "min_capacity", "capacity_scope", "drop_policy",
        "renormalize_survivors", "no_token_left_behind"}) {
    const auto& saved = model.checkpoint.manifest().run.flags;
    const auto found = saved.find(name);
    if (found == saved.end() || found->second.empty()) continue;
    arguments.push_back(absl::StrCat("--", name, "=", found->second));
  }
  const absl::Status parsed = set.Parse(arguments);
  if (!parsed.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the flags of the run of ", model.checkpoint.path(), ": ",
                     std::string(parsed.message())));
  }
  return flags.options;
}

absl::StatusOr<TrainOptions> MakeOptions(const EvalFlags& flags,
                                         const SavedModel& model) {
  SWITCHYARD_ASSIGN_OR_RETURN(TrainOptions options, OptionsOfRun(model));
  options.model = model.config;
  options.dtype = model.dtype;
  if (flags.seq_len > 0) options.seq_len = flags.seq_len;
  options.seq_len =
      std::min(options.seq_len, flags.seq_len > 0
                                    ? options.seq_len
                                    : model.config.max_position_embeddings);
  // Validate would complain of --global_batch, which is no flag here.
  constexpr int64_t kMaxSequences = int64_t{1} << 24;
  if (flags.micro_batch > kMaxSequences) {
    return absl::InvalidArgumentError(
        absl::StrCat("expected --micro_batch between 1 and ", kMaxSequences,
                     ", found ", flags.micro_batch, "; correct it"));
  }
  if (flags.micro_batch > 0) {
    options.micro_batch = flags.micro_batch;
  } else if (options.micro_batch == kDefault) {
    options.micro_batch =
        DefaultMicroBatch(options.model, options.global_batch, options.seq_len);
  }
  // An evaluation knows no larger unit than what is computed at once.
  options.global_batch = options.micro_batch;
  options.eval_batches = flags.eval_batches;
  options.has_eval_data = true;
  FillDefaults(&options);
  SWITCHYARD_RETURN_IF_ERROR(Validate(options));
  return options;
}

absl::StatusOr<std::unique_ptr<TextDataSource>> OpenData(
    const EvalFlags& flags, const SavedModel& model,
    const TrainOptions& options) {
  if (flags.data.empty()) {
    return absl::InvalidArgumentError(
        "expected --data, found none; give a file of text");
  }
  TextDataOptions data;
  data.eval_files = flags.data;
  data.sequence_length = options.seq_len;
  data.global_batch = options.global_batch;
  data.vocabulary = options.model.vocabulary;
  data.format = flags.format;
  data.tokenizer = TokenizerOf(model, flags.tokenizer);
  return TextDataSource::Create(data);
}

absl::Status Print(const SavedModel& model, const TrainOptions& options,
                   const EvalMetrics& metrics) {
  const double loss = metrics.eval_loss.value_or(0.0);
  std::string text;
  const auto line = [&text](const char* name, const std::string& value) {
    absl::StrAppendFormat(&text, "%-15s %s\n", name, value);
  };
  line("checkpoint", model.checkpoint.path());
  line("tokens", absl::StrCat(GroupedText(metrics.tokens), ", in sequences of ",
                              options.seq_len));
  line("loss", absl::StrFormat("%.6f nats/token", loss));
  line("perplexity", absl::StrFormat("%.6g", std::exp(loss)));
  line("bits per byte", metrics.bits_per_byte.has_value()
                            ? absl::StrFormat("%.6f", *metrics.bits_per_byte)
                            : "not known without the tokens' tokenizer");
  SWITCHYARD_RETURN_IF_ERROR(WriteOutput(text));
  const std::string future = NoteOnFutureTokens(options.model.router);
  if (!future.empty()) Complain("note: ", future);
  return absl::OkStatus();
}

absl::Status Execute(const EvalFlags& flags, comm::Communicator& world) {
  SWITCHYARD_ASSIGN_OR_RETURN(SavedModel model,
                              OpenSavedModel(flags.model, world));
  absl::StatusOr<TrainOptions> options = MakeOptions(flags, model);
  SWITCHYARD_RETURN_IF_ERROR(AgreeOnStatus(world, options.status()));
  const auto data = OpenData(flags, model, *options);
  SWITCHYARD_RETURN_IF_ERROR(AgreeOnStatus(world, data.status()));
  SWITCHYARD_RETURN_IF_ERROR(CheckSameRun(world, *options, **data));
  SWITCHYARD_ASSIGN_OR_RETURN(const RankDevice device,
                              PrepareRank(flags.model, world));
  SWITCHYARD_ASSIGN_OR_RETURN(const Grid grid,
                              MakeGrid(flags.model, model.config, world));
  options->expert_parallel = grid.width();
  options->threads = device->threads();
  ModelRunner runner(*options, grid, *device, ModelRouters(), Gradients::kNo);
  SWITCHYARD_RETURN_IF_ERROR(
      LoadWeights(model, runner.store(), runner.stream(), world));
  SWITCHYARD_ASSIGN_OR_RETURN(const EvalMetrics metrics,
                              Evaluate(*options, world, runner, **data));
  return AgreeOnStatus(world, world.rank() == 0
                                  ? Print(model, *options, metrics)
                                  : absl::OkStatus());
}

}  // namespace

int Eval(absl::Span<const std::string> arguments) {
  EvalFlags flags;
  FlagSet set("switchyard eval",
              "Measures the loss of a checkpoint's model on a text.");
  AddFlags(&flags, &set);
  return RunOnRanks(
      set, arguments, flags.model.comm_timeout,
      [&](comm::Communicator& world) { return Execute(flags, world); });
}

}  // namespace switchyard::launch
