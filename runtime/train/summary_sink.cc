// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/train/summary_sink.h"

#include "switchyard/base/file.h"
#include "switchyard/runtime/train/json_text.h"

namespace switchyard {
namespace {

void AddEval(const char* name, const std::optional<EvalMetrics>& eval,
             JsonText* json) {
  if (!eval.has_value()) return;
  json->OpenObject(name);
  json->Add("step", eval->step);
  json->Add("eval_loss", eval->eval_loss);
  json->Add("bits_per_byte", eval->bits_per_byte);
  json->Add("tokens", eval->tokens);
  json->Close();
}

void AddDescription(const RunDescription& run, JsonText* json) {
  json->OpenObject("run");
  json->Add("version", absl::string_view(run.version));
  json->Add("dtype", absl::string_view(run.dtype));
  json->Add("determinism", absl::string_view(run.determinism));
  json->Add("instruction_set", absl::string_view(run.instruction_set));
  json->Add("ranks", run.ranks);
  json->Add("nodes", run.nodes);
  json->Add("expert_parallel", run.expert_parallel);
  json->Add("threads", run.threads);
  json->Close();
}

}  // namespace

absl::Status SummarySink::OnEnd(const RunSummary& summary) {
  JsonText json;
  json.Open();
  json.Add("steps", summary.steps);
  json.Add("skipped_steps", summary.skipped_steps);
  AddEval("first_eval", summary.first_eval, &json);
  AddEval("last_eval", summary.last_eval, &json);
  json.Add("median_tokens_per_second", summary.median_tokens_per_second);
  json.Add("seconds", summary.seconds);
  json.Add("dropped", summary.dropped);
  json.Add("last_max_load", summary.last_max_load);
  json.Add("peak_rank_bytes", summary.peak_rank_bytes);
  json.Add("peak_resident_bytes", summary.peak_resident_bytes);
  json.Add("weights_checksum", absl::string_view(summary.weights_checksum));
  AddDescription(description_, &json);
  json.Close();
  json.AppendNewline();
  return WriteFileAtomically(path_, json.text());
}

}  // namespace switchyard
