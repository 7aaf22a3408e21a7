// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/train/json_lines_sink.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <fstream>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "switchyard/base/file.h"
#include "switchyard/base/status.h"

namespace switchyard {

absl::StatusOr<std::unique_ptr<JsonLinesSink>> JsonLinesSink::Create(
    const std::string& path) {
  const int file = open(
      path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0666);
  if (file < 0) {
    return SystemError(errno, "create", path);
  }
  return std::unique_ptr<JsonLinesSink>(new JsonLinesSink(path, file));
}

namespace {

// True if a whole line says nothing that a run says again after `step` steps.
bool IsOfThePast(absl::string_view line, int64_t step, bool evaluates_again) {
  const bool checkpoint = absl::ConsumePrefix(&line, "{\"checkpoint\": ");
  if (!checkpoint && !absl::ConsumePrefix(&line, "{\"step\": ")) return false;
  const size_t digits = line.find_first_not_of("0123456789");
  int64_t of = 0;
  if (digits == absl::string_view::npos ||
      !absl::SimpleAtoi(line.substr(0, digits), &of)) {
    return false;
  }
  const bool again = evaluates_again &&
                     absl::StartsWith(line.substr(digits), ", \"eval_loss\"");
  return again ? of < step : of <= step;
}

// Replaces a file by its lines of the past.
absl::Status KeepThePast(const std::string& path, int64_t step,
                         bool evaluates_again) {
  std::ifstream lines(path, std::ios::binary);
  if (!lines.is_open()) return absl::OkStatus();
  const std::string kept_path = path + ".tmp";
  std::ofstream kept(kept_path, std::ios::binary | std::ios::trunc);
  std::string line;
  // The last line has no end if it was cut.
  while (std::getline(lines, line) && !lines.eof()) {
    if (IsOfThePast(line, step, evaluates_again)) kept << line << '\n';
  }
  kept.close();
  if (lines.bad() || kept.fail() ||
      std::rename(kept_path.c_str(), path.c_str()) != 0) {
    const int error = errno;
    std::remove(kept_path.c_str());
    return SystemError(error, "write", kept_path);
  }
  return absl::OkStatus();
}

void AddLayer(const LayerMetrics& layer, JsonText* json) {
  json->OpenElement();
  json->Add("layer", layer.layer);
  json->Add("load", layer.load);
  if (!layer.over_capacity.empty()) {
    json->Add("over_capacity", layer.over_capacity);
    json->Add("rerouted", layer.rerouted);
    json->Add("lost_tokens", layer.lost_tokens);
  }
  json->Add("max_load", layer.max_load);
  json->Add("max_vio", layer.max_vio);
  json->Add("dead_experts", layer.dead_experts);
  json->Add("entropy", layer.entropy);
  json->Add("dropped_share", layer.dropped_share);
  json->Add("balance_loss", layer.balance_loss);
  json->Add("balance_loss_scaled", layer.balance_loss_scaled);
  json->Add("z_loss", layer.z_loss);
  json->Add("z_loss_scaled", layer.z_loss_scaled);
  if (layer.bias_min.has_value()) {
    json->Add("bias_min", layer.bias_min);
    json->Add("bias_max", layer.bias_max);
  }
  json->Add("off_rank_share", layer.off_rank_share);
  json->Add("repeat_first", layer.repeat_first);
  json->Add("repeat_first_or_second", layer.repeat_first_or_second);
  json->Close();
}

}  // namespace

absl::StatusOr<std::unique_ptr<JsonLinesSink>> JsonLinesSink::Continue(
    const std::string& path, int64_t step, bool evaluates_again) {
  SWITCHYARD_RETURN_IF_ERROR(KeepThePast(path, step, evaluates_again));
  const int file =
      open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW,
           0666);
  if (file < 0) return SystemError(errno, "open", path);
  return std::unique_ptr<JsonLinesSink>(new JsonLinesSink(path, file));
}

JsonLinesSink::~JsonLinesSink() { close(file_); }

absl::Status JsonLinesSink::WriteLine() {
  json_.Close();
  json_.AppendNewline();
  const off_t begin = lseek(file_, 0, SEEK_END);
  absl::string_view rest = json_.text();
  while (!rest.empty()) {
    const ssize_t count = write(file_, rest.data(), rest.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      const absl::Status status = SystemError(errno, "write", path_);
      // Without room for the whole line, none of it stays.
      if (begin >= 0 && ftruncate(file_, begin) != 0) {
        return absl::Status(
            status.code(),
            absl::StrCat(status.message(), " (its last line is cut)"));
      }
      return status;
    }
    rest.remove_prefix(static_cast<size_t>(count));
  }
  return absl::OkStatus();
}

absl::Status JsonLinesSink::OnStep(const StepMetrics& metrics) {
  json_.Open();
  json_.Add("step", metrics.step);
  json_.Add("loss", metrics.loss);
  json_.Add("balance_loss", metrics.balance_loss);
  json_.Add("z_loss", metrics.z_loss);
  if (metrics.device_balance_loss) {
    json_.Add("device_balance_loss", metrics.device_balance_loss);
  }
  if (metrics.communication_balance_loss) {
    json_.Add("communication_balance_loss", metrics.communication_balance_loss);
  }
  json_.Add("grad_norm", metrics.grad_norm);
  json_.Add("learning_rate", metrics.learning_rate);
  json_.Add("tokens", metrics.tokens);
  json_.Add("tokens_per_second", metrics.tokens_per_second);
  json_.Add("step_seconds", metrics.step_seconds);
  json_.Add("dropped", metrics.dropped);
  json_.Add("max_load", metrics.max_load);
  if (metrics.skipped) json_.Add("skipped", true);
  if (!metrics.layers.empty()) {
    json_.OpenList("layers");
    for (const LayerMetrics& layer : metrics.layers) AddLayer(layer, &json_);
    json_.CloseList();
  }
  return WriteLine();
}

absl::Status JsonLinesSink::OnEval(const EvalMetrics& metrics) {
  json_.Open();
  json_.Add("step", metrics.step);
  json_.Add("eval_loss", metrics.eval_loss);
  json_.Add("bits_per_byte", metrics.bits_per_byte);
  return WriteLine();
}

absl::Status JsonLinesSink::OnCheckpoint(const CheckpointReport& report) {
  json_.Open();
  json_.Add("checkpoint", report.step);
  json_.Add("bytes", report.byte_count);
  json_.Add("seconds", report.seconds);
  json_.Add("stall_seconds", report.stall_seconds);
  return WriteLine();
}

absl::Status JsonLinesSink::OnEnd(const RunSummary&) {
  return absl::OkStatus();
}

}  // namespace switchyard
