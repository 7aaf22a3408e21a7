// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/train/options.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "absl/numeric/int128.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "switchyard/base/status.h"
#include "switchyard/runtime/moe/routing.h"
#include "switchyard/runtime/train/options_need_experts.h"

namespace switchyard {
namespace {

// 128 rows of a segment: there the price of exact sums is a few percent of the
// experts' time; with 32 it is 16 % (docs/numerics.md).
constexpr int64_t kRowsOfSegment = 128;

constexpr int64_t kFractionBits = 44;
constexpr int64_t kMaxFractionBits = 58;

constexpr int64_t kMaxSteps = int64_t{1} << 36;
constexpr int64_t kMaxSequences = int64_t{1} << 24;
// Rows are counted in int32 inside operators.
constexpr int64_t kMaxRows = int64_t{1} << 30;
constexpr int64_t kMaxTokens = int64_t{1} << 62;

absl::Status Error(absl::string_view sentence) {
  return absl::InvalidArgumentError(sentence);
}

template <typename T>
absl::Status InRange(const char* flag, T value, T least, T most) {
  // Written so that NaN is out of every range.
  if (value >= least && value <= most) return absl::OkStatus();
  return Error(absl::StrCat("expected --", flag, " between ", least, " and ",
                            most, ", found ", value, "; correct it"));
}

absl::Status CheckIntegers(const TrainOptions& o) {
  struct {
    const char* flag;
    int64_t value, least, most;
  } const ranges[] = {
      {"steps", o.steps, 1, kMaxSteps},
      {"seq_len", o.seq_len, 1, int64_t{1} << 24},
      {"global_batch", o.global_batch, 1, kMaxSequences},
      {"micro_batch", o.micro_batch, 1, kMaxSequences},
      {"expert_parallel", o.expert_parallel, 0, 1 << 20},
      {"threads", o.threads, 0, 4096},
      {"warmup_steps", o.warmup_steps, 0, kMaxSteps},
      {"checkpoint_every", o.checkpoint_every, 0, kMaxSteps},
      {"max_rows_per_rank", o.max_rows_per_rank, 0, kMaxRows},
      {"eval_every", o.eval_every, 0, kMaxSteps},
      {"eval_batches", o.eval_batches, 0, kMaxSteps},
      {"log_every", o.log_every, 1, kMaxSteps},
      {"layer_metrics_every", o.layer_metrics_every, 0, kMaxSteps},
      {"stop_at", o.stop_at, 0, kMaxSteps},
      {"overlap_chunks", o.overlap_chunks, 1, kMaxOverlapChunks},
  };
  for (const auto& range : ranges) {
    SWITCHYARD_RETURN_IF_ERROR(
        InRange(range.flag, range.value, range.least, range.most));
  }
  // No flag: only a program can set it.
  if (o.fraction_bits < 0 || o.fraction_bits > kMaxFractionBits) {
    return Error(absl::StrCat("expected fraction_bits between 0 and ",
                              kMaxFractionBits, ", found ", o.fraction_bits,
                              "; correct it or leave it to FillDefaults"));
  }
  return absl::OkStatus();
}

// The optimizer computes with betas in fp32, where one that rounds to 1 would
// never let anything new into its average.
absl::Status CheckBeta(const char* flag, double beta) {
  const double most = std::nextafter(1.0f, 0.0f);
  if (beta >= 0.0 && beta <= most) return absl::OkStatus();
  return Error(absl::StrFormat(
      "expected --%s between 0 and %.8f, the last below 1 in fp32, found "
      "%.17g; correct it",
      flag, most, beta));
}

absl::Status CheckNumbers(const TrainOptions& o) {
  struct {
    const char* flag;
    double value, least, most;
  } const ranges[] = {
      {"lr", o.lr, 1e-12, 1e3},
      {"min_lr_ratio", o.min_lr_ratio, 0.0, 1.0},
      {"decay_fraction", o.decay_fraction, 0.0, 1.0},
      {"weight_decay", o.weight_decay, 0.0, 1e3},
      {"adam_eps", o.adam_eps, 1e-14, 1.0},
      {"clip_norm", o.clip_norm, 0.0, 1e9},
      {"balance_loss_coef", o.model.balance_loss_coef, 0.0, 1e4},
      {"router_z_loss_coef", o.model.router_z_loss_coef, 0.0, 1e4},
      {"expert_dropout", o.expert_dropout, 0.0, 0.99},
      {"comm_timeout", o.comm_timeout, 0.1, 1e7},
  };
  for (const auto& range : ranges) {
    SWITCHYARD_RETURN_IF_ERROR(
        InRange(range.flag, range.value, range.least, range.most));
  }
  SWITCHYARD_RETURN_IF_ERROR(CheckBeta("beta1", o.beta1));
  return CheckBeta("beta2", o.beta2);
}

// Files of routing hold the k choices of every token.
absl::Status CheckRoutingTypes(const TrainOptions& o) {
  const RouterType type = o.model.router.type;
  const bool traces =
      !o.routing_trace.empty() && type == RouterType::kExpertChoice;
  const bool replays =
      !o.routing_replay.empty() && type != RouterType::kTokenChoice;
  if (!traces && !replays) return absl::OkStatus();
  return Error(absl::StrCat("expected no ",
                            traces ? "--routing_trace" : "--routing_replay",
                            " with \"router_type\" \"", NameOf(type),
                            "\", where tokens do not choose k experts by "
                            "scores, found one; leave the "
                            "flag out"));
}

absl::Status CheckBatch(const TrainOptions& o) {
  if (o.seq_len > o.model.max_position_embeddings) {
    return Error(absl::StrCat(
        "expected --seq_len of at most the model's max_position_embeddings, ",
        o.model.max_position_embeddings, ", found ", o.seq_len,
        "; shorten the sequences"));
  }
  if (o.global_batch % o.micro_batch != 0) {
    return Error(absl::StrCat(
        "expected --micro_batch to divide --global_batch, found ",
        o.micro_batch, " and ", o.global_batch, "; change one of them"));
  }
  if (o.seq_len > kMaxRows / o.micro_batch / o.model.experts_per_token) {
    return Error(absl::StrCat(
        "expected a micro-batch of at most ", kMaxRows,
        " rows (--micro_batch times --seq_len times experts per token), "
        "found ",
        o.micro_batch, " times ", o.seq_len, " times ",
        o.model.experts_per_token, "; make the micro-batch smaller"));
  }
  if (o.steps > kMaxTokens / o.global_batch / o.seq_len) {
    return Error(absl::StrCat("expected a run of at most ", kMaxTokens,
                              " tokens, found ", o.steps, " steps of ",
                              o.global_batch, " times ", o.seq_len,
                              "; make it shorter"));
  }
  return absl::OkStatus();
}

absl::Status CheckSchedule(const TrainOptions& o) {
  if (o.warmup_steps >= o.steps && o.warmup_steps > 0) {
    return Error(absl::StrCat("expected --warmup_steps below --steps, found ",
                              o.warmup_steps, " and ", o.steps,
                              "; change one of them"));
  }
  if (o.stop_at > o.steps) {
    return Error(absl::StrCat("expected --stop_at of at most --steps, found ",
                              o.stop_at, " and ", o.steps,
                              "; change one of them"));
  }
  return absl::OkStatus();
}

}  // namespace

int64_t DefaultMicroBatch(const ModelConfig& model, int64_t global_batch,
                          int64_t seq_len) {
  // size · seq_len · k / E >= 128, in integers that hold any of them: nothing
  // has been checked yet, and the rule is part of the numerics.
  const absl::int128 assignments =
      absl::int128(seq_len) * absl::int128(model.experts_per_token);
  const absl::int128 wanted =
      absl::int128(model.experts) * absl::int128(kRowsOfSegment);
  for (int64_t size = 1; size < global_batch; ++size) {
    if (global_batch % size != 0) continue;
    // Divided, so that the product cannot overflow: ceil(wanted / size).
    if (assignments >= (wanted + size - 1) / size) return size;
  }
  return global_batch;
}

int64_t DefaultExpertParallel(int64_t experts, int64_t ranks,
                              int64_t ranks_per_node) {
  const int64_t ranks_divisor =
      ranks > ranks_per_node ? std::gcd(ranks, ranks_per_node) : ranks;
  return std::gcd(experts, ranks_divisor);
}

absl::Status CheckExpertParallel(int64_t width, int64_t experts,
                                 int64_t ranks) {
  if (width >= 1 && experts % width == 0 && ranks % width == 0) {
    return absl::OkStatus();
  }
  return Error(absl::StrCat(
      "expected --expert_parallel to divide the model's experts and the "
      "ranks, found ",
      width, " for ", experts, " experts and ", ranks,
      " ranks; choose a common divisor"));
}

OverflowRule OverflowRuleOf(const TrainOptions& options, bool training) {
  return MakeOverflowRule(options.overflow, options.model, options.micro_batch,
                          options.seq_len, training);
}

int64_t ExpertCapacity(const TrainOptions& options) {
  return RowsOfExpert(OverflowRuleOf(options, /*training=*/true),
                      options.micro_batch * options.seq_len);
}

int64_t MostExpertRows(const TrainOptions& options) {
  const int64_t training = ExpertCapacity(options);
  if (!options.has_eval_data) return training;
  const int64_t evaluation =
      RowsOfExpert(OverflowRuleOf(options, /*training=*/false),
                   options.micro_batch * options.seq_len);
  const bool limited = training > 0 && evaluation > 0;
  return limited ? std::max(training, evaluation) : 0;
}

bool SumsFloats(const TrainOptions& options) {
  return options.device == DeviceKind::kCuda &&
         options.determinism == Determinism::kRun;
}

int64_t LastStep(const TrainOptions& options) {
  return options.stop_at > 0 ? std::min(options.stop_at, options.steps)
                             : options.steps;
}

bool EvaluatesAfter(const TrainOptions& options, int64_t step) {
  if (options.eval_every <= 0) return false;
  return step == 0 || step == LastStep(options) ||
         step % options.eval_every == 0;
}

bool ReportsLayers(const TrainOptions& options, int64_t step) {
  return options.layer_metrics_every > 0 &&
         step % options.layer_metrics_every == 0;
}

void FillDefaults(TrainOptions* options) {
  TrainOptions& o = *options;
  // Out of range anyway: Validate will say so.
  const bool sizes_are_sane = o.global_batch >= 1 &&
                              o.global_batch <= kMaxSequences &&
                              o.model.experts >= 1;
  if (o.micro_batch == kDefault && sizes_are_sane) {
    o.micro_batch = DefaultMicroBatch(o.model, o.global_batch, o.seq_len);
  }
  if (o.warmup_steps == kDefault) {
    o.warmup_steps = std::min<int64_t>(100, o.steps / 10);
  }
  if (o.determinism == Determinism::kDefault) {
    o.determinism =
        o.device == DeviceKind::kCpu ? Determinism::kLayout : Determinism::kRun;
  }
  if (o.eval_every == kDefault) o.eval_every = o.has_eval_data ? 100 : 0;
  if (o.fraction_bits == kDefault) {
    // Ten bits below AdamW's epsilon, or they would decide its quotient.
    const int64_t eps_bits =
        o.adam_eps > 0.0 ? -static_cast<int64_t>(std::ilogb(o.adam_eps)) : 0;
    o.fraction_bits =
        std::min(kMaxFractionBits, std::max(kFractionBits, eps_bits + 10));
  }
}

absl::Status Validate(const TrainOptions& options) {
  // Flags first: they are written into the model, which would be blamed.
  SWITCHYARD_RETURN_IF_ERROR(CheckIntegers(options));
  SWITCHYARD_RETURN_IF_ERROR(CheckNumbers(options));
  SWITCHYARD_RETURN_IF_ERROR(Validate(options.model, "the model"));
  SWITCHYARD_RETURN_IF_ERROR(CheckOptionsThatNeedExperts(options));
  SWITCHYARD_RETURN_IF_ERROR(Validate(options.exploration, options.model));
  SWITCHYARD_RETURN_IF_ERROR(Validate(options.overflow, options.model));
  SWITCHYARD_RETURN_IF_ERROR(Validate(options.balance, options.model));
  SWITCHYARD_RETURN_IF_ERROR(CheckRoutingTypes(options));
  SWITCHYARD_RETURN_IF_ERROR(CheckBatch(options));
  SWITCHYARD_RETURN_IF_ERROR(CheckBalanceWindow(
      options.balance, options.global_batch / options.micro_batch));
  SWITCHYARD_RETURN_IF_ERROR(CheckSchedule(options));
  if (options.dtype != DType::kFloat32 && options.dtype != DType::kBFloat16) {
    return Error(absl::StrCat("expected --dtype fp32 or bf16, found ",
                              NameOf(options.dtype), "; choose one"));
  }
  if (options.eval_every > 0 && !options.has_eval_data) {
    return Error(
        "expected text to evaluate on for --eval_every, found neither "
        "--eval_data nor --eval_fraction; give one or set --eval_every 0");
  }
  return absl::OkStatus();
}

const char* NameOf(Schedule schedule) {
  switch (schedule) {
    case Schedule::kCosine:
      return "cosine";
    case Schedule::kConstant:
      return "constant";
    case Schedule::kWarmupStableDecay:
      return "wsd";
  }
  return "";
}

const char* NameOf(BadGradient policy) {
  return policy == BadGradient::kStop ? "stop" : "skip";
}

const char* NameOf(Recompute recompute) {
  return recompute == Recompute::kNone ? "none" : "block";
}

const char* NameOf(Determinism determinism) {
  switch (determinism) {
    case Determinism::kDefault:
      return "default";
    case Determinism::kLayout:
      return "layout";
    case Determinism::kRun:
      return "run";
  }
  return "";
}

const char* NameOf(DeviceKind device) {
  return device == DeviceKind::kCpu ? "cpu" : "cuda";
}

}  // namespace switchyard
