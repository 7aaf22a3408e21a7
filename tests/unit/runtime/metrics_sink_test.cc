// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/train/metrics_sink.h"

#include <sys/resource.h>

#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "switchyard/base/file.h"
#include "switchyard/base/number_text.h"
#include "switchyard/runtime/train/console_sink.h"
#include "switchyard/runtime/train/json_lines_sink.h"
#include "switchyard/runtime/train/sink_list.h"
#include "switchyard/runtime/train/summary_sink.h"
#include "switchyard/tests/support/temporary_folder.h"

namespace switchyard {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;

StepMetrics Step() {
  StepMetrics metrics;
  metrics.step = 3;
  metrics.loss = 2.0 / 3.0;
  metrics.balance_loss = 4.0000000000000009;
  metrics.z_loss = 1e-300;
  metrics.grad_norm = 0.1;
  metrics.learning_rate = 3e-4;
  metrics.tokens = 4096;
  metrics.tokens_per_second = 41234.5;
  metrics.step_seconds = 0.5;
  metrics.dropped = 7;
  metrics.dropped_share = 7.0 / 4096.0;
  metrics.max_load = 1.25;
  metrics.dead_experts = 2;
  return metrics;
}

const int64_t kLoad[] = {3, 0, 9007199254740993};
const int64_t kOverCapacity[] = {2, 0, 9007199254740991};
const int64_t kRerouted[] = {1, 0, 5};
const int64_t kLostTokens[] = {0, 0, 7};

LayerMetrics Layer() {
  LayerMetrics layer;
  layer.layer = 2;
  layer.load = kLoad;
  layer.max_load = 1.0 / 3.0;
  layer.max_vio = 0.1;
  layer.dead_experts = 1;
  layer.entropy = 2.0794415416798357;
  layer.dropped_share = 1e-17;
  layer.balance_loss = 1.0000000000000002;
  layer.balance_loss_scaled = 0.01;
  layer.z_loss = 4.25;
  layer.z_loss_scaled = 0.00425;
  layer.off_rank_share = 0.75;
  layer.repeat_first = 0.125;
  layer.repeat_first_or_second = 1 - 15.0 / 28.0;
  return layer;
}

std::vector<json> LinesOf(const std::string& path) {
  std::vector<json> lines;
  const std::string text = ReadFile(path, 1 << 20).value();
  for (const auto& line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    lines.push_back(json::parse(std::string(line)));
  }
  return lines;
}

TEST(JsonLinesSink, WritesTheFieldsOfAStep) {
  const testing::TemporaryFolder folder;
  const std::string path = folder.path() / "metrics.jsonl";
  auto sink = JsonLinesSink::Create(path).value();
  const StepMetrics metrics = Step();
  ASSERT_TRUE(sink->OnStep(metrics).ok());
  const std::vector<json> lines = LinesOf(path);  // without closing it first
  ASSERT_EQ(lines.size(), 1u);
  const json& line = lines[0];
  EXPECT_EQ(line.size(), 11u);
  EXPECT_EQ(line["step"], 3);
  EXPECT_EQ(line["loss"].get<double>(), *metrics.loss);
  EXPECT_EQ(line["balance_loss"].get<double>(), metrics.balance_loss);
  EXPECT_EQ(line["z_loss"].get<double>(), metrics.z_loss);
  EXPECT_EQ(line["grad_norm"].get<double>(), metrics.grad_norm);
  EXPECT_EQ(line["learning_rate"].get<double>(), metrics.learning_rate);
  EXPECT_EQ(line["tokens"], 4096);
  EXPECT_EQ(line["tokens_per_second"].get<double>(), 41234.5);
  EXPECT_EQ(line["step_seconds"].get<double>(), 0.5);
  EXPECT_EQ(line["dropped"], 7);
  EXPECT_EQ(line["max_load"].get<double>(), 1.25);
}

// After step 4 of a run that came to step 5: what comes again is gone, and so
// is a line that a crash has cut.
TEST(JsonLinesSink, ARunThatIsResumedRepeatsNothing) {
  const testing::TemporaryFolder folder;
  const std::string path = folder.path() / "metrics.jsonl";
  const auto write = [&](JsonLinesSink& sink, int64_t step, bool evaluates) {
    StepMetrics metrics = Step();
    metrics.step = step;
    EXPECT_TRUE(sink.OnStep(metrics).ok());
    EvalMetrics eval;
    eval.step = step;
    if (!evaluates) return;
    EXPECT_TRUE(sink.OnEval(eval).ok());
  };
  {
    auto sink = JsonLinesSink::Create(path).value();
    for (int64_t step = 1; step <= 3; ++step) write(*sink, step, step == 2);
    CheckpointReport report;
    report.step = 2;
    EXPECT_TRUE(sink->OnCheckpoint(report).ok());
    write(*sink, 4, true);
    write(*sink, 5, false);
  }
  const std::string whole = ReadFile(path, 1 << 20).value();
  for (const size_t cut : {whole.size(), whole.size() - 1, whole.size() - 90}) {
    folder.Write("metrics.jsonl", whole.substr(0, cut));
    auto sink = JsonLinesSink::Continue(path, 4, /*evaluates_again=*/true);
    ASSERT_TRUE(sink.ok()) << sink.status();
    write(**sink, 5, false);
    const std::vector<json> lines = LinesOf(path);
    ASSERT_EQ(lines.size(), 7u);
    EXPECT_EQ(lines[2]["eval_loss"], nullptr);
    EXPECT_EQ(lines[4]["checkpoint"], 2);
    EXPECT_EQ(lines[5]["step"], 4);
    EXPECT_EQ(lines[6]["step"], 5);
  }
  // An evaluation that does not come again stays.
  folder.Write("metrics.jsonl", whole);
  ASSERT_TRUE(JsonLinesSink::Continue(path, 4, false).ok());
  EXPECT_EQ(LinesOf(path).size(), 7u);
  EXPECT_EQ(LinesOf(path)[6].count("eval_loss"), 1u);
  ASSERT_TRUE(JsonLinesSink::Continue(path, 0, true).ok());
  EXPECT_TRUE(LinesOf(path).empty());
  ASSERT_TRUE(JsonLinesSink::Continue(folder.path() / "new", 4, true).ok());
}

TEST(JsonLinesSink, NumbersReadBackToTheSameBits) {
  const testing::TemporaryFolder folder;
  const std::string path = folder.path() / "metrics.jsonl";
  auto sink = JsonLinesSink::Create(path).value();
  std::vector<double> values = {5e-324, 1.7976931348623157e308, 0.1, -0.0,
                                1.0,    123456789012345680.0,   1e22};
  double walk = 0.7;
  for (int i = 0; i < 500; ++i) {
    walk = std::fmod(walk * 9301.0 + 0.49297, 233280.0) / 3.0;
    values.push_back(walk);
  }
  for (const double value : values) {
    StepMetrics metrics = Step();
    metrics.loss = value;
    ASSERT_TRUE(sink->OnStep(metrics).ok());
  }
  const std::vector<json> lines = LinesOf(path);
  ASSERT_EQ(lines.size(), values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    const double read = lines[i]["loss"].get<double>();
    EXPECT_EQ(std::memcmp(&read, &values[i], sizeof(read)), 0) << values[i];
  }
}

TEST(JsonLinesSink, WritesTheFieldsOfEachLayer) {
  const testing::TemporaryFolder folder;
  const std::string path = folder.path() / "metrics.jsonl";
  auto sink = JsonLinesSink::Create(path).value();
  LayerMetrics layers[] = {LayerMetrics(), Layer()};
  layers[1].bias_min = -0.001;
  layers[1].bias_max = 0.002;
  layers[1].over_capacity = kOverCapacity;
  layers[1].rerouted = kRerouted;
  layers[1].lost_tokens = kLostTokens;
  StepMetrics metrics = Step();
  metrics.layers = layers;
  ASSERT_TRUE(sink->OnStep(metrics).ok());
  const json line = LinesOf(path).at(0);
  ASSERT_EQ(line.at("layers").size(), 2u);
  const json& layer = line["layers"][1];
  EXPECT_EQ(layer.size(), 19u);
  EXPECT_EQ(layer["layer"], 2);
  EXPECT_EQ(layer["load"], std::vector<int64_t>(kLoad, kLoad + 3));
  EXPECT_EQ(layer["over_capacity"],
            std::vector<int64_t>(kOverCapacity, kOverCapacity + 3));
  EXPECT_EQ(layer["rerouted"], std::vector<int64_t>(kRerouted, kRerouted + 3));
  EXPECT_EQ(layer["lost_tokens"],
            std::vector<int64_t>(kLostTokens, kLostTokens + 3));
  EXPECT_EQ(layer["max_load"].get<double>(), layers[1].max_load);
  EXPECT_EQ(layer["max_vio"].get<double>(), layers[1].max_vio);
  EXPECT_EQ(layer["dead_experts"], 1);
  EXPECT_EQ(layer["entropy"].get<double>(), layers[1].entropy);
  EXPECT_EQ(layer["dropped_share"].get<double>(), 1e-17);
  EXPECT_EQ(layer["balance_loss"].get<double>(), layers[1].balance_loss);
  EXPECT_EQ(layer["balance_loss_scaled"].get<double>(), 0.01);
  EXPECT_EQ(layer["z_loss"].get<double>(), 4.25);
  EXPECT_EQ(layer["z_loss_scaled"].get<double>(), 0.00425);
  EXPECT_EQ(layer["bias_min"].get<double>(), -0.001);
  EXPECT_EQ(layer["bias_max"].get<double>(), 0.002);
  EXPECT_EQ(layer["off_rank_share"].get<double>(), 0.75);
  EXPECT_EQ(layer["repeat_first"].get<double>(), 0.125);
  EXPECT_EQ(layer["repeat_first_or_second"].get<double>(),
            layers[1].repeat_first_or_second);

  // Of nothing there is no share, no bias where the model has none, and no
  // reasons of drops where there is no capacity.
  const json& none = line["layers"][0];
  EXPECT_EQ(none.size(), 14u);
  EXPECT_TRUE(none.at("load").empty());
  for (const char* name : {"max_load", "max_vio", "entropy", "dropped_share",
                           "off_rank_share", "repeat_first"}) {
    EXPECT_TRUE(none.at(name).is_null()) << name;
  }
}

TEST(JsonLinesSink, AbsentAndNonFiniteNumbersAreNull) {
  const testing::TemporaryFolder folder;
  const std::string path = folder.path() / "metrics.jsonl";
  auto sink = JsonLinesSink::Create(path).value();
  StepMetrics metrics = Step();
  metrics.loss.reset();
  metrics.grad_norm = std::nan("");
  metrics.skipped = true;
  ASSERT_TRUE(sink->OnStep(metrics).ok());
  EvalMetrics eval;
  eval.step = 3;
  eval.eval_loss = 1.5;
  ASSERT_TRUE(sink->OnEval(eval).ok());
  const std::vector<json> lines = LinesOf(path);
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_TRUE(lines[0].at("loss").is_null());
  EXPECT_TRUE(lines[0].at("grad_norm").is_null());
  EXPECT_EQ(lines[0].at("skipped"), true);
  EXPECT_EQ(lines[1].size(), 3u);
  EXPECT_EQ(lines[1].at("eval_loss"), 1.5);
  EXPECT_TRUE(lines[1].at("bits_per_byte").is_null());
}

TEST(JsonLinesSink, ErrorsNameTheFile) {
  const testing::TemporaryFolder folder;
  const auto sink = JsonLinesSink::Create(folder.Write("there", ""));
  EXPECT_TRUE(absl::IsAlreadyExists(sink.status())) << sink.status();
  EXPECT_THAT(std::string(sink.status().message()), HasSubstr("/there"));
}

// A limit that the third line would cross.
TEST(JsonLinesSink, AFullDiskLeavesWholeLines) {
  const testing::TemporaryFolder folder;
  const std::string path = folder.path() / "metrics.jsonl";
  auto sink = JsonLinesSink::Create(path).value();
  ASSERT_TRUE(sink->OnStep(Step()).ok());
  ASSERT_TRUE(sink->OnStep(Step()).ok());
  const std::string before = ReadFile(path, 1 << 20).value();
  rlimit limit = {};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &limit), 0);
  const rlimit tight = {before.size() + 20, limit.rlim_max};
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &tight), 0);
  const absl::Status status = sink->OnStep(Step());
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
  std::signal(SIGXFSZ, handler);
  EXPECT_THAT(std::string(status.message()), HasSubstr("free some space"));
  EXPECT_THAT(std::string(status.message()), HasSubstr(path));
  EXPECT_EQ(ReadFile(path, 1 << 20).value(), before);
}

RunSummary Summary() {
  RunSummary summary;
  summary.steps = 300;
  summary.first_eval = EvalMetrics{0, 5.5, 7.93, 1000};
  summary.last_eval = EvalMetrics{300, 1.62, 2.337, 1000};
  summary.median_tokens_per_second = 41234.4;
  summary.seconds = 178.4;
  summary.dropped = 1234;
  summary.last_max_load = 1.314;
  summary.peak_rank_bytes = 312'400'000;
  summary.peak_resident_bytes = 512'000'000;
  summary.weights_checksum = "0123abcd";
  return summary;
}

TEST(SummarySink, WritesEverythingAtTheEnd) {
  const testing::TemporaryFolder folder;
  const std::string path = folder.path() / "summary.json";
  RunDescription run;
  run.version = "1.2.3 \"odd\\name\"\n";
  run.ranks = 4;
  SummarySink sink(path, run);
  ASSERT_TRUE(sink.OnStep(Step()).ok());
  EXPECT_FALSE(ReadFile(path, 1 << 20).ok());
  ASSERT_TRUE(sink.OnEnd(Summary()).ok());
  const json summary = json::parse(ReadFile(path, 1 << 20).value());
  EXPECT_EQ(summary["steps"], 300);
  EXPECT_EQ(summary["first_eval"]["eval_loss"], 5.5);
  EXPECT_EQ(summary["last_eval"]["bits_per_byte"], 2.337);
  EXPECT_EQ(summary["median_tokens_per_second"], 41234.4);
  EXPECT_EQ(summary["dropped"], 1234);
  EXPECT_EQ(summary["weights_checksum"], "0123abcd");
  EXPECT_EQ(summary["run"]["version"], run.version);
  EXPECT_EQ(summary["run"]["ranks"], 4);
}

class ConsoleSinkTest : public ::testing::Test {
 protected:
  ~ConsoleSinkTest() override { std::fclose(stream_); }

  std::string Text() {
    std::fflush(stream_);
    std::rewind(stream_);
    std::string text(65536, '\0');
    text.resize(std::fread(text.data(), 1, text.size(), stream_));
    return text;
  }

  std::FILE* const stream_ = std::tmpfile();
};

TEST_F(ConsoleSinkTest, PrintsPlainLines) {
  ConsoleSink sink(stream_, {.last_step = 7, .log_every = 3});
  StepMetrics metrics = Step();
  for (metrics.step = 1; metrics.step <= 7; ++metrics.step) {
    ASSERT_TRUE(sink.OnStep(metrics).ok());
  }
  EXPECT_EQ(Text(),
            "step 3/7  ETA 0:02  loss 0.6667  grad 0.1  lr 0.0003  "
            "41,235 tok/s  load 1.25  dead 2  dropped 0.171%\n"
            "step 6/7  ETA 0:01  loss 0.6667  grad 0.1  lr 0.0003  "
            "41,235 tok/s  load 1.25  dead 2  dropped 0.171%\n"
            "step 7/7  ETA 0:00  loss 0.6667  grad 0.1  lr 0.0003  "
            "41,235 tok/s  load 1.25  dead 2  dropped 0.171%\n");
}

TEST_F(ConsoleSinkTest, DeadExpertsAndDropsAreToldWhereThereAreAny) {
  ConsoleSink sink(stream_, {.last_step = 2});
  StepMetrics metrics = Step();
  metrics.step = 1;
  metrics.dead_experts = 0;
  metrics.dropped = 4096;
  metrics.dropped_share = 1.0;
  ASSERT_TRUE(sink.OnStep(metrics).ok());
  metrics.step = 2;
  metrics.dropped = 0;
  ASSERT_TRUE(sink.OnStep(metrics).ok());
  EXPECT_THAT(Text(), ::testing::AllOf(HasSubstr("load 1.25  dropped 100%\n"),
                                       HasSubstr("load 1.25\n"),
                                       Not(HasSubstr("dead"))));
}

TEST_F(ConsoleSinkTest, RewritesOneLiveLine) {
  {
    ConsoleSink sink(stream_, {.last_step = 2, .live = true, .columns = 20});
    StepMetrics metrics = Step();
    metrics.step = 1;
    ASSERT_TRUE(sink.OnStep(metrics).ok());
    ASSERT_TRUE(sink.OnEval({1, 1.5, 2.0, 10}).ok());
    metrics.step = 2;
    ASSERT_TRUE(sink.OnStep(metrics).ok());
  }
  EXPECT_EQ(Text(),
            "\r\x1b[Kstep 1/2  ETA 0:01 "
            "\r\x1b[Kstep 1/2  validation loss 1.5000  2.0000 bits per byte\n"
            "\r\x1b[Kstep 2/2  ETA 0:00 \n");
}

TEST_F(ConsoleSinkTest, EndsWithATable) {
  ConsoleSink sink(stream_, {.last_step = 300});
  ASSERT_TRUE(sink.OnEnd(Summary()).ok());
  const std::string text = Text();
  for (const char* part : {"step 0     step 300", "5.5000       1.6200",
                           "7.9300       2.3370", "41,234", "1.31", "1,234",
                           "312.4 MB", "512.0 MB", "2:58", "0123abcd"}) {
    EXPECT_THAT(text, HasSubstr(part));
  }
  EXPECT_THAT(text, Not(HasSubstr("skipped")));
}

TEST_F(ConsoleSinkTest, SaysThatAStepWasSkipped) {
  ConsoleSink sink(stream_, {.last_step = 10, .log_every = 10});
  StepMetrics metrics = Step();
  metrics.skipped = true;
  ASSERT_TRUE(sink.OnStep(metrics).ok());
  EXPECT_THAT(Text(), HasSubstr("step 3: skipped"));
}

TEST_F(ConsoleSinkTest, WhatIsNotFiniteIsNone) {
  ConsoleSink sink(stream_, {.last_step = 3});
  StepMetrics metrics = Step();
  metrics.skipped = true;
  metrics.loss = -std::nan("");
  metrics.grad_norm = std::nan("");
  ASSERT_TRUE(sink.OnStep(metrics).ok());
  EvalMetrics eval;
  eval.eval_loss = std::numeric_limits<double>::infinity();
  ASSERT_TRUE(sink.OnEval(eval).ok());
  const std::string text = Text();
  EXPECT_THAT(text,
              HasSubstr("step 3/3  ETA 0:00  loss none  grad none  lr 0.0003"));
  EXPECT_THAT(text, HasSubstr("validation loss none"));
  EXPECT_THAT(text, Not(HasSubstr("nan")));
  EXPECT_THAT(text, Not(HasSubstr("inf")));
}

class FailingSink : public MetricsSink {
 public:
  explicit FailingSink(absl::Status status, int* calls)
      : status_(std::move(status)), calls_(calls) {}
  absl::Status OnStep(const StepMetrics&) override { return Called(); }
  absl::Status OnEval(const EvalMetrics&) override { return Called(); }
  absl::Status OnEnd(const RunSummary&) override { return Called(); }

 private:
  absl::Status Called() {
    ++*calls_;
    return status_;
  }
  const absl::Status status_;
  int* const calls_;
};

TEST(SinkList, TellsAllAndReturnsTheFirstError) {
  int calls = 0;
  SinkList list;
  list.Add(std::make_unique<FailingSink>(absl::OkStatus(), &calls));
  list.Add(std::make_unique<FailingSink>(absl::DataLossError("one"), &calls));
  list.Add(std::make_unique<FailingSink>(absl::DataLossError("two"), &calls));
  EXPECT_EQ(list.OnStep({}).message(), "one");
  EXPECT_EQ(calls, 3);
  EXPECT_EQ(list.OnEval({}).message(), "one");
  EXPECT_EQ(list.OnEnd({}).message(), "one");
  EXPECT_EQ(calls, 9);
}

TEST(NumberText, ForPeople) {
  EXPECT_EQ(GroupedText(0), "0");
  EXPECT_EQ(GroupedText(999), "999");
  EXPECT_EQ(GroupedText(1000), "1,000");
  EXPECT_EQ(GroupedText(-123456), "-123,456");
  EXPECT_EQ(GroupedText(46'702'792'704), "46,702,792,704");
  EXPECT_EQ(ByteText(999), "999 B");
  EXPECT_EQ(ByteText(131072), "131.1 kB");
  EXPECT_EQ(ByteText(999'960), "1.0 MB");
  EXPECT_EQ(ByteText(std::numeric_limits<int64_t>::max()), "9223.4 PB");
  EXPECT_EQ(DurationText(0.4), "0:00");
  EXPECT_EQ(DurationText(65), "1:05");
  EXPECT_EQ(DurationText(3725), "1:02:05");
  EXPECT_EQ(DurationText(std::numeric_limits<double>::infinity()),
            "888888:53:20");
}

}  // namespace
}  // namespace switchyard
