// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/tests/gpu/training_command.h"

#include <cstring>
#include <fstream>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "switchyard/base/philox.h"
#include "switchyard/tests/support/command_run.h"

namespace switchyard::testing {
namespace {

constexpr int64_t kTextBytes = 60000;

// Words of a few letters, some far more often than others: there is something
// to learn.
std::string Text() {
  std::string text;
  for (uint64_t i = 0; static_cast<int64_t>(text.size()) < kTextBytes; ++i) {
    const uint64_t draw = MixKey(17, i);
    const uint64_t word = draw % 7 == 0 ? draw / 7 % 200 : draw / 7 % 12;
    for (uint64_t letter = 0; letter < 2 + word % 5; ++letter) {
      text.push_back(static_cast<char>('a' + MixKey(word, letter) % 26));
    }
    text.push_back(i % 11 == 10 ? '\n' : ' ');
  }
  return text;
}

void ReadMetrics(const std::string& path, TrainingResult& result) {
  std::ifstream lines(path);
  for (std::string line; std::getline(lines, line);) {
    const nlohmann::json entry = nlohmann::json::parse(line);
    if (!entry.contains("grad_norm")) continue;
    result.losses.push_back(entry["loss"].get<double>());
    result.norms.push_back(entry["grad_norm"].get<double>());
  }
}

template <typename T>
T Take(const std::string& bytes, size_t& at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof(T));
  at += sizeof(T);
  return value;
}

// The blocks of the first step (docs/routing_trace.md).
void ReadTrace(const std::string& path, TrainingResult& result) {
  std::ifstream file(path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  if (bytes.size() < 72) return;
  size_t at = 16;
  const int64_t layers = Take<int64_t>(bytes, at);
  Take<int64_t>(bytes, at);  // experts
  const int64_t choices = result.choices = Take<int64_t>(bytes, at);
  const int64_t tokens = Take<int64_t>(bytes, at);
  const int64_t micro_batches = Take<int64_t>(bytes, at);
  const int64_t config_bytes = Take<int64_t>(bytes, at);
  at = (at + static_cast<size_t>(config_bytes) + 7) / 8 * 8 + 8;
  for (int64_t i = 0; i < micro_batches; ++i) {
    at += 16;  // step and micro-batch
    for (int64_t layer = 0; layer < layers; ++layer) {
      for (int64_t j = 0; j < tokens * choices; ++j) {
        result.experts.push_back(Take<int32_t>(bytes, at));
      }
      for (int64_t j = 0; j < tokens * choices; ++j) {
        result.gates.push_back(Take<float>(bytes, at));
      }
    }
    at += 8;  // checksum
  }
}

}  // namespace

TrainingCommand::TrainingCommand() : text_(folder_.Write("text", Text())) {}

TrainingResult TrainingCommand::Run(const TrainingRun& run) {
  const std::string out =
      absl::StrCat(folder_.path().string(), "/run", ++runs_);
  const std::string command = absl::StrCat(
      run.environment, " ", SWITCHYARD_SOURCE_DIR, "/launch/mpirun.sh -n ",
      run.ranks, " ", SWITCHYARD_COMMAND, " train --model ",
      SWITCHYARD_SOURCE_DIR, "/examples/models/", run.model,
      "/config.json --data ", Quoted(text_), " --out ", Quoted(out),
      " --seed 3 --threads 1 --eval_every 0 --lr 1e-3 ", run.batch, " --steps ",
      run.steps, " --routing_trace ", Quoted(out + ".trace"), " ", run.flags);
  const CommandResult ran =
      RunCommand(command, folder_.path().string(), /*timeout=*/600);
  TrainingResult result;
  result.exit_code = ran.exit_code;
  result.errors = ran.err;
  if (ran.exit_code != 0) return result;
  ReadMetrics(out + "/metrics.jsonl", result);
  std::ifstream summary(out + "/summary.json");
  result.checksum =
      nlohmann::json::parse(summary)["weights_checksum"].get<std::string>();
  ReadTrace(out + ".trace", result);
  return result;
}

}  // namespace switchyard::testing
