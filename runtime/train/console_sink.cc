// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/train/console_sink.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "switchyard/base/number_text.h"

namespace switchyard {
namespace {

// Weight of the newest step in the average behind the estimated time.
constexpr double kNewest = 0.1;

// A loss of NaN, as of a step that was skipped, says no more than none.
bool IsNumber(std::optional<double> value) {
  return value.has_value() && std::isfinite(*value);
}

std::string Decimal(std::optional<double> value) {
  return IsNumber(value) ? absl::StrFormat("%.4f", *value) : "none";
}

std::string ShortNumber(double value) {
  return IsNumber(value) ? absl::StrFormat("%.3g", value) : "none";
}

std::string RateText(double tokens_per_second) {
  return GroupedText(std::llround(tokens_per_second));
}

std::string Row(absl::string_view name, absl::string_view first,
                absl::string_view last) {
  return absl::StrFormat("  %-24s %12s %12s", name, first, last);
}

}  // namespace

ConsoleSink::~ConsoleSink() {
  if (!live_line_) return;
  std::fputc('\n', stream_);
  std::fflush(stream_);
}

void ConsoleSink::Print(absl::string_view line) {
  if (live_line_) std::fputs("\r\x1b[K", stream_);
  live_line_ = false;
  std::fwrite(line.data(), 1, line.size(), stream_);
  std::fputc('\n', stream_);
  std::fflush(stream_);
}

void ConsoleSink::PrintProgress(absl::string_view line) {
  if (!options_.live) return Print(line);
  // A line as wide as the terminal would wrap and could not be rewritten.
  const size_t width = static_cast<size_t>(std::max(options_.columns - 1, 1));
  line = line.substr(0, width);
  std::fputs("\r\x1b[K", stream_);
  std::fwrite(line.data(), 1, line.size(), stream_);
  std::fflush(stream_);
  live_line_ = true;
}

absl::Status ConsoleSink::OnStep(const StepMetrics& metrics) {
  step_seconds_ =
      step_seconds_ == 0.0
          ? metrics.step_seconds
          : step_seconds_ + kNewest * (metrics.step_seconds - step_seconds_);
  if (metrics.skipped) {
    Print(absl::StrCat("step ", metrics.step,
                       ": skipped, a gradient was not finite or too large"));
  }
  if (metrics.step % options_.log_every != 0 &&
      metrics.step != options_.last_step) {
    return absl::OkStatus();
  }
  const double left =
      step_seconds_ * static_cast<double>(options_.last_step - metrics.step);
  std::string line = absl::StrFormat(
      "step %d/%d  ETA %s  loss %s  grad %s  lr %.3g  %s tok/s  load %.2f",
      metrics.step, options_.last_step, DurationText(left),
      Decimal(metrics.loss), ShortNumber(metrics.grad_norm),
      metrics.learning_rate, RateText(metrics.tokens_per_second),
      metrics.max_load);
  if (metrics.dead_experts > 0) {
    absl::StrAppend(&line, "  dead ", metrics.dead_experts);
  }
  if (metrics.dropped > 0) {
    absl::StrAppendFormat(&line, "  dropped %.3g%%",
                          100.0 * metrics.dropped_share);
  }
  PrintProgress(line);
  return absl::OkStatus();
}

absl::Status ConsoleSink::OnEval(const EvalMetrics& metrics) {
  Print(absl::StrCat("step ", metrics.step, "/", options_.last_step,
                     "  validation loss ", Decimal(metrics.eval_loss), "  ",
                     Decimal(metrics.bits_per_byte), " bits per byte"));
  return absl::OkStatus();
}

absl::Status ConsoleSink::OnCheckpoint(const CheckpointReport& report) {
  Print(absl::StrFormat(
      "checkpoint of step %d  %s in %.2f s, of which training waited %.3f s",
      report.step, ByteText(report.byte_count), report.seconds,
      report.stall_seconds));
  return absl::OkStatus();
}

absl::Status ConsoleSink::OnEnd(const RunSummary& summary) {
  Print("");
  if (summary.first_eval.has_value() && summary.last_eval.has_value()) {
    const EvalMetrics& first = *summary.first_eval;
    const EvalMetrics& last = *summary.last_eval;
    Print(Row("", absl::StrCat("step ", first.step),
              absl::StrCat("step ", last.step)));
    Print(Row("validation loss", Decimal(first.eval_loss),
              Decimal(last.eval_loss)));
    Print(Row("bits per byte", Decimal(first.bits_per_byte),
              Decimal(last.bits_per_byte)));
  }
  Print(Row("steps", "", GroupedText(summary.steps)));
  Print(Row("time", "", DurationText(summary.seconds)));
  Print(
      Row("tokens/s, median", "", RateText(summary.median_tokens_per_second)));
  Print(Row("largest load over mean", "",
            absl::StrFormat("%.2f", summary.last_max_load)));
  Print(Row("dropped assignments", "", GroupedText(summary.dropped)));
  if (summary.skipped_steps > 0) {
    Print(Row("skipped steps", "", GroupedText(summary.skipped_steps)));
  }
  Print(Row("tensors of a rank", "", ByteText(summary.peak_rank_bytes)));
  Print(Row("memory of a process", "", ByteText(summary.peak_resident_bytes)));
  Print(absl::StrCat("  checksum of all weights   ", summary.weights_checksum));
  return absl::OkStatus();
}

}  // namespace switchyard
