// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// What a user may get wrong about experts and their files.
#include <filesystem>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "switchyard/base/file.h"
#include "switchyard/tests/failure/bad_input.h"
#include "switchyard/tests/support/command_run.h"

namespace switchyard {
namespace {

namespace fs = std::filesystem;
using testing::CommandResult;

// Rules of routing that contradict each other.
TEST_F(BadInputTest, Routing) {
  ExpectRefused({{"--drop_policy", "probability"}},
                "--capacity_factor above 0 with --drop_policy");
  ExpectRefused({{"--capacity_factor", "1"}, {"--no_token_left_behind", "9"}},
                "at most its experts, 8, found 9");
  ExpectRefused({{"--bias_update_rate", "0.001"}}, "\"router_bias\" true");
  ExpectRefused({{"--balance_scope", "window"}, {"--balance_window", "7"}},
                "--balance_window to divide");
  ExpectRefused({{"--expert_dropout", "1"}}, "between 0 and 0.99, found 1");
  ExpectRefused({{"--expert_dropout", "nan"}}, "finite number");
  ExpectRefused({{"--device_balance_loss_coef", "0.1"}}, "n_device_groups");
  ExpectRefused({{"--model", Model("n_group", "16")}}, "topk_group");
  ExpectRefused({{"--model", Model("shared_expert_gate", "true")}},
                "a shared expert with");
  ExpectRefused({{"--model", Model("sliding_window", "0")}}, "sliding_window");
  ExpectRefused({{"--model", Model("qk_norm", "\"most\"")}}, "found \"most\"");
  ExpectRefused({{"--model", Model("hidden_act", "\"swoosh\"")}},
                "found \"swoosh\"");
  ExpectRefused({{"--model", Model("first_k_dense_replace", "3")}},
                "between 0 and 2, found 3");
  // The model has a balance loss.
  ExpectRefused({{"--model", Model("router_type", "\"expert_choice\"")}},
                "\"balance_loss_coef\" 0 with \"router_type\" "
                "\"expert_choice\"");
  ExpectRefused({{"--model", Model("router_type", "\"hash\"")}},
                "\"balance_loss_coef\" 0 with \"router_type\" \"hash\", found "
                "0.0025; a hash has no gradient: correct it, give "
                "--balance_loss_coef 0, or choose \"token_choice\"");
  ExpectRefused({{"--model", Model("scoring_func", "\"sigmoid\"")},
                 {"--router_sampling", "true"}},
                "softmax scores");
  ExpectRefused({{"--model", Model("num_experts_per_tok", "1")},
                 {"--capacity_factor", "1"},
                 {"--renormalize_survivors", "true"}},
                "\"num_experts_per_tok\" 1");
  ExpectRefused({{"--router_jitter", "1.5"}}, "--router_jitter between 0");
}

TEST_F(BadInputTest, ModelsWithoutExperts) {
  const std::string dense = Model("first_k_dense_replace", "2");
  const std::pair<std::string, std::string> flags[] = {
      {"--balance_loss_coef", "0.01"},  {"--router_z_loss_coef", "0.001"},
      {"--balance_loss", "gshard"},     {"--capacity_factor", "1.25"},
      {"--drop_policy", "probability"}, {"--bias_update_rate", "0.001"},
      {"--expert_dropout", "0.1"},
  };
  for (const auto& [flag, value] : flags) {
    ExpectRefused({{"--model", dense}, {flag, value}},
                  absl::StrCat("a model with experts for ", flag, " ", value,
                               ", found one whose layers are all dense"));
  }
  const std::string trace = inputs_.path() / "routing";
  ExpectRefused({{"--model", dense}, {"--routing_trace", trace}},
                "a model with experts for --routing_trace");
  EXPECT_FALSE(fs::exists(trace));
}

// Before a line of the run is printed, and with the flag's name.
TEST_F(BadInputTest, FilesOfRouting) {
  const std::string none = inputs_.path() / "none";
  ExpectRefused({{"--routing_replay", none}},
                absl::StrCat("expected --routing_replay to be a file of "
                             "--routing_trace, but cannot open ",
                             none, ": No such file"));
  const std::string text = inputs_.path() / "text.txt";
  ExpectRefused(
      {{"--routing_replay", text}},
      absl::StrCat("--routing_replay ", text, ": expected a file of"));
  ExpectRefused({{"--routing_replay", inputs_.path()}}, "expected a file");
  ExpectRefused({{"--routing_trace", text}},
                absl::StrCat("expected --routing_trace to be a new file that "
                             "can be written, but cannot create ",
                             text, ": File exists; give another path"));
  ExpectRefused({{"--routing_trace", none + "/trace"}},
                "/trace: No such file or directory; give another path");
  EXPECT_EQ(ReadFile(text, 1 << 20)->size(), 20000u);
  ExpectRefused({{"--dry_run", "true"}, {"--routing_replay", none}}, none);
  ExpectRefused({{"--dry_run", "true"}, {"--routing_trace", text}}, text);
  ExpectOneSentence(
      testing::RunCommand(
          absl::StrCat(SWITCHYARD_COMMAND, " verify-layouts --model ", kModels,
                       "tiny --data ", text, " --routing_replay ", none),
          inputs_.path()),
      none);
  ExpectRefusedByTwoRanks(Arguments({{"--routing_replay", none}}), none);
  ExpectRefusedByTwoRanks(Arguments({{"--routing_trace", text}}), text);
}

// Of two seeds: only the choices differ.
TEST_F(BadInputTest, FilesOfRoutingThatDiffer) {
  const auto trace = [&](const char* name, const char* seed) {
    const CommandResult run =
        Run(Arguments({{"--seed", seed},
                       {"--out", outputs_.path() / absl::StrCat("of_", name)},
                       {"--routing_trace", inputs_.path() / name}}));
    EXPECT_EQ(run.exit_code, 0) << run.err;
  };
  trace("replay.0", "1");
  trace("replay.1", "2");
  std::string arguments = Arguments({{"--routing_replay", "REPLAY"}});
  arguments.replace(arguments.find("'REPLAY'"), 8,
                    "replay.$OMPI_COMM_WORLD_RANK");
  ExpectRefusedByTwoRanks(
      arguments,
      "the same --routing_replay on all ranks, found one of checksum ");
}

// What a plan looked for is not left behind, and a trace may lie in the folder
// that the run makes.
TEST_F(BadInputTest, ATraceInTheRunsOwnFolder) {
  const std::string out = out_parent_ / "run";
  const std::string arguments =
      Arguments({{"--routing_trace", out + "/routing"}});
  const CommandResult plan = Run(absl::StrCat(arguments, " --dry_run"));
  EXPECT_EQ(plan.exit_code, 0) << plan.err;
  EXPECT_TRUE(fs::is_empty(out_parent_));
  const CommandResult run = Run(arguments);
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_GT(fs::file_size(out + "/routing"), 0u);
}

}  // namespace
}  // namespace switchyard
