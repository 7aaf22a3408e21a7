// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// What a user may get wrong, at the real command: one sentence, once, an error
// from every rank, within seconds, and nothing left behind.
#include "switchyard/tests/failure/bad_input.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "switchyard/base/file.h"
#include "switchyard/launch/output_folder.h"
#include "switchyard/tests/support/command_run.h"
#include "switchyard/tests/support/temporary_folder.h"

namespace switchyard {
namespace {

namespace fs = std::filesystem;
using testing::CommandResult;
using ::testing::HasSubstr;
using testing::Quoted;
using ::testing::StartsWith;

TEST_F(BadInputTest, Configs) {
  ExpectRefused({{"--model", "no/such/model"}}, "no/such/model");
  ExpectRefused({{"--model", inputs_.path()}}, "/config.json: No such file");
  ExpectRefused({{"--model", inputs_.Write("empty.json", "")}}, "empty file");
  ExpectRefused({{"--model", inputs_.Write("cut.json", tiny_.substr(0, 99))}},
                "syntax error at line");
  ExpectRefused({{"--model", inputs_.path() / "text.txt"}}, "syntax error");
  ExpectRefused({{"--model", Model("num_attention_head", "4")}},
                "found \"num_attention_head\"; the nearest known one is");
  ExpectRefused({{"--model", Model("num_heads", "4")}},
                "found \"num_heads\"; correct it, or remove it if");
  ExpectRefused({{"--model", Model("pretraining_tp", "4")}}, "pretraining_tp");
  ExpectRefused({{"--model", Model("num_key_value_heads", "3")}}, "4 and 3");
  ExpectRefused({{"--model", Model("num_experts_per_tok", "9")}}, "9 of 8");
  ExpectRefused({{"--model", Model("hidden_size", "100000000")}},
                "found 100000000");
  ExpectRefused({{"--model", Model("num_hidden_layers", "\"two\"")}},
                "whole number");
}

TEST_F(BadInputTest, Data) {
  ExpectRefused({{"--data", "no_such.txt"}}, "no_such.txt");
  ExpectRefused({{"--data", inputs_.Write("short.txt", "0123456789")}},
                "= 33 tokens, found 10");
  ExpectRefused({{"--data", inputs_.Write("none.txt", "")}}, "found 0");
  ExpectRefused({{"--data", inputs_.path()}}, "not a regular file");
  ExpectRefused({{"--model", Model("vocab_size", "97")}},
                "vocabulary of 97, found 97 at byte 0");
  ExpectRefused({{"--eval_data", inputs_.path() / "text.txt"}},
                "not trained on");
  ExpectRefused({{"--eval_fraction", "0.999"}}, "to train on");
}

// A page that nobody gets is no success.
TEST_F(BadInputTest, OutputThatCannotBeWritten) {
  for (const char* command : {"--help", "--version", "eval --help", "explain",
                              "checkpoint --help", "convert --help"}) {
    const CommandResult result = testing::RunCommand(
        absl::StrCat(SWITCHYARD_COMMAND, " ", command, " >/dev/full"),
        inputs_.path());
    EXPECT_EQ(result.exit_code, 1) << command;
    ExpectOneSentence(result, "standard output to take what is printed");
  }
}

TEST_F(BadInputTest, Flags) {
  ExpectRefused({{"--lr", "nan"}}, "a finite number for --lr, found 'nan'");
  ExpectRefused({{"--lr", "-1"}}, "--lr between");
  ExpectRefused({{"--learning_rate", "1"}}, "found --learning_rate");
  ExpectRefused({{"--expert_parallel", "3"}}, "3 for 8 experts and 1 ranks");
  ExpectRefused({{"--micro_batch", "3"}}, "found 3 and 4");
  ExpectRefused({{"--seq_len", "100000"}}, "max_position_embeddings");
  ExpectRefused({{"--flagfile", "no_such_flags"}}, "no_such_flags");
#ifdef SWITCHYARD_WITHOUT_CUDA
  ExpectRefused({{"--device", "cuda"}}, "built without CUDA");
#endif
  ExpectRefused({{"--isa", "mmx"}}, "mmx");
  ExpectRefused({{"--threads", "4096"}}, "4 times the");
}

// Without CUDA, without a driver, or with no GPU to be seen.
TEST_F(BadInputTest, NoGpu) {
  setenv("CUDA_VISIBLE_DEVICES", "", 1);
  setenv("SWITCHYARD_EMULATION_DEVICES", "0", 1);
  ExpectRefused({{"--device", "cuda"}}, "--device cpu");
  unsetenv("CUDA_VISIBLE_DEVICES");
  unsetenv("SWITCHYARD_EMULATION_DEVICES");
}

TEST_F(BadInputTest, Checkpoints) {
  ExpectRefused({{"--checkpoint_every", "-1"}},
                "0 or more for --checkpoint_every, found '-1'");
  ExpectRefused({{"--checkpoint_every", "2"}, {"--keep", "-1"}},
                "0 or more for --keep, found '-1'");
  ExpectRefused({{"--keep", "3"}}, "--checkpoint_every with --keep 3");
  const std::string nothing = inputs_.path() / "nothing";
  ExpectRefused({{"--resume", nothing}}, "found no folder");
  ExpectRefused({{"--init_from", inputs_.path()}},
                "a run that has some, found");
  ExpectRefused({{"--init_from", inputs_.path() / "text.txt"}},
                "a run that has some, found no folder");
  ExpectRefused({{"--resume", nothing}, {"--init_from", nothing}},
                "found both");
  inputs_.Write("manifest.json", "{\"format\": \"another\"}");
  ExpectRefused({{"--resume", inputs_.path()}}, "manifest.json");
}

TEST_F(BadInputTest, OutputFolders) {
  const std::string file = inputs_.path() / "text.txt";
  ExpectRefused({{"--out", file}}, "Not a directory");
  ExpectRefused({{"--out", file + "/run"}}, "cannot create");
  ExpectRefused({{"--out", "/proc/run"}}, "cannot create /proc/run");
  // One that holds a run is refused, and left as it is.
  const testing::TemporaryFolder old;
  old.Write("metrics.jsonl", "{}\n");
  ExpectRefused({{"--out", old.path()}}, "found metrics.jsonl of a run");
  EXPECT_EQ(*ReadFile(old.path() / "metrics.jsonl", 100), "{}\n");
  EXPECT_FALSE(fs::exists(old.path() / "config.json"));
}

TEST_F(BadInputTest, OutputFolderOfAnotherProcess) {
  const testing::TemporaryFolder busy;
  auto owner = launch::OutputFolder::Create(busy.path());
  ASSERT_TRUE(owner.ok()) << owner.status();
  ExpectRefused({{"--out", busy.path()}},
                absl::StrCat("is being written by process ", getpid()));
}

// Single ranks that were meant to be one job: one trains, the others refuse.
TEST_F(BadInputTest, OnlyOneOfManySingleRanksTrains) {
  const std::string command =
      absl::StrCat(SWITCHYARD_COMMAND, " train", Arguments({}));
  const CommandResult result = testing::RunCommand(
      absl::StrCat("for i in 1 2 3 4; do { ", command,
                   " >/dev/null; echo code $? >&2; } & done; wait"),
      inputs_.path());
  int trained = 0, refused = 0, sentences = 0;
  for (const std::string& line : result.ErrorLines()) {
    trained += line == "code 0" ? 1 : 0;
    refused += line == "code 1" ? 1 : 0;
    sentences += absl::StartsWith(line, "switchyard: expected --out") ? 1 : 0;
  }
  EXPECT_EQ(trained, 1) << result.err;
  EXPECT_EQ(refused, 3) << result.err;
  EXPECT_EQ(sentences, 3) << result.err;
  EXPECT_TRUE(fs::exists(out_parent_ / "run" / "summary.json"));
  EXPECT_FALSE(fs::exists(out_parent_ / "run" / ".switchyard.lock"));
}

// An mpirun of another MPI: each process believes that it is alone.
TEST_F(BadInputTest, ForeignLauncher) {
  const auto run = [&](int rank) {
    return testing::RunCommand(
        absl::StrCat("PMI_SIZE=2 PMI_RANK=", rank, " OMPI_ALLOW_RUN_AS_ROOT=1 ",
                     SWITCHYARD_COMMAND, " train", Arguments({})),
        inputs_.path());
  };
  const CommandResult first = run(0), second = run(1);
  EXPECT_EQ(first.exit_code, 1);
  EXPECT_EQ(second.exit_code, 1);
  EXPECT_THAT(first.err, HasSubstr("PMI_SIZE"));
  EXPECT_EQ(second.err, "");
  EXPECT_TRUE(fs::is_empty(out_parent_));
}

TEST_F(BadInputTest, TwoRanksSpeakOnce) {
  ExpectRefusedByTwoRanks(Arguments({{"--lr", "nan"}}), "found 'nan'");
  ExpectRefusedByTwoRanks(Arguments({{"--modle", "x"}}), "is --model");
  ExpectRefusedByTwoRanks(Arguments({{"--model", "no/such"}}), "no/such");
  ExpectRefusedByTwoRanks(Arguments({{"--data", "no_such.txt"}}),
                          "no_such.txt");
  ExpectRefusedByTwoRanks(Arguments({{"--expert_parallel", "4"}}),
                          "4 for 8 experts and 2 ranks");
  ExpectRefusedByTwoRanks(Arguments({{"--out", "/proc/run"}}), "/proc/run");
}

// What only one rank can see is known to both.
TEST_F(BadInputTest, OneRankOfTwoHasNoData) {
  inputs_.Write("data.0", std::string(20000, 'a'));
  std::string arguments = Arguments({{"--data", "DATA"}});
  arguments.replace(arguments.find("'DATA'"), 6, "data.$OMPI_COMM_WORLD_RANK");
  ExpectRefusedByTwoRanks(arguments, "data.1: No such file");
}

TEST_F(BadInputTest, RanksAreToldDifferentThings) {
  inputs_.Write("data.0", std::string(20000, 'a'));
  inputs_.Write("data.1", std::string(20000, 'b'));
  std::string arguments = Arguments({{"--data", "DATA"}});
  arguments.replace(arguments.find("'DATA'"), 6, "data.$OMPI_COMM_WORLD_RANK");
  ExpectRefusedByTwoRanks(arguments, "the same --data on all ranks");
  arguments = Arguments({{"--seed", "SEED"}});
  arguments.replace(arguments.find("'SEED'"), 6, "$OMPI_COMM_WORLD_RANK");
  ExpectRefusedByTwoRanks(arguments, "the same --seed on all ranks");
}

// Mixtral's weights alone would fill a few large machines.
TEST_F(BadInputTest, AModelThatDoesNotFit) {
  const std::string mixtral = std::string(kModels) + "mixtral-8x7b";
  const std::string command =
      absl::StrCat("ulimit -v 40000000; ", SWITCHYARD_COMMAND, " train",
                   Arguments({{"--model", mixtral}}));
  const CommandResult result = testing::RunCommand(command, inputs_.path());
  EXPECT_EQ(result.exit_code, 1);
  ExpectOneSentence(result, "that a rank needs ");
}

// What is found out too late to be refused is said in one sentence too.
TEST_F(BadInputTest, MemoryEndsDuringARun) {
  const std::string command =
      absl::StrCat("ulimit -v 1500000; ", SWITCHYARD_COMMAND, " train",
                   Arguments({{"--global_batch", "2048"},
                              {"--micro_batch", "2048"},
                              {"--threads", "1"},
                              {"--seq_len", "256"}}));
  const CommandResult result = testing::RunCommand(command, inputs_.path());
  EXPECT_EQ(result.exit_code, 1);
  ASSERT_EQ(result.ErrorLines().size(), 1u) << result.err;
  EXPECT_THAT(result.err,
              StartsWith("switchyard: expected more memory for the process"));
  EXPECT_FALSE(fs::exists(out_parent_ / "run" / ".switchyard.lock"));
}

TEST_F(BadInputTest, ASignalLeavesNoLock) {
  const std::string out = out_parent_ / "run";
  const std::string command = absl::StrCat(SWITCHYARD_COMMAND, " train",
                                           Arguments({{"--steps", "1000000"}}));
  const CommandResult ended = testing::RunCommand(
      absl::StrCat(command, " >/dev/null & p=$!; while [ ! -s ", out,
                   "/metrics.jsonl ]; do sleep 0.05; done; kill $p; wait $p"),
      inputs_.path());
  EXPECT_EQ(ended.exit_code, 143);
  EXPECT_THAT(ended.err, HasSubstr("asked to end"));
  EXPECT_TRUE(fs::exists(out + "/metrics.jsonl"));
  EXPECT_FALSE(fs::exists(out + "/.switchyard.lock"));
  fs::remove_all(out);
  const CommandResult interrupted = testing::RunCommand(
      absl::StrCat("timeout -s INT --preserve-status 4 ", command),
      inputs_.path());
  EXPECT_EQ(interrupted.exit_code, 130);
  EXPECT_EQ(interrupted.err, "");
  EXPECT_FALSE(fs::exists(out + "/.switchyard.lock"));
}

TEST_F(BadInputTest, Commands) {
  const auto run = [&](const std::string& line) {
    return testing::RunCommand(absl::StrCat(SWITCHYARD_COMMAND, " ", line),
                               inputs_.path());
  };
  EXPECT_EQ(run("").exit_code, 1);
  EXPECT_THAT(run("trian").err, HasSubstr("is 'train'"));
  EXPECT_EQ(run("trian").exit_code, 1);
  EXPECT_EQ(run("--version").exit_code, 0);
  EXPECT_THAT(run("--version").out, StartsWith("switchyard 0"));
  EXPECT_EQ(run("train --version").out, run("-V").out);
  EXPECT_EQ(run("-h").out, run("--help").out);
  EXPECT_THAT(run("xyzzyplugh").err, HasSubstr("see switchyard --help"));
  EXPECT_EQ(run("train --help").exit_code, 0);
  EXPECT_THAT(run("train --help").out, HasSubstr("--capacity_factor X"));
}

TEST_F(BadInputTest, DryRunChecksAndLeavesNothing) {
  const CommandResult plan = Run(Arguments({{"--dry_run", "true"}}));
  EXPECT_EQ(plan.exit_code, 0) << plan.err;
  EXPECT_THAT(plan.out, HasSubstr("parameters"));
  EXPECT_TRUE(fs::is_empty(out_parent_));
  ExpectRefused({{"--dry_run", "true"}, {"--data", "no_such.txt"}},
                "no_such.txt");
  const CommandResult held_out = testing::RunCommand(
      absl::StrCat(SWITCHYARD_COMMAND, " train --dry_run --model ", kModels,
                   "tiny --eval_data no_such_eval.txt"),
      inputs_.path());
  EXPECT_EQ(held_out.exit_code, 1);
  EXPECT_THAT(held_out.err, HasSubstr("no_such_eval.txt"));
  const CommandResult full = testing::RunCommand(
      absl::StrCat(SWITCHYARD_COMMAND, " train --dry_run --model ", kModels,
                   "tiny >/dev/full"),
      inputs_.path());
  EXPECT_EQ(full.exit_code, 1);
  EXPECT_THAT(full.err, HasSubstr("cannot write the plan"));
}

// Ranks that were started with different command lines.
TEST_F(BadInputTest, RanksDoDifferentThings) {
  ExpectRefusedByTwoRanks(
      absl::StrCat(Arguments({}),
                   " $(test $OMPI_COMM_WORLD_RANK = 0 || echo --dry_run)"),
      "the same --dry_run on all ranks");
  ExpectRefusedByTwoRanks(
      absl::StrCat(Arguments({}),
                   " $(test $OMPI_COMM_WORLD_RANK = 0 || echo --help)"),
      "the same --help");
  // Seven experts do not divide by the width, which only rank 1 can see.
  std::string arguments =
      Arguments({{"--model", "MODEL"}, {"--expert_parallel", "2"}});
  Model("num_local_experts", "7");
  inputs_.Write("model.0", tiny_);
  fs::rename(inputs_.path() / "num_local_experts.json",
             inputs_.path() / "model.1");
  arguments.replace(arguments.find("'MODEL'"), 7,
                    "model.$OMPI_COMM_WORLD_RANK");
  ExpectRefusedByTwoRanks(arguments, "2 for 7 experts");
}

}  // namespace
}  // namespace switchyard
