// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/launch/commands/train_flags.h"

#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "switchyard/base/file.h"
#include "switchyard/tests/support/temporary_folder.h"

namespace switchyard::launch {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

const char kTiny[] = SWITCHYARD_SOURCE_DIR "/examples/models/tiny";

// The least that a run needs, and more.
std::vector<std::string> With(std::vector<std::string> more) {
  std::vector<std::string> arguments = {"--model",  kTiny,   "--data",
                                        "text.txt", "--out", "run"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

std::string Message(const std::vector<std::string>& arguments) {
  const auto flags = ParseTrainFlags(arguments);
  return flags.ok() ? "accepted" : std::string(flags.status().message());
}

TEST(TrainFlags, ResolvesDefaults) {
  const auto flags = ParseTrainFlags(With({"--steps", "50"}));
  ASSERT_TRUE(flags.ok()) << flags.status();
  EXPECT_EQ(flags->options.steps, 50);
  EXPECT_EQ(flags->options.micro_batch, 2);
  EXPECT_EQ(flags->options.warmup_steps, 5);
  EXPECT_EQ(flags->options.model.hidden_size, 128);
  EXPECT_EQ(flags->options.model.balance_loss_coef, 0.0025);
  EXPECT_EQ(flags->options.eval_every, 0);
  EXPECT_THAT(FlagFileOf(*flags), HasSubstr("--micro_batch=2\n"));
}

TEST(TrainFlags, FlagsWinOverTheModel) {
  const auto flags = ParseTrainFlags(
      With({"--balance_loss_coef=0", "--router_z_loss_coef=0.001"}));
  ASSERT_TRUE(flags.ok()) << flags.status();
  EXPECT_EQ(flags->options.model.balance_loss_coef, 0.0);
  EXPECT_EQ(flags->options.model.router_z_loss_coef, 0.001);
}

// A config that contradicts itself alone does not where a flag mends it, and
// one that does not may by a flag.
TEST(TrainFlags, CoefficientsAreJudgedAsFlagsLeaveThem) {
  const testing::TemporaryFolder folder;
  std::string text =
      ReadFile(std::string(kTiny) + "/config.json", 1 << 20).value();
  text.insert(1, "\"router_type\": \"hash\", \"router_z_loss_coef\": 0.5,");
  const std::string hash = folder.Write("hash.json", text);
  const auto message = [&](std::vector<std::string> more) {
    std::vector<std::string> arguments = {"--model", hash, "--dry_run"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return Message(arguments);
  };
  EXPECT_THAT(message({}), HasSubstr("hash.json: expected"));
  EXPECT_THAT(message({}), HasSubstr("found 0.0025; a hash has no gradient: "
                                     "correct it, give --balance_loss_coef 0"));
  EXPECT_THAT(message({"--balance_loss_coef=0"}),
              HasSubstr("found 0.5; a hash has no logits: correct it, give "
                        "--router_z_loss_coef 0"));
  EXPECT_THAT(message({"--router_z_loss_coef=0"}),
              HasSubstr("give --balance_loss_coef 0"));
  EXPECT_EQ(message({"--balance_loss_coef=0", "--router_z_loss_coef=0"}),
            "accepted");
  const std::string by_flag =
      message({"--balance_loss_coef=0.125", "--router_z_loss_coef=0"});
  EXPECT_THAT(by_flag, HasSubstr("found 0.125;"));
  EXPECT_THAT(by_flag, Not(HasSubstr("hash.json")));
  // What is resolved is written, and read back.
  const auto flags =
      ParseTrainFlags({"--model", hash, "--data", "x", "--out", "y",
                       "--balance_loss_coef=0", "--router_z_loss_coef=0"});
  ASSERT_TRUE(flags.ok()) << flags.status();
  const std::string file = folder.Write("flags.txt", FlagFileOf(*flags));
  EXPECT_EQ(Message({"--flagfile", file}), "accepted");
}

TEST(TrainFlags, AModelWithoutExpertsTakesNoFlagsAboutThem) {
  const testing::TemporaryFolder folder;
  std::string text =
      ReadFile(std::string(kTiny) + "/config.json", 1 << 20).value();
  text.insert(1, "\"first_k_dense_replace\": 2,");
  const std::string dense = folder.Write("dense.json", text);
  const auto message = [&](const std::string& flag) {
    return Message({"--model", dense, "--dry_run", flag});
  };
  for (const std::string flag :
       {"balance_loss_coef 0.01", "router_z_loss_coef 0.001",
        "drop_policy probability", "capacity_factor 1.25",
        "bias_update_rate 0.001", "expert_dropout 0.1"}) {
    std::string written = "--" + flag;
    written[written.find(' ')] = '=';
    EXPECT_THAT(message(written),
                HasSubstr("a model with experts for --" + flag + ", found"));
  }
  // What is the default, or the model's own, says nothing else.
  for (const char* flag :
       {"--balance_loss_coef=0", "--router_z_loss_coef=0",
        "--capacity_factor=0", "--balance_loss=switch", "--bias_update_rate=0",
        "--expert_dropout=0", "--norouter_sampling"}) {
    EXPECT_EQ(message(flag), "accepted") << flag;
  }
  // The file of a run that keeps the model's coefficients can be read back.
  const auto flags =
      ParseTrainFlags({"--model", dense, "--data", "x", "--out", "y"});
  ASSERT_TRUE(flags.ok()) << flags.status();
  EXPECT_GT(flags->options.model.balance_loss_coef, 0.0);
  const std::string file = folder.Write("flags.txt", FlagFileOf(*flags));
  const auto again = ParseTrainFlags({"--flagfile", file});
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->options.model.balance_loss_coef,
            flags->options.model.balance_loss_coef);
}

// A scope means nothing without a loss; one of a file of flags gives way to
// what the command line says.
TEST(TrainFlags, ABalanceScopeNeedsABalanceLoss) {
  EXPECT_THAT(
      Message(With({"--balance_loss_coef=0", "--balance_scope=global"})),
      HasSubstr("a balance loss with --balance_scope global"));
  const testing::TemporaryFolder folder;
  const auto flags =
      ParseTrainFlags(With({"--balance_scope=window", "--balance_window=2",
                            "--global_batch=8", "--micro_batch=2"}));
  ASSERT_TRUE(flags.ok()) << flags.status();
  const std::string file = folder.Write("flags.txt", FlagFileOf(*flags));
  const auto with = [&](const std::string& more) {
    return ParseTrainFlags({"--flagfile", file, more});
  };
  const auto off = with("--balance_loss_coef=0");
  ASSERT_TRUE(off.ok()) << off.status();
  EXPECT_EQ(off->options.balance.scope, BalanceScope::kMicroBatch);
  const auto global = with("--balance_scope=global");
  ASSERT_TRUE(global.ok()) << global.status();
  EXPECT_EQ(global->options.balance.window, 0);
  EXPECT_EQ(with("--balance_loss_coef=1")->options.balance.window, 2);
}

TEST(TrainFlags, EverythingReachesTheOptions) {
  const auto flags = ParseTrainFlags(With({"--dtype=bf16",
                                           "--threads=2",
                                           "--lr=0.01",
                                           "--schedule=wsd",
                                           "--decay_fraction=0.2",
                                           "--min_lr_ratio=0.05",
                                           "--weight_decay=0.2",
                                           "--decay_norms",
                                           "--beta1=0.8",
                                           "--beta2=0.99",
                                           "--adam_eps=1e-7",
                                           "--clip_norm=0",
                                           "--capacity_factor=1.1",
                                           "--eval_capacity_factor=2.5",
                                           "--min_capacity=4",
                                           "--capacity_scope=sequence",
                                           "--drop_policy=probability",
                                           "--renormalize_survivors",
                                           "--no_token_left_behind=4",
                                           "--bad_gradient=skip",
                                           "--seed=9",
                                           "--recompute=block",
                                           "--determinism=run",
                                           "--isa=avx2",
                                           "--comm_timeout=5",
                                           "--max_rows_per_rank=77",
                                           "--eval_data=held.txt",
                                           "--eval_every=3",
                                           "--eval_batches=4",
                                           "--log_every=5",
                                           "--layer_metrics_every=7",
                                           "--routing_trace=trace",
                                           "--routing_replay=replay",
                                           "--stop_at=6",
                                           "--data_format=u32",
                                           "--tokenizer=some.model",
                                           "--global_batch=8",
                                           "--seq_len=64",
                                           "--micro_batch=4",
                                           "--expert_parallel=2",
                                           "--warmup_steps=1"}));
  ASSERT_TRUE(flags.ok()) << flags.status();
  const TrainOptions& o = flags->options;
  EXPECT_EQ(o.dtype, DType::kBFloat16);
  EXPECT_EQ(o.threads, 2);
  EXPECT_EQ(o.lr, 0.01);
  EXPECT_EQ(o.schedule, Schedule::kWarmupStableDecay);
  EXPECT_EQ(o.decay_fraction, 0.2);
  EXPECT_EQ(o.min_lr_ratio, 0.05);
  EXPECT_EQ(o.weight_decay, 0.2);
  EXPECT_TRUE(o.decay_norms);
  EXPECT_EQ(o.beta1, 0.8);
  EXPECT_EQ(o.beta2, 0.99);
  EXPECT_EQ(o.adam_eps, 1e-7);
  EXPECT_EQ(o.clip_norm, 0.0);
  EXPECT_EQ(o.overflow.capacity_factor.ToString(), "1.1");
  EXPECT_EQ(o.overflow.factor(/*training=*/false).ToString(), "2.5");
  EXPECT_EQ(o.overflow.min_capacity, 4);
  EXPECT_EQ(o.overflow.capacity_scope, CapacityScope::kSequence);
  EXPECT_EQ(o.overflow.drop_policy, DropPolicy::kProbability);
  EXPECT_TRUE(o.overflow.renormalize_survivors);
  EXPECT_EQ(o.overflow.no_token_left_behind, 4);
  EXPECT_EQ(o.bad_gradient, BadGradient::kSkip);
  EXPECT_EQ(o.seed, 9u);
  EXPECT_EQ(o.recompute, Recompute::kBlock);
  EXPECT_EQ(o.determinism, Determinism::kRun);
  EXPECT_EQ(o.isa, "avx2");
  EXPECT_EQ(o.comm_timeout, 5.0);
  EXPECT_EQ(o.max_rows_per_rank, 77);
  EXPECT_TRUE(o.has_eval_data);
  EXPECT_EQ(o.eval_every, 3);
  EXPECT_EQ(o.eval_batches, 4);
  EXPECT_EQ(o.log_every, 5);
  EXPECT_EQ(o.layer_metrics_every, 7);
  EXPECT_THAT(o.routing_trace, ::testing::EndsWith("/trace"));
  EXPECT_THAT(o.routing_replay, ::testing::EndsWith("/replay"));
  // What a run was replayed from decides its numbers; what it wrote does not.
  EXPECT_THAT(FlagFileOf(*flags), HasSubstr("--routing_replay="));
  EXPECT_THAT(FlagFileOf(*flags), Not(HasSubstr("--routing_trace")));
  EXPECT_EQ(o.stop_at, 6);
  EXPECT_EQ(o.expert_parallel, 2);
  EXPECT_EQ(o.warmup_steps, 1);
  const TextDataOptions data = DataOptionsOf(*flags);
  EXPECT_EQ(data.sequence_length, 64);
  EXPECT_EQ(data.global_batch, 8);
  EXPECT_EQ(data.seed, 9u);
  EXPECT_EQ(data.vocabulary, 256);
  EXPECT_EQ(data.format, DataFormat::kU32);
  EXPECT_THAT(data.tokenizer, ::testing::EndsWith("/some.model"));
  EXPECT_THAT(FlagFileOf(*flags), HasSubstr("--data_format=u32"));
  EXPECT_THAT(FlagFileOf(*flags), HasSubstr("/some.model"));
  ASSERT_EQ(data.eval_files.size(), 1u);
  EXPECT_THAT(data.eval_files[0], ::testing::EndsWith("/held.txt"));
}

TEST(VerifyFlags, AreThoseThatDecideTheNumbers) {
  const auto flags = ParseVerifyFlags(
      {"--model", kTiny, "--data", "text.txt", "--lr=0.01", "--max_ranks=8",
       "--capacity_factor=1.25", "--micro_batch=2", "--dtype=bf16"});
  ASSERT_TRUE(flags.ok()) << flags.status();
  EXPECT_EQ(flags->max_ranks, 8);
  const TrainOptions& o = flags->train.options;
  EXPECT_EQ(o.steps, 3);
  EXPECT_EQ(o.warmup_steps, 0);
  EXPECT_EQ(o.lr, 0.01);
  EXPECT_EQ(o.dtype, DType::kBFloat16);
  EXPECT_EQ(o.overflow.capacity_factor.ToString(), "1.25");
  EXPECT_EQ(o.model.hidden_size, 128);
  EXPECT_EQ(o.eval_every, 0);
  EXPECT_FALSE(ParseVerifyFlags({"--model", kTiny}).ok());
  EXPECT_FALSE(ParseVerifyFlags({"--data", "text.txt"}).ok());
  EXPECT_FALSE(ParseVerifyFlags(With({})).ok()) << "--out has no meaning here";
  EXPECT_THAT(ParseVerifyFlags({"--help"})->train.help,
              ::testing::AllOf(HasSubstr("--max_ranks"), HasSubstr("--lr"),
                               Not(HasSubstr("--eval_every"))));
}

TEST(TrainFlags, WaysToDropAreRefusedWhereNothingIsDropped) {
  for (const std::string flag :
       {"--min_capacity=4", "--capacity_scope=micro_batch",
        "--drop_policy=position", "--renormalize_survivors",
        "--no_token_left_behind=4"}) {
    const std::string name = flag.substr(0, flag.find('='));
    const auto refused = ParseTrainFlags(With({flag}));
    EXPECT_EQ(std::string(refused.status().message()),
              "expected --capacity_factor above 0 with " + name +
                  ", found 0, which drops nothing; give a factor such as 1.25 "
                  "or leave the flag out");
    const auto taken = ParseTrainFlags(With({flag, "--capacity_factor=1.25"}));
    EXPECT_TRUE(taken.ok()) << taken.status();
  }
  EXPECT_THAT(std::string(ParseTrainFlags(With({"--capacity_factor=1.25",
                                                "--eval_capacity_factor=2"}))
                              .status()
                              .message()),
              HasSubstr("expected held-out text"));
}

TEST(TrainFlags, AFlagFileOfWaysToDropIsRepeatedWithAndWithoutACapacity) {
  const testing::TemporaryFolder folder;
  const auto flags = ParseTrainFlags(
      With({"--capacity_factor=1.25", "--eval_fraction=0.1",
            "--eval_capacity_factor=2", "--drop_policy=probability"}));
  ASSERT_TRUE(flags.ok()) << flags.status();
  const std::string file = folder.Write("flags.txt", FlagFileOf(*flags));
  const auto again = ParseTrainFlags({"--flagfile", file});
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(FlagFileOf(*again), FlagFileOf(*flags));
  const auto dropless = ParseTrainFlags(
      {"--flagfile", file, "--capacity_factor=0", "--eval_capacity_factor=0"});
  ASSERT_TRUE(dropless.ok()) << dropless.status();
  EXPECT_EQ(dropless->options.overflow.drop_policy, DropPolicy::kPosition);
}

TEST(TrainFlags, FlagFileReadsBackToItself) {
  const testing::TemporaryFolder folder;
  for (const std::string schedule : {"cosine", "constant", "wsd"}) {
    const auto flags =
        ParseTrainFlags(With({"--schedule", schedule, "--lr=0.003"}));
    ASSERT_TRUE(flags.ok()) << flags.status();
    const std::string file = folder.Write("flags.txt", FlagFileOf(*flags));
    const auto again = ParseTrainFlags({"--flagfile", file});
    ASSERT_TRUE(again.ok()) << again.status();
    EXPECT_EQ(FlagFileOf(*again), FlagFileOf(*flags));
    EXPECT_EQ(again->options.lr, 0.003);
  }
}

TEST(VerifyFlags, TheFlagsOfARunAreUnderstood) {
  const testing::TemporaryFolder folder;
  const auto run = ParseTrainFlags(
      With({"--steps=40", "--warmup_steps=20", "--lr=0.003", "--threads=2",
            "--expert_parallel=2", "--eval_fraction=0.25"}));
  ASSERT_TRUE(run.ok()) << run.status();
  const std::string file = folder.Write("flags.txt", FlagFileOf(*run));
  const auto flags = ParseVerifyFlags({"--flagfile", file});
  ASSERT_TRUE(flags.ok()) << flags.status();
  EXPECT_EQ(flags->steps, 3);
  const TrainFlags& train = flags->train;
  EXPECT_EQ(train.options.steps, 40) << "the schedule's";
  EXPECT_EQ(train.options.warmup_steps, 20);
  EXPECT_EQ(train.options.lr, 0.003);
  EXPECT_EQ(train.eval_fraction, 0.25) << "not trained on";
  EXPECT_EQ(train.options.threads, TrainOptions().threads);
  EXPECT_EQ(train.options.expert_parallel, TrainOptions().expert_parallel);
  EXPECT_THAT(flags->passed_over,
              ::testing::ElementsAre("eval_batches", "eval_every",
                                     "expert_parallel", "layer_metrics_every",
                                     "log_every", "out", "threads"));
  // The command line is read as ever.
  const auto longer = ParseVerifyFlags(
      {"--flagfile", file, "--steps=50", "--expert_parallel=4"});
  ASSERT_TRUE(longer.ok()) << longer.status();
  EXPECT_EQ(longer->steps, 50);
  EXPECT_EQ(longer->train.options.steps, 50);
  EXPECT_EQ(longer->train.options.expert_parallel, 4);
  for (const char* flag : {"--out=x", "--log_every=1", "--eval_fraction=0.1"}) {
    EXPECT_THAT(
        std::string(
            ParseVerifyFlags({"--flagfile", file, flag}).status().message()),
        HasSubstr("expected flags of switchyard verify-layouts, found --"));
  }
}

TEST(TrainFlags, AFlagFileIsRepeatedWithAnotherSchedule) {
  const testing::TemporaryFolder folder;
  const auto flags =
      ParseTrainFlags(With({"--schedule=wsd", "--decay_fraction=0.2"}));
  ASSERT_TRUE(flags.ok()) << flags.status();
  const std::string file = folder.Write("flags.txt", FlagFileOf(*flags));
  for (const std::string schedule : {"cosine", "constant"}) {
    EXPECT_EQ(Message({"--flagfile", file, "--schedule", schedule}),
              "accepted");
  }
  EXPECT_THAT(Message({"--flagfile", file, "--schedule=cosine",
                       "--decay_fraction=0.1"}),
              HasSubstr("--schedule wsd"));
  const std::string wrong = folder.Write("wrong", "--decay_fraction=0.1\n");
  EXPECT_THAT(Message(With({"--flagfile", wrong})),
              HasSubstr("--schedule wsd"));
}

TEST(TrainFlags, AFlagFileHoldsWhatWasDerived) {
  auto flags = ParseTrainFlags(With({}));
  ASSERT_TRUE(flags.ok()) << flags.status();
  for (const char* name : {"expert_parallel", "threads", "isa", "stop_at",
                           "eval_every", "eval_batches"}) {
    EXPECT_THAT(FlagFileOf(*flags), Not(HasSubstr(name)));
  }
  flags->options.expert_parallel = 4;
  flags->options.threads = 3;
  flags->options.isa = "avx2";
  for (const char* line :
       {"--expert_parallel=4\n", "--threads=3\n", "--isa=avx2\n"}) {
    EXPECT_THAT(FlagFileOf(*flags), HasSubstr(line));
  }
}

TEST(TrainFlags, PathsKeepWhatALinkMayDecide) {
  const auto flags = ParseTrainFlags(With({"--eval_data=./a/../b"}));
  ASSERT_TRUE(flags.ok()) << flags.status();
  EXPECT_THAT(flags->eval_data[0], ::testing::EndsWith("/a/../b"));
  EXPECT_THAT(flags->eval_data[0], Not(HasSubstr("/./")));
}

TEST(TrainFlags, NamesOfOtherProgramsAreAnswered) {
  EXPECT_THAT(Message(With({"--learning-rate=1"})), HasSubstr("is --lr "));
  EXPECT_THAT(Message(With({"--batch_size=1"})), HasSubstr("--global_batch "));
  EXPECT_THAT(Message(With({"--seq-len=1"})), HasSubstr("is --seq_len "));
  EXPECT_THAT(Message(With({"--xyzzyplugh=1"})),
              HasSubstr("found --xyzzyplugh; see --help"));
}

TEST(TrainFlags, Version) {
  for (const char* name : {"--version", "-V"}) {
    const auto flags = ParseTrainFlags({name});
    ASSERT_TRUE(flags.ok()) << flags.status();
    EXPECT_THAT(flags->help, ::testing::StartsWith("switchyard "));
  }
  EXPECT_THAT(ParseTrainFlags({"-h"})->help, HasSubstr("--model PATH"));
}

TEST(TrainFlags, DryRunNeedsNoData) {
  const auto flags = ParseTrainFlags(
      {"--model", kTiny, "--dry_run", "--ranks=64", "--ranks_per_node=8"});
  ASSERT_TRUE(flags.ok()) << flags.status();
  EXPECT_TRUE(flags->dry_run);
  EXPECT_EQ(flags->ranks, 64);
  EXPECT_EQ(flags->ranks_per_node, 8);
  const auto one_node =
      ParseTrainFlags({"--model", kTiny, "--dry_run", "--ranks=6"});
  EXPECT_EQ(one_node->ranks_per_node, 6);
}

TEST(TrainFlags, Help) {
  const auto flags = ParseTrainFlags({"--help"});
  ASSERT_TRUE(flags.ok());
  for (const char* name : {"--model PATH",
                           "--data FILE[,FILE]",
                           "--out DIR",
                           "--steps N",
                           "--seq_len T",
                           "--global_batch SEQS",
                           "--micro_batch SEQS",
                           "--expert_parallel W",
                           "--device cpu|cuda",
                           "--dtype fp32|bf16",
                           "--threads N",
                           "--lr X",
                           "--min_lr_ratio X",
                           "--warmup_steps N",
                           "--schedule cosine|constant|wsd",
                           "--decay_fraction X",
                           "--weight_decay X",
                           "--decay_norms",
                           "--beta1 X",
                           "--beta2 X",
                           "--adam_eps X",
                           "--clip_norm X",
                           "--capacity_factor X",
                           "--eval_capacity_factor X",
                           "--min_capacity N",
                           "--capacity_scope micro_batch|sequence",
                           "--drop_policy position|probability",
                           "--renormalize_survivors",
                           "--no_token_left_behind N",
                           "--balance_loss_coef X",
                           "--router_z_loss_coef X",
                           "--bad_gradient stop|skip",
                           "--seed S",
                           "--recompute none|block",
                           "--determinism layout|run",
                           "--isa NAME",
                           "--comm_timeout SECONDS",
                           "--max_rows_per_rank N",
                           "--eval_data FILE",
                           "--eval_fraction X",
                           "--eval_every N",
                           "--eval_batches N",
                           "--log_every N",
                           "--stop_at STEP",
                           "--dry_run",
                           "--ranks N",
                           "--ranks_per_node N",
                           "--flagfile PATH"}) {
    EXPECT_THAT(flags->help, HasSubstr(name));
  }
  EXPECT_THAT(flags->help, Not(HasSubstr("default: -1")));
}

TEST(TrainFlags, RefusesContradictions) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{"--data", "x", "--out", "y"}, "expected --model"},
      {{"--model", kTiny, "--out", "y"}, "expected --data"},
      {{"--model", kTiny, "--data", "x"}, "expected --out"},
      {With({"--lr", "nan"}), "a finite number for --lr"},
      {With({"--lr", "0"}), "--lr between"},
      {With({"--decay_fraction=0.1"}), "--schedule wsd"},
      {With({"--schedule=constant", "--min_lr_ratio=0.1"}), "--min_lr_ratio"},
      {With({"--ranks=4"}), "--dry_run"},
      {With({"--dry_run", "--ranks_per_node=4"}), "--ranks"},
      {With({"--dry_run", "--ranks=6", "--ranks_per_node=4"}), "6 and 4"},
      {With({"--dry_run", "--ranks=0"}), "found 0"},
      {With({"--device=tpu"}), "one of cpu, cuda for --device"},
      {With({"--transport=mpi"}), "--device cuda"},
      {With({"--overlap_chunks=17"}), "--overlap_chunks between"},
      {With({"--device="}), "found ''"},
      {With({"--isa=sse9"}), "sse9"},
      {With({"--balance_loss_coef=-1"}), "--balance_loss_coef between"},
      {With({"--eval_batches=2"}), "held-out text with --eval_batches"},
      {With({"--eval_fraction=0.1", "--eval_every=0"}), "--eval_every 0"},
      {With({"--eval_data=x", "--eval_fraction=0.1"}), "found both"},
      {With({"--eval_fraction=1"}), "below 1"},
      {With({"--eval_every=5"}), "--eval_fraction"},
      {With({"--micro_batch=3"}), "--micro_batch"},
      {With({"--micro_batch=0"}), "--micro_batch"},
      {With({"--seq_len=99999"}), "max_position_embeddings"},
      {{"--model", "no/such", "--dry_run"}, "no/such"},
  };
  for (const auto& [arguments, part] : cases) {
    EXPECT_THAT(Message(arguments), HasSubstr(part));
  }
}

}  // namespace
}  // namespace switchyard::launch
