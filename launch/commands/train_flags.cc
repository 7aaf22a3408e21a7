// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/launch/commands/train_flags.h"

#include <filesystem>
#include <set>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "switchyard/base/nearest_name.h"
#include "switchyard/base/status.h"
#include "switchyard/kernels/instruction_set.h"
#include "switchyard/launch/commands/routing_flags.h"
#include "switchyard/launch/flags/flag_set.h"
#include "switchyard/launch/version.h"

namespace switchyard::launch {
namespace {

// Ranks that are threads of one process.
constexpr int64_t kMostThreadRanks = 64;

// The flags as they are registered: next to the result, what needs a look at
// whether it was given.
struct Registered {
  TrainFlags flags;
  double balance_loss_coef = 0.0;
  double router_z_loss_coef = 0.0;
};

void AddRun(Registered* r, FlagSet* set) {
  TrainFlags& f = r->flags;
  TrainOptions& o = f.options;
  set->Group("Run");
  set->Add("model", &f.model_path, "PATH",
           "config.json with Mixtral's keys, or a folder that holds one");
  set->Add("data", &f.data, "FILE[,FILE]", "text to train on, read as bytes");
  set->Add("out", &f.out, "DIR",
           "new folder for metrics.jsonl, summary.json and the resolved "
           "configuration");
  set->Add("steps", &o.steps, "N", "length of the schedule");
  set->Add("stop_at", &o.stop_at, "STEP",
           "end after this step without changing the schedule", "--steps");
  set->Add("seed", &o.seed, "S",
           "of initial weights and of the order of the data");
  set->Add("log_every", &o.log_every, "N", "steps between lines of progress");
  set->Add("layer_metrics_every", &o.layer_metrics_every, "N",
           "steps between figures of each layer in metrics.jsonl; 0: none");
  set->Add("routing_trace", &o.routing_trace, "FILE",
           "new file for the experts and gates of every token");
}

void AddVerification(Registered* r, int64_t* max_ranks, FlagSet* set) {
  TrainFlags& f = r->flags;
  TrainOptions& o = f.options;
  set->Group("Verification");
  set->Add("model", &f.model_path, "PATH",
           "config.json with Mixtral's keys, or a folder that holds one");
  set->Add("data", &f.data, "FILE[,FILE]", "text to train on, read as bytes");
  set->Add("steps", &o.steps, "N", "steps on each layout");
  set->Add("max_ranks", max_ranks, "N",
           "compare 2, 4, ... ranks up to N, as threads of this process", "4");
  set->Add("seed", &o.seed, "S",
           "of initial weights and of the order of the data");
}

void AddBatch(Registered* r, FlagSet* set) {
  TrainOptions& o = r->flags.options;
  set->Group("Batch");
  set->Add("seq_len", &o.seq_len, "T", "tokens of a sequence");
  set->Add("global_batch", &o.global_batch, "SEQS",
           "sequences of a step, over all ranks");
  set->Add("micro_batch", &o.micro_batch, "SEQS",
           "sequences computed at once: the unit of numerics, must divide "
           "--global_batch",
           "the smallest that gives an expert 128 rows on average");
}

void AddOptimizer(Registered* r, FlagSet* set) {
  TrainOptions& o = r->flags.options;
  set->Group("Optimizer");
  set->Add("lr", &o.lr, "X", "peak learning rate");
  set->AddChoice("schedule", &o.schedule,
                 {{"cosine", Schedule::kCosine},
                  {"constant", Schedule::kConstant},
                  {"wsd", Schedule::kWarmupStableDecay}},
                 "of the learning rate after the warm-up");
  set->Add("warmup_steps", &o.warmup_steps, "N",
           "steps over which the learning rate rises",
           "a tenth of --steps, at most 100");
  set->Add("min_lr_ratio", &o.min_lr_ratio, "X",
           "end of the schedule as a share of --lr");
  set->Add("decay_fraction", &o.decay_fraction, "X",
           "share of --steps over which wsd falls");
  set->Add("weight_decay", &o.weight_decay, "X",
           "AdamW's, on matrices and embeddings");
  set->Add("decay_norms", &o.decay_norms, "", "decay norms and biases too");
  set->Add("beta1", &o.beta1, "X", "AdamW's");
  set->Add("beta2", &o.beta2, "X", "AdamW's");
  set->Add("adam_eps", &o.adam_eps, "X", "AdamW's");
  set->Add("clip_norm", &o.clip_norm, "X",
           "clip gradients to this global norm; 0 switches it off");
  set->AddChoice("bad_gradient", &o.bad_gradient,
                 {{"stop", BadGradient::kStop}, {"skip", BadGradient::kSkip}},
                 "what a gradient does that is not finite or too large");
}

void AddExperts(Registered* r, FlagSet* set) {
  TrainOptions& o = r->flags.options;
  set->Group("Mixture of experts");
  AddExplorationFlags(&o.exploration, set);
  AddOverflowFlags(&o.overflow, set);
  AddBalanceFlags(&o.balance, set);
  set->Add("balance_loss_coef", &r->balance_loss_coef, "X",
           "c of the balance loss of one layer (1 * c at perfect balance); 0 "
           "switches it off",
           "the model's");
  set->Add("router_z_loss_coef", &r->router_z_loss_coef, "X",
           "of the router's z-loss; 0 switches it off", "the model's");
  set->Add("expert_dropout", &o.expert_dropout, "X",
           "share of an expert's intermediate activation that is dropped in "
           "training; 0: none");
  set->Add("max_rows_per_rank", &o.max_rows_per_rank, "N",
           "end the run if more rows meet on a rank; 0: no limit");
  set->Add("routing_replay", &o.routing_replay, "FILE",
           "take the experts of every token from a file of --routing_trace");
}

void AddComputation(Registered* r, FlagSet* set) {
  TrainFlags& f = r->flags;
  TrainOptions& o = f.options;
  set->Group("Computation");
  set->Add("expert_parallel", &o.expert_parallel, "W",
           "ranks that share out the experts",
           "the widest that divides experts, ranks and a node's ranks");
  set->Add("device", &f.device, "cpu", "where tensors live");
  set->AddChoice("dtype", &o.dtype,
                 {{"fp32", DType::kFloat32}, {"bf16", DType::kBFloat16}},
                 "of weights and activations; bf16 keeps fp32 master weights");
  set->Add("threads", &o.threads, "N", "threads of a rank",
           "its share of the node's cores");
  set->AddChoice("recompute", &o.recompute,
                 {{"none", Recompute::kNone}, {"block", Recompute::kBlock}},
                 "recompute each block in the backward pass to save memory");
  set->AddChoice("determinism", &o.determinism,
                 {{"layout", Determinism::kLayout}, {"run", Determinism::kRun}},
                 "same bits in every layout, or from run to run in one");
  set->Add("isa", &o.isa, "NAME", "cap of the instruction set",
           "the best that all ranks have");
  set->Add("comm_timeout", &o.comm_timeout, "SECONDS",
           "how long a rank waits for the others");
}

void AddEvaluation(Registered* r, FlagSet* set) {
  TrainFlags& f = r->flags;
  TrainOptions& o = f.options;
  set->Group("Evaluation");
  set->Add("eval_data", &f.eval_data, "FILE[,FILE]", "held-out text");
  set->Add("eval_fraction", &f.eval_fraction, "X",
           "share of each data file, from its end, that is held out");
  set->Add("eval_every", &o.eval_every, "N",
           "steps between evaluations; 0: never",
           "100 if there is held-out text");
  set->Add("eval_batches", &o.eval_batches, "N",
           "global batches of an evaluation; 0: all held-out text");
}

void AddPlan(Registered* r, FlagSet* set) {
  TrainFlags& f = r->flags;
  set->Group("Plan");
  set->Add("dry_run", &f.dry_run, "",
           "check everything, print the plan and stop; needs no data");
  set->Add("ranks", &f.ranks, "N", "plan for this many ranks",
           "those that run");
  set->Add("ranks_per_node", &f.ranks_per_node, "N",
           "plan for nodes of this many ranks", "--ranks");
}

absl::Status Error(absl::string_view sentence) {
  return absl::InvalidArgumentError(sentence);
}

absl::Status Require(const FlagSet& set, const char* name,
                     absl::string_view what) {
  if (set.Given(name)) return absl::OkStatus();
  return Error(absl::StrCat("expected --", name, ", found none; give ", what));
}

// True if the flag `name` was given and goes against the flag `other`. One of a
// file of flags does not if `other` was given on the command line: that is how
// a run is repeated with another schedule.
bool Counts(const FlagSet& set, const char* name, const char* other) {
  return set.OnCommandLine(name) ||
         (set.Given(name) && !set.OnCommandLine(other));
}

// A flag that has no effect is a misunderstanding.
absl::Status CheckEffects(const FlagSet& set, const TrainFlags& flags) {
  const Schedule schedule = flags.options.schedule;
  if (Counts(set, "decay_fraction", "schedule") &&
      schedule != Schedule::kWarmupStableDecay) {
    return Error(absl::StrCat(
        "expected --schedule wsd with --decay_fraction, found ",
        NameOf(schedule), "; change the schedule or leave the flag out"));
  }
  if (Counts(set, "min_lr_ratio", "schedule") &&
      schedule == Schedule::kConstant) {
    return Error(
        "expected --schedule cosine or wsd with --min_lr_ratio, found "
        "constant; change the schedule or leave the flag out");
  }
  const bool held_out = !flags.eval_data.empty() || flags.eval_fraction > 0.0;
  if (Counts(set, "eval_capacity_factor", "eval_fraction") && !held_out) {
    return Error(
        "expected held-out text with --eval_capacity_factor, found none; give "
        "--eval_data or --eval_fraction, or leave the flag out");
  }
  if (Counts(set, "eval_batches", "eval_fraction") && !held_out) {
    return Error(
        "expected held-out text with --eval_batches, found none; give "
        "--eval_data or --eval_fraction, or leave the flag out");
  }
  if (flags.eval_fraction > 0.0 && set.Given("eval_every") &&
      flags.options.eval_every == 0) {
    return Error(
        "expected evaluations of what --eval_fraction holds out, found "
        "--eval_every 0; set one of them otherwise");
  }
  const bool plan = set.Given("ranks") || set.Given("ranks_per_node");
  if (plan && !flags.dry_run) {
    return Error(
        "expected --dry_run with --ranks or --ranks_per_node, found none; "
        "start ranks with mpirun -n R or srun");
  }
  return absl::OkStatus();
}

absl::Status CheckPlan(const FlagSet& set, TrainFlags* flags) {
  if (set.Given("ranks_per_node") && !set.Given("ranks")) {
    return Error(
        "expected --ranks with --ranks_per_node, found none; give both");
  }
  if (set.Given("ranks") && !set.Given("ranks_per_node")) {
    flags->ranks_per_node = flags->ranks;
  }
  const int64_t ranks = flags->ranks, per_node = flags->ranks_per_node;
  if (!set.Given("ranks")) return absl::OkStatus();
  if (ranks < 1 || ranks > (1 << 20) || per_node < 1 || ranks % per_node != 0) {
    return Error(absl::StrCat("expected --ranks between 1 and ", 1 << 20,
                              " that --ranks_per_node divides, found ", ranks,
                              " and ", per_node, "; correct them"));
  }
  return absl::OkStatus();
}

absl::Status ReadModel(const FlagSet& set, Registered* r) {
  ModelConfig& model = r->flags.options.model;
  DecidedElsewhere keys;
  keys.balance_loss_coef = set.Given("balance_loss_coef");
  keys.router_z_loss_coef = set.Given("router_z_loss_coef");
  SWITCHYARD_ASSIGN_OR_RETURN(model,
                              ReadModelConfig(r->flags.model_path, keys));
  if (set.Given("balance_loss_coef")) {
    model.balance_loss_coef = r->balance_loss_coef;
  }
  if (set.Given("router_z_loss_coef")) {
    model.router_z_loss_coef = r->router_z_loss_coef;
  }
  r->balance_loss_coef = model.balance_loss_coef;
  r->router_z_loss_coef = model.router_z_loss_coef;
  return absl::OkStatus();
}

absl::Status CheckNames(const TrainFlags& flags) {
  if (flags.device != "cpu") {
    return Error(absl::StrCat("expected --device cpu, found '",
                              Printable(flags.device),
                              "'; no other device is built"));
  }
  if (!flags.options.isa.empty()) {
    return kernels::ParseInstructionSet(flags.options.isa).status();
  }
  return absl::OkStatus();
}

absl::Status CheckEvaluation(const TrainFlags& flags) {
  if (!flags.eval_data.empty() && flags.eval_fraction > 0.0) {
    return Error(
        "expected --eval_data or --eval_fraction, found both; give one");
  }
  if (flags.eval_fraction >= 1.0 || flags.eval_fraction < 0.0) {
    return Error(absl::StrCat(
        "expected --eval_fraction of at least 0 and below 1, found ",
        flags.eval_fraction, "; correct it"));
  }
  return absl::OkStatus();
}

absl::Status RequireModel(const FlagSet& set) {
  return Require(set, "model", "a config.json such as examples/models/small");
}

absl::Status RequireData(const FlagSet& set) {
  return Require(set, "data", "a file of text");
}

// What does not depend on what the run is for.
absl::Status ResolveOptions(const FlagSet& set, Registered* r) {
  TrainFlags& flags = r->flags;
  SWITCHYARD_RETURN_IF_ERROR(CheckNames(flags));
  SWITCHYARD_RETURN_IF_ERROR(CheckEvaluation(flags));
  SWITCHYARD_RETURN_IF_ERROR(ReadModel(set, r));
  // Before a capacity is asked for that would be refused in turn.
  SWITCHYARD_RETURN_IF_ERROR(CheckFlagsThatNeedExperts(set, flags.options));
  SWITCHYARD_RETURN_IF_ERROR(
      ResolveOverflowFlags(set, &flags.options.overflow));
  flags.options.has_eval_data =
      !flags.eval_data.empty() || flags.eval_fraction > 0.0;
  FillDefaults(&flags.options);
  return Validate(flags.options);
}

absl::Status Resolve(const FlagSet& set, Registered* r) {
  TrainFlags& flags = r->flags;
  SWITCHYARD_RETURN_IF_ERROR(RequireModel(set));
  SWITCHYARD_RETURN_IF_ERROR(CheckEffects(set, flags));
  if (!flags.dry_run) {
    SWITCHYARD_RETURN_IF_ERROR(RequireData(set));
    SWITCHYARD_RETURN_IF_ERROR(Require(set, "out", "a new folder"));
  }
  SWITCHYARD_RETURN_IF_ERROR(CheckPlan(set, &flags));
  return ResolveOptions(set, r);
}

absl::Status ResolveVerification(const FlagSet& set, VerifyFlags* flags,
                                 Registered* r) {
  SWITCHYARD_RETURN_IF_ERROR(RequireModel(set));
  SWITCHYARD_RETURN_IF_ERROR(RequireData(set));
  SWITCHYARD_RETURN_IF_ERROR(CheckEffects(set, r->flags));
  if (set.Given("max_ranks") &&
      (flags->max_ranks < 2 || flags->max_ranks > kMostThreadRanks)) {
    return Error(absl::StrCat("expected --max_ranks between 2 and ",
                              kMostThreadRanks, ", found ", flags->max_ranks,
                              "; correct it"));
  }
  return ResolveOptions(set, r);
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

// Those that would be refused when read back, that belong to one call, or that
// are not derived yet.
std::set<std::string> NotInFile(const TrainFlags& flags) {
  const TrainOptions& options = flags.options;
  const struct {
    const char* name;
    bool left_out;
  } rules[] = {
      {"dry_run", true},
      {"ranks", true},
      {"ranks_per_node", true},
      {"decay_fraction", options.schedule != Schedule::kWarmupStableDecay},
      {"min_lr_ratio", options.schedule == Schedule::kConstant},
      {"stop_at", options.stop_at == 0},
      {"routing_trace", true},
      {"expert_parallel", options.expert_parallel == 0},
      {"threads", options.threads == 0},
      {"eval_fraction", !options.has_eval_data},
      {"eval_every", !options.has_eval_data},
      {"eval_batches", !options.has_eval_data},
      {"eval_capacity_factor", !options.has_eval_data},
  };
  std::set<std::string> names;
  for (const auto& rule : rules) {
    if (rule.left_out) names.insert(rule.name);
  }
  LeaveOutRoutingFlags(options, &names);
  return names;
}

void MakePathsAbsolute(TrainFlags* flags) {
  flags->model_path = Absolute(flags->model_path);
  flags->out = Absolute(flags->out);
  flags->options.routing_trace = Absolute(flags->options.routing_trace);
  flags->options.routing_replay = Absolute(flags->options.routing_replay);
  for (std::string& path : flags->data) path = Absolute(path);
  for (std::string& path : flags->eval_data) path = Absolute(path);
}

// What other trainers call them.
void AddAliases(FlagSet* set) {
  constexpr const char* kAliases[][2] = {
      {"learning_rate", "lr"},
      {"max_lr", "lr"},
      {"min_lr", "min_lr_ratio"},
      {"batch_size", "global_batch"},
      {"global_batch_size", "global_batch"},
      {"micro_batch_size", "micro_batch"},
      {"seq_length", "seq_len"},
      {"sequence_length", "seq_len"},
      {"max_seq_len", "seq_len"},
      {"block_size", "seq_len"},
      {"max_steps", "steps"},
      {"num_steps", "steps"},
      {"train_iters", "steps"},
      {"output_dir", "out"},
      {"train_data", "data"},
      {"config", "model"},
      {"grad_clip", "clip_norm"},
      {"max_grad_norm", "clip_norm"},
      {"precision", "dtype"},
      {"num_threads", "threads"},
      {"expert_parallel_size", "expert_parallel"},
      {"router_aux_loss_coef", "balance_loss_coef"},
      {"eval_interval", "eval_every"},
      {"log_interval", "log_every"},
  };
  for (const auto& [alias, name] : kAliases) set->Alias(alias, name);
}

constexpr char kCommand[] = "switchyard train";
constexpr char kSummary[] =
    "Trains a mixture-of-experts language model. Alone it is one rank; under "
    "mpirun -n R or srun it is R ranks, with the same bits.";

std::string VersionText() {
  return absl::StrCat("switchyard ", Version(), "\n");
}

void AddAll(Registered* r, FlagSet* set) {
  AddRun(r, set);
  AddBatch(r, set);
  AddOptimizer(r, set);
  AddExperts(r, set);
  AddComputation(r, set);
  AddEvaluation(r, set);
  AddPlan(r, set);
  AddAliases(set);
}

}  // namespace

absl::StatusOr<TrainFlags> ParseTrainFlags(
    absl::Span<const std::string> arguments) {
  Registered r;
  FlagSet set(kCommand, kSummary);
  AddAll(&r, &set);
  SWITCHYARD_RETURN_IF_ERROR(set.Parse(arguments));
  if (set.help_requested()) {
    r.flags.help = set.Help();
    return r.flags;
  }
  if (set.version_requested()) {
    r.flags.help = VersionText();
    return r.flags;
  }
  SWITCHYARD_RETURN_IF_ERROR(Resolve(set, &r));
  MakePathsAbsolute(&r.flags);
  return r.flags;
}

absl::StatusOr<VerifyFlags> ParseVerifyFlags(
    absl::Span<const std::string> arguments) {
  constexpr int64_t kSteps = 3;
  Registered r;
  r.flags.options.steps = kSteps;
  VerifyFlags flags;
  FlagSet set("switchyard verify-layouts",
              "Trains a few steps on one rank and on other layouts, and "
              "compares every bit. Alone its ranks are threads of this "
              "process; under mpirun -n R those are compared with one.");
  AddVerification(&r, &flags.max_ranks, &set);
  AddBatch(&r, &set);
  AddOptimizer(&r, &set);
  AddExperts(&r, &set);
  AddComputation(&r, &set);
  SWITCHYARD_RETURN_IF_ERROR(set.Parse(arguments));
  if (set.help_requested()) {
    r.flags.help = set.Help();
  } else if (set.version_requested()) {
    r.flags.help = VersionText();
  } else {
    SWITCHYARD_RETURN_IF_ERROR(ResolveVerification(set, &flags, &r));
  }
  flags.train = std::move(r.flags);
  return flags;
}

std::string FlagFileOf(const TrainFlags& flags) {
  Registered r;
  r.flags = flags;
  r.balance_loss_coef = flags.options.model.balance_loss_coef;
  r.router_z_loss_coef = flags.options.model.router_z_loss_coef;
  FlagSet set(kCommand, kSummary);
  AddAll(&r, &set);
  return set.ToFlagFile(NotInFile(flags));
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
