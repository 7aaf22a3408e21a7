// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// `switchyard generate` and `switchyard eval` with a checkpoint that
// `switchyard train` wrote: alone and under mpirun, and what a user may get
// wrong.
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "switchyard/base/file.h"
#include "switchyard/tests/support/command_run.h"
#include "switchyard/tests/support/temporary_folder.h"

namespace switchyard::testing {
namespace {

using ::testing::HasSubstr;

// One short run for all tests. Half of its rows find no room at their experts,
// in evaluations too.
class GenerateCommandTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new TemporaryFolder;
    std::string text;
    for (int i = 0; i < 400; ++i) absl::StrAppend(&text, "line ", i * i, "\n");
    folder_->Write("text.txt", text);
    folder_->Write("held.txt", text.substr(1000, 2000));
    const CommandResult trained = RunCommand(
        absl::StrCat(
            SWITCHYARD_COMMAND, " train --model ", SWITCHYARD_SOURCE_DIR,
            "/examples/models/tiny --data text.txt --eval_data held.txt --out "
            "run --steps 6 --seq_len 32 --global_batch 4 --micro_batch 2 "
            "--eval_batches 0 --checkpoint_every 3 --threads 1 "
            "--capacity_factor 0.5 --lr 0.003"),
        folder_->path());
    ASSERT_EQ(trained.exit_code, 0) << trained.err;
  }
  static void TearDownTestSuite() { delete folder_; }

  // With --checkpoint run; `ranks` under mpirun, 0: alone.
  static CommandResult Run(const std::string& arguments, int ranks = 0) {
    const std::string start =
        ranks == 0 ? ""
                   : absl::StrCat(SWITCHYARD_SOURCE_DIR,
                                  "/launch/mpirun.sh -n ", ranks, " ");
    return RunCommand(absl::StrCat(start, SWITCHYARD_COMMAND, " ", arguments),
                      folder_->path());
  }
  static std::string Printed(const std::string& arguments, int ranks = 0) {
    const CommandResult result = Run(arguments, ranks);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return result.out;
  }
  // One sentence from all ranks together, and nothing printed.
  static void ExpectRefused(const std::string& arguments,
                            const std::string& sentence,
                            const std::vector<int>& numbers_of_ranks = {0}) {
    for (const int ranks : numbers_of_ranks) {
      const CommandResult result = Run(arguments, ranks);
      EXPECT_EQ(result.exit_code, 1) << arguments;
      EXPECT_EQ(result.out, "");
      int sentences = 0;
      for (const std::string& line : result.ErrorLines()) {
        if (line.rfind("switchyard: ", 0) != 0) continue;
        ++sentences;
        EXPECT_THAT(line, HasSubstr(sentence)) << arguments;
      }
      EXPECT_EQ(sentences, 1) << result.err;
    }
  }

  static TemporaryFolder* folder_;
};
TemporaryFolder* GenerateCommandTest::folder_ = nullptr;

TEST_F(GenerateCommandTest, TheTextIsTheSameOnEveryNumberOfRanks) {
  for (const char* sampling :
       {"--temperature 0",
        "--temperature 1.2 --top_k 50 --top_p 0.9 --seed 7"}) {
    const std::string arguments = absl::StrCat(
        "generate --checkpoint run --prompt 'line 1' --tokens 40 --threads 1 ",
        sampling);
    const std::string text = Printed(arguments);
    EXPECT_EQ(text.substr(0, 6), "line 1");
    EXPECT_GE(text.size(), 47u);
    EXPECT_EQ(text.back(), '\n');
    EXPECT_EQ(Printed(arguments, 2), text);
    EXPECT_EQ(Printed(absl::StrCat(arguments, " --expert_parallel 1"), 2),
              text);
    EXPECT_EQ(Printed(arguments, 4), text);
    EXPECT_EQ(Printed(absl::StrCat(arguments, " --noecho")), text.substr(6));
  }
}

TEST_F(GenerateCommandTest, PromptsComeAsTextFilesOrIds) {
  folder_->Write("prompt.txt", "line 1\nline");
  const std::string rest = "--checkpoint run --tokens 12 --seed 2 --threads 1 ";
  const std::string text =
      Printed(absl::StrCat("generate ", rest, "--prompt_file prompt.txt"), 2);
  EXPECT_EQ(text.substr(0, 11), "line 1\nline");
  const std::vector<std::string> ids = absl::StrSplit(
      Printed(absl::StrCat(
          "generate ", rest,
          "--prompt_ids 108,105,110,101,32,49,10,108,105,110,101")),
      absl::ByAnyChar(" \n"), absl::SkipEmpty());
  ASSERT_EQ(ids.size(), 12u);
  // The bytes of the same text, as long as they are ASCII.
  for (size_t i = 0; i < ids.size(); ++i) {
    int id = 0;
    ASSERT_TRUE(absl::SimpleAtoi(ids[i], &id));
    if (id >= 128) break;
    EXPECT_EQ(static_cast<unsigned char>(text[11 + i]), id) << i;
  }
  // A checkpoint by its own name: the first one of the run.
  EXPECT_NE(Printed("generate --checkpoint run/checkpoints/step-00000003 "
                    "--prompt l --tokens 30 --seed 2"),
            Printed("generate --checkpoint run --prompt l --tokens 30 --seed "
                    "2"));
}

// Capacities, batches and bits are those of the run.
TEST_F(GenerateCommandTest, AnEvaluationIsThatOfTheRun) {
  const std::string metrics =
      *ReadFile(folder_->path() / "run/metrics.jsonl", 1 << 24);
  const std::string key = "{\"step\": 6, \"eval_loss\": ";
  const size_t at = metrics.find(key);
  ASSERT_NE(at, std::string::npos) << metrics;
  const double loss = std::stod(metrics.substr(at + key.size()));
  const std::string command =
      "eval --checkpoint run --data held.txt --threads 1";
  const std::string printed = Printed(command);
  EXPECT_THAT(printed,
              HasSubstr(absl::StrFormat("loss            %.6f nats", loss)));
  EXPECT_THAT(printed, HasSubstr("tokens          1,984, in sequences of 32"));
  EXPECT_EQ(Printed(command, 2), printed);
  EXPECT_EQ(Printed(absl::StrCat(command, " --expert_parallel 1"), 3), printed);
  EXPECT_THAT(Printed(absl::StrCat(command, " --eval_batches 3")),
              HasSubstr("tokens          192,"));
  EXPECT_THAT(Printed(absl::StrCat(command, " --seq_len 100 --micro_batch 4")),
              HasSubstr("tokens          1,900, in sequences of 100"));
}

TEST_F(GenerateCommandTest, WhatCannotBePrintedIsAnError) {
  for (const char* command : {"generate --checkpoint run --prompt a --tokens 2",
                              "eval --checkpoint run --data text.txt"}) {
    ExpectRefused(absl::StrCat(command, " >/dev/full"),
                  "standard output to take what is printed, found that it does "
                  "not (No space left on device)");
  }
}

TEST_F(GenerateCommandTest, BadRequestsAreOneSentence) {
  const std::string run = "generate --checkpoint run ";
  ExpectRefused("generate --prompt a", "expected --checkpoint, found none");
  ExpectRefused("generate --checkpoint nowhere --prompt a",
                "expected a checkpoint (a folder with manifest.json) or a run "
                "that has some, found no folder nowhere",
                {0, 2});
  ExpectRefused(run,
                "expected one of --prompt, --prompt_file and "
                "--prompt_ids, found none");
  ExpectRefused(absl::StrCat(run, "--prompt a --prompt_ids 1"),
                "found --prompt and --prompt_ids; leave one out");
  ExpectRefused(absl::StrCat(run, "--prompt ''"), "found an empty one");
  ExpectRefused(absl::StrCat(run, "--prompt_file nowhere.txt"), "nowhere.txt",
                {0, 2});
  ExpectRefused(absl::StrCat(run, "--prompt_ids 7,256"),
                "token ids from 0 to 255, the model's vocabulary, found 256");
  ExpectRefused(absl::StrCat(run, "--prompt_ids 7,-1"), "found -1");
  ExpectRefused(absl::StrCat(run, "--prompt_ids 7,a"), "found '7,a'");
  ExpectRefused(absl::StrCat(run, "--prompt_ids 1,,2"),
                "expected token ids separated by commas for --prompt_ids, "
                "found '1,,2'");
  ExpectRefused("eval --checkpoint run --data text.txt --micro_batch 100000000",
                "expected --micro_batch between 1 and 16777216, found "
                "100000000");
  ExpectRefused(absl::StrCat(run, "--prompt abc --tokens 4094"),
                "1 to 4096 tokens together, the model's "
                "max_position_embeddings, found 4097; shorten one of them",
                {0, 2});
  ExpectRefused(absl::StrCat(run, "--prompt a --tokens 0"), "--tokens from 1");
  ExpectRefused(absl::StrCat(run, "--prompt a --temperature -1"),
                "--temperature of at least 0, found -1");
  ExpectRefused(absl::StrCat(run, "--prompt a --top_p 1.5"), "--top_p above 0");
  ExpectRefused(absl::StrCat(run, "--prompt a --expert_parallel 3"),
                "found 3 for 8 experts");
  ExpectRefused(absl::StrCat(run, "--prompt a --temprature 1"),
                "found --temprature", {0, 2});
  ExpectRefused("eval --data held.txt", "expected --checkpoint, found none");
  ExpectRefused("eval --checkpoint run", "expected --data, found none");
  ExpectRefused("eval --checkpoint run --data nowhere.txt", "nowhere.txt",
                {0, 2});
  ExpectRefused("eval --checkpoint run --data held.txt --seq_len 5000",
                "max_position_embeddings, 4096, found 5000");
  ExpectRefused("eval --checkpoint run --data held.txt --seq_len 2000",
                "2001 tokens, found 2000");
}

// What the ranks are told by different command lines.
TEST_F(GenerateCommandTest, RanksMustAgreeOnTheirFlags) {
  const std::string both = absl::StrCat(
      SWITCHYARD_COMMAND, " generate --checkpoint run --prompt a --tokens ");
  const CommandResult result =
      RunCommand(absl::StrCat(SWITCHYARD_SOURCE_DIR, "/launch/mpirun.sh -n 1 ",
                              both, "2 : -n 1 ", both, "3"),
                 folder_->path());
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("expected the same flags on all ranks"));
}

TEST_F(GenerateCommandTest, DamagedCheckpointsAreNamed) {
  const std::string from = folder_->path() / "run/checkpoints/step-00000006";
  std::string manifest = *ReadFile(from + "/manifest.json", 1 << 24);
  const std::string old = "num_key_value_heads\\\": 2";
  const size_t at = manifest.find(old);
  ASSERT_NE(at, std::string::npos) << manifest.substr(0, 2000);
  manifest.replace(at, old.size(), "num_key_value_heads\\\": 4");
  RunCommand(absl::StrCat("cp -r ", from, " damaged"), folder_->path());
  folder_->Write("damaged/manifest.json", manifest);
  ExpectRefused("generate --checkpoint damaged --prompt a",
                "damaged/manifest.json: expected text of the checksum");
}

// Its losses are told with a note, its text would be that of another model.
TEST_F(GenerateCommandTest, ExpertsThatSeeTheFutureDoNotGenerate) {
  std::string model = *ReadFile(
      absl::StrCat(SWITCHYARD_SOURCE_DIR, "/examples/models/tiny/config.json"),
      1 << 20);
  model.insert(model.find('{') + 1, "\"router_type\": \"expert_choice\", ");
  const size_t balance = model.find("0.0025");
  ASSERT_NE(balance, std::string::npos) << model;
  model.replace(balance, 6, "0.0");
  folder_->Write("choice.json", model);
  Printed(
      "train --model choice.json --data text.txt --out choice --steps 1 "
      "--seq_len 32 --global_batch 2 --checkpoint_every 1 --threads 1");
  ExpectRefused("generate --checkpoint choice --prompt a",
                "found expert_choice, whose experts choose among all tokens");
  const CommandResult eval = Run("eval --checkpoint choice --data held.txt");
  EXPECT_EQ(eval.exit_code, 0) << eval.err;
  EXPECT_THAT(eval.err, HasSubstr("one that sees the future"));
}

}  // namespace
}  // namespace switchyard::testing
