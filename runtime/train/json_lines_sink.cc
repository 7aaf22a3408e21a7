// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/train/json_lines_sink.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "switchyard/base/file.h"

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
  return WriteLine();
}

absl::Status JsonLinesSink::OnEval(const EvalMetrics& metrics) {
  json_.Open();
  json_.Add("step", metrics.step);
  json_.Add("eval_loss", metrics.eval_loss);
  json_.Add("bits_per_byte", metrics.bits_per_byte);
  return WriteLine();
}

absl::Status JsonLinesSink::OnEnd(const RunSummary&) {
  return absl::OkStatus();
}

}  // namespace switchyard
