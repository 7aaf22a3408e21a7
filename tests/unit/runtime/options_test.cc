// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/train/options.h"

#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace switchyard {
namespace {

using ::testing::HasSubstr;

TrainOptions Valid() {
  TrainOptions options;
  options.model =
      *ReadModelConfig(SWITCHYARD_SOURCE_DIR "/examples/models/tiny");
  FillDefaults(&options);
  return options;
}

TEST(TrainOptions, DefaultsAreValid) {
  EXPECT_TRUE(Validate(Valid()).ok()) << Validate(Valid());
}

TEST(TrainOptions, MicroBatchGives128RowsASegment) {
  ModelConfig model = Valid().model;  // 8 experts, top-2
  // 256 · 2 / 8 = 64 rows from a sequence.
  EXPECT_EQ(DefaultMicroBatch(model, 16, 256), 2);
  EXPECT_EQ(DefaultMicroBatch(model, 16, 512), 1);
  EXPECT_EQ(DefaultMicroBatch(model, 15, 256), 3);  // 2 does not divide 15
  EXPECT_EQ(DefaultMicroBatch(model, 16, 8), 16);   // not enough: the largest
  EXPECT_EQ(DefaultMicroBatch(model, 7, 128), 7);
  model.experts = 128;
  EXPECT_EQ(DefaultMicroBatch(model, 64, 256), 32);
  // 49 · 128 · 1 / 49 is 128; in doubles it is a little less.
  model.experts = 49;
  model.experts_per_token = 1;
  EXPECT_EQ(DefaultMicroBatch(model, 98, 128), 49);
  // Unchecked numbers reach it.
  const int64_t huge = std::numeric_limits<int64_t>::max();
  EXPECT_EQ(DefaultMicroBatch(model, 98, huge), 1);
  model.experts_per_token = huge;
  EXPECT_EQ(DefaultMicroBatch(model, 98, huge), 1);
  EXPECT_EQ(DefaultMicroBatch(model, 98, -huge), 98);
}

TEST(TrainOptions, CapacityIsOfAMicroBatch) {
  TrainOptions options = Valid();
  options.seq_len = 40;
  options.micro_batch = 1;
  EXPECT_EQ(ExpertCapacity(options), 0) << "dropless";
  options.overflow.capacity_factor = *CapacityFactor::Parse("1.1");
  EXPECT_EQ(ExpertCapacity(options), 11);  // 1.1 · 2 · 40 / 8
  options.micro_batch = 4;
  EXPECT_EQ(ExpertCapacity(options), 44);
}

TEST(TrainOptions, CapacityHasAFloorAScopeAndAnotherFactorInEvaluations) {
  TrainOptions options = Valid();
  options.seq_len = 40;
  options.micro_batch = 4;
  OverflowOptions& overflow = options.overflow;
  overflow.capacity_factor = *CapacityFactor::Parse("1.1");
  overflow.capacity_scope = CapacityScope::kSequence;
  // Of each sequence: 1.1 · 2 · 40 / 8.
  OverflowRule rule = OverflowRuleOf(options, /*training=*/true);
  EXPECT_EQ(rule.capacity, 11);
  EXPECT_EQ(rule.scope_tokens, 40);
  EXPECT_EQ(ExpertCapacity(options), 4 * 11);
  overflow.min_capacity = 15;
  EXPECT_EQ(OverflowRuleOf(options, true).capacity, 15);
  overflow.min_capacity = 100;
  EXPECT_EQ(OverflowRuleOf(options, true).capacity, 40) << "all tokens";
  overflow.min_capacity = 0;
  EXPECT_EQ(OverflowRuleOf(options, false).capacity, 11) << "training's";
  overflow.eval_capacity_factor = *CapacityFactor::Parse("2");
  EXPECT_EQ(OverflowRuleOf(options, true).capacity, 11);
  EXPECT_EQ(OverflowRuleOf(options, false).capacity, 20);
  EXPECT_EQ(MostExpertRows(options), 4 * 11) << "there are no evaluations";
  options.has_eval_data = true;
  EXPECT_EQ(MostExpertRows(options), 4 * 20);
  overflow.eval_capacity_factor = CapacityFactor();
  EXPECT_EQ(OverflowRuleOf(options, false).capacity, 0) << "dropless";
  EXPECT_EQ(MostExpertRows(options), 0);
  EXPECT_FALSE(overflow.dropless());
  overflow.no_token_left_behind = 5;
  EXPECT_EQ(OverflowRuleOf(options, true).more_experts, 3);
  EXPECT_EQ(OverflowRuleOf(options, false).more_experts, 0);
  EXPECT_TRUE(Validate(options).ok()) << Validate(options);
}

TEST(TrainOptions, WaysToDropNeedACapacity) {
  const auto refused = [](const std::function<void(OverflowOptions&)>& edit,
                          const char* factor) {
    TrainOptions options = Valid();
    options.overflow.capacity_factor = *CapacityFactor::Parse(factor);
    edit(options.overflow);
    return std::string(Validate(options).message());
  };
  const std::function<void(OverflowOptions&)> edits[] = {
      [](OverflowOptions& o) { o.min_capacity = 4; },
      [](OverflowOptions& o) { o.capacity_scope = CapacityScope::kSequence; },
      [](OverflowOptions& o) { o.drop_policy = DropPolicy::kProbability; },
      [](OverflowOptions& o) { o.renormalize_survivors = true; },
      [](OverflowOptions& o) { o.no_token_left_behind = 4; },
  };
  for (const auto& edit : edits) {
    EXPECT_THAT(refused(edit, "0"),
                ::testing::StartsWith("expected --capacity_factor above 0"));
    EXPECT_EQ(refused(edit, "1.25"), "");
  }
  // The next best expert is that of the next probability.
  TrainOptions biased = Valid();
  biased.overflow.capacity_factor = *CapacityFactor::Parse("1.25");
  biased.overflow.no_token_left_behind = 4;
  biased.model.router.selection_bias = true;
  EXPECT_THAT(std::string(Validate(biased.overflow, biased.model).message()),
              HasSubstr("without a bias, with --no_token_left_behind, found "
                        "\"router_bias\" true; leave the flag out"));
  ExplorationOptions sampling;
  sampling.router_sampling = true;
  biased.model.router.device_groups = 4;
  EXPECT_THAT(std::string(Validate(sampling, biased.model).message()),
              HasSubstr("which samples from that softmax, found "
                        "\"n_device_groups\" 4; leave the flag out"));
  // Experts to try beyond the token's own, as far as there are any.
  for (const int64_t experts : {1, 2, 9}) {
    EXPECT_EQ(
        refused([=](OverflowOptions& o) { o.no_token_left_behind = experts; },
                "1.25"),
        absl::StrCat("expected --no_token_left_behind above the model's "
                     "experts per token, 2, and of at most its experts, 8, "
                     "found ",
                     experts,
                     "; correct it, or leave it at 0, which reroutes nothing"));
  }
}

// Nothing of experts passes silently where every layer is dense.
TEST(TrainOptions, WhatNeedsExpertsIsRefusedWithoutThem) {
  using Change = std::function<void(TrainOptions&)>;
  const std::vector<std::pair<std::string, Change>> cases = {
      {"router_jitter 0.01",
       [](auto& o) { o.exploration.router_jitter = 0.01; }},
      {"router_sampling true",
       [](auto& o) { o.exploration.router_sampling = true; }},
      {"routing_trace some/file",
       [](auto& o) { o.routing_trace = std::string("some/file"); }},
      {"routing_replay some/file",
       [](auto& o) { o.routing_replay = std::string("some/file"); }},
      {"capacity_factor 1.25",
       [](auto& o) {
         o.overflow.capacity_factor = *CapacityFactor::Parse("1.25");
       }},
      {"eval_capacity_factor 2",
       [](auto& o) {
         o.overflow.eval_capacity_factor = *CapacityFactor::Parse("2");
       }},
      {"min_capacity 4", [](auto& o) { o.overflow.min_capacity = 4; }},
      {"capacity_scope sequence",
       [](auto& o) { o.overflow.capacity_scope = CapacityScope::kSequence; }},
      {"drop_policy probability",
       [](auto& o) { o.overflow.drop_policy = DropPolicy::kProbability; }},
      {"renormalize_survivors true",
       [](auto& o) { o.overflow.renormalize_survivors = true; }},
      {"no_token_left_behind 4",
       [](auto& o) { o.overflow.no_token_left_behind = 4; }},
      {"max_rows_per_rank 77", [](auto& o) { o.max_rows_per_rank = 77; }},
      {"balance_loss gshard",
       [](auto& o) { o.balance.loss = BalanceLossKind::kGshard; }},
      {"balance_scope global",
       [](auto& o) { o.balance.scope = BalanceScope::kGlobal; }},
      {"balance_window 2", [](auto& o) { o.balance.window = 2; }},
      {"device_balance_loss_coef 0.1",
       [](auto& o) { o.balance.device_coefficient = 0.1; }},
      {"communication_balance_loss_coef 0.1",
       [](auto& o) { o.balance.communication_coefficient = 0.1; }},
      {"bias_update_rate 0.001",
       [](auto& o) { o.balance.bias_update_rate = 0.001; }},
      {"expert_dropout 0.1", [](auto& o) { o.expert_dropout = 0.1; }},
  };
  TrainOptions dense = Valid();
  dense.model.feed_forward.first_k_dense_replace = dense.model.layers;
  EXPECT_TRUE(Validate(dense).ok()) << Validate(dense);
  for (const auto& [option, change] : cases) {
    TrainOptions options = dense;
    change(options);
    EXPECT_EQ(std::string(Validate(options).message()),
              "expected a model with experts for --" + option +
                  ", found one whose layers are all dense; leave the flag out "
                  "or give a model with experts");
  }
}

TEST(TrainOptions, BetasStayBelowOneInFp32) {
  TrainOptions options = Valid();
  // The last fp32 number below 1 is 1 - 2^-24.
  options.beta2 = 1.0 - 0x1p-24;
  EXPECT_TRUE(Validate(options).ok()) << Validate(options);
  options.beta2 = 0.99999999;
  EXPECT_EQ(static_cast<float>(options.beta2), 1.0f);
  const absl::Status status = Validate(options);
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("--beta2 between 0 and 0.99999994, the last below 1 in "
                        "fp32, found 0.9999999"));
}

TEST(TrainOptions, WidestExpertParallelism) {
  EXPECT_EQ(DefaultExpertParallel(8, 1, 1), 1);
  EXPECT_EQ(DefaultExpertParallel(8, 2, 2), 2);
  EXPECT_EQ(DefaultExpertParallel(8, 3, 3), 1);
  EXPECT_EQ(DefaultExpertParallel(6, 3, 3), 3);
  EXPECT_EQ(DefaultExpertParallel(8, 64, 8), 8);
  EXPECT_EQ(DefaultExpertParallel(64, 64, 8), 8);  // stays inside a node
  EXPECT_EQ(DefaultExpertParallel(64, 12, 4), 4);
  EXPECT_EQ(DefaultExpertParallel(8, 4, 1), 1);  // one rank a node
  EXPECT_TRUE(CheckExpertParallel(4, 8, 4).ok());
  EXPECT_FALSE(CheckExpertParallel(3, 8, 3).ok());
  EXPECT_FALSE(CheckExpertParallel(4, 8, 2).ok());
}

TEST(TrainOptions, GradientUnitFollowsEpsilon) {
  TrainOptions options = Valid();
  EXPECT_EQ(options.fraction_bits, 44);
  for (const auto& [eps, bits] : std::vector<std::pair<double, int64_t>>{
           {0x1p-34, 44}, {0x1p-35, 45}, {1e-12, 50}}) {
    options.adam_eps = eps;
    options.fraction_bits = kDefault;
    FillDefaults(&options);
    EXPECT_EQ(options.fraction_bits, bits) << eps;
    EXPECT_TRUE(Validate(options).ok()) << eps;
  }
}

TEST(TrainOptions, EvaluatesByDefaultWhereThereIsText) {
  TrainOptions options = Valid();
  EXPECT_EQ(options.eval_every, 0);
  options.eval_every = kDefault;
  options.has_eval_data = true;
  FillDefaults(&options);
  EXPECT_GT(options.eval_every, 0);
}

TEST(TrainOptions, RefusesWhatIsOutOfRangeOrContradictory) {
  const double nan = std::nan("");
  const double infinity = std::numeric_limits<double>::infinity();
  using Change = std::function<void(TrainOptions&)>;
  const std::vector<std::pair<std::string, Change>> cases = {
      {"--lr between", [=](auto& o) { o.lr = nan; }},
      {"--lr between", [=](auto& o) { o.lr = infinity; }},
      {"--lr between", [=](auto& o) { o.lr = 0.0; }},
      {"--beta1", [=](auto& o) { o.beta1 = 1.0; }},
      {"--beta2", [=](auto& o) { o.beta2 = -0.1; }},
      {"--beta1", [=](auto& o) { o.beta1 = std::nextafter(1.0, 0.0); }},
      {"--beta1", [=](auto& o) { o.beta1 = nan; }},
      {"fraction_bits", [=](auto& o) { o.fraction_bits = -1; }},
      {"fraction_bits", [=](auto& o) { o.fraction_bits = 59; }},
      {"fraction_bits", [=](auto& o) { o.fraction_bits = int64_t{1} << 40; }},
      {"--adam_eps", [=](auto& o) { o.adam_eps = 0.0; }},
      {"--clip_norm", [=](auto& o) { o.clip_norm = nan; }},
      {"--weight_decay", [=](auto& o) { o.weight_decay = -1.0; }},
      {"--min_lr_ratio", [=](auto& o) { o.min_lr_ratio = 1.5; }},
      {"--comm_timeout", [=](auto& o) { o.comm_timeout = 0.0; }},
      {"balance_loss_coef", [=](auto& o) { o.model.balance_loss_coef = nan; }},
      {"device_balance_loss_coef",
       [=](auto& o) { o.balance.device_coefficient = nan; }},
      {"communication_balance_loss_coef",
       [](auto& o) { o.balance.communication_coefficient = -1; }},
      {"bias_update_rate", [=](auto& o) { o.balance.bias_update_rate = nan; }},
      {"--balance_window of 1 or more",
       [](auto& o) { o.balance.scope = BalanceScope::kWindow; }},
      {"--balance_window only with", [](auto& o) { o.balance.window = 2; }},
      {"--balance_window to divide",
       [](auto& o) {
         o.micro_batch = 2;
         o.balance.scope = BalanceScope::kWindow;
         o.balance.window = 3;
       }},
      {"n_device_groups", [](auto& o) { o.balance.device_coefficient = 0.1; }},
      {"--communication_balance_loss_coef",
       [](auto& o) { o.balance.communication_coefficient = 0.1; }},
      {"--balance_loss switch",
       [](auto& o) {
         o.model.router.device_groups = 2;
         o.balance.device_coefficient = 0.1;
         o.balance.loss = BalanceLossKind::kGshard;
       }},
      {"router_bias", [](auto& o) { o.balance.bias_update_rate = 0.001; }},
      {"--steps", [=](auto& o) { o.steps = 0; }},
      {"--seq_len", [=](auto& o) { o.seq_len = 0; }},
      {"max_position_embeddings, 4096, found 4097",
       [=](auto& o) { o.seq_len = 4097; }},
      {"--global_batch", [=](auto& o) { o.global_batch = 0; }},
      {"found 5 and 16", [=](auto& o) { o.micro_batch = 5; }},
      {"--micro_batch", [=](auto& o) { o.micro_batch = 0; }},
      {"rows",
       [=](auto& o) {
         o.seq_len = 4096;
         o.global_batch = o.micro_batch = 1 << 20;
       }},
      {"tokens",
       [=](auto& o) {
         o.steps = int64_t{1} << 36;
         o.global_batch = int64_t{1} << 24;
       }},
      {"--warmup_steps below --steps",
       [=](auto& o) { o.warmup_steps = o.steps; }},
      {"--stop_at", [=](auto& o) { o.stop_at = o.steps + 1; }},
      {"--eval_every", [=](auto& o) { o.eval_every = 10; }},
      {"--dtype", [=](auto& o) { o.dtype = DType::kFloat64; }},
      {"num_experts_per_tok", [=](auto& o) { o.model.experts_per_token = 9; }},
  };
  for (const auto& [part, change] : cases) {
    TrainOptions options = Valid();
    change(options);
    const absl::Status status = Validate(options);
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << part;
    EXPECT_THAT(std::string(status.message()), HasSubstr(part));
  }
}

TEST(TrainOptions, BadSizesReachValidate) {
  TrainOptions options = Valid();
  options.micro_batch = kDefault;
  options.global_batch = -4;
  options.model.experts = 0;
  options.adam_eps = std::nan("");
  FillDefaults(&options);
  EXPECT_FALSE(Validate(options).ok());
}

}  // namespace
}  // namespace switchyard
