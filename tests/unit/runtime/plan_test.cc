// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/plan/plan.h"

#include <string>

#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace switchyard {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TrainOptions Options(const std::string& model) {
  TrainOptions options;
  options.model =
      ReadModelConfig(SWITCHYARD_SOURCE_DIR "/examples/models/" + model)
          .value();
  FillDefaults(&options);
  return options;
}

TrainOptions Mixtral() {
  TrainOptions options = Options("mixtral-8x7b");
  options.dtype = DType::kBFloat16;
  return options;
}

TEST(RankLayout, WidthStaysInsideANode) {
  TrainOptions options = Options("small");  // 8 experts
  EXPECT_EQ(ResolveLayout(options, 64, 8)->expert_parallel, 8);
  EXPECT_EQ(ResolveLayout(options, 8, 4)->expert_parallel, 4);
  EXPECT_EQ(ResolveLayout(options, 8, 4)->nodes, 2);
  EXPECT_EQ(ResolveLayout(options, 6, 6)->expert_parallel, 2);
  // Three ranks on one node and one on another: no two fit everywhere.
  std::vector<comm::Member> members(4);
  members[3].node = 1;
  EXPECT_EQ(ResolveLayout(options, members)->expert_parallel, 1);
  EXPECT_EQ(ResolveLayout(options, members)->nodes, 2);
  options.expert_parallel = 4;
  EXPECT_EQ(ResolveLayout(options, members)->expert_parallel, 4);
  options.expert_parallel = 3;
  EXPECT_FALSE(ResolveLayout(options, members).ok());
}

TEST(Plan, CountsMixtralsParametersExactly) {
  const ParameterCounts counts = CountParameters(Mixtral().model);
  EXPECT_EQ(counts.total, 46'702'792'704);
  EXPECT_EQ(counts.active, 12'879'925'248);
}

TEST(Plan, CountsTinyByHand) {
  // Two embeddings of 256·128; a layer has attention of 128·(128+64+64+128),
  // a router of 8·128 and two norms; a final norm.
  const ParameterCounts counts = CountParameters(Options("tiny").model);
  const int64_t layer = 128 * 384 + 8 * 128 + 2 * 128;
  EXPECT_EQ(counts.dense, 2 * 256 * 128 + 2 * layer + 128);
  EXPECT_EQ(counts.expert, 3 * 128 * 128);
  EXPECT_EQ(counts.total, counts.dense + 2 * 8 * counts.expert);
  EXPECT_EQ(counts.active, counts.dense + 2 * 2 * counts.expert);
}

// docs/numerics.md: Mixtral 8x7B in bf16, width 8, before activations: 81 GB a
// rank with int64 gradients and 52 with fp32 on 64 ranks, 90 and 61 on 32, 143
// and 114 on 8.
TEST(Plan, MemoryOfMixtral) {
  const struct {
    int64_t ranks;
    double gigabytes, gigabytes_fp32;
  } cases[] = {{64, 81, 52}, {32, 90, 61}, {8, 143, 114}};
  for (const auto& expected : cases) {
    const Plan plan =
        MakePlan(Mixtral(), {expected.ranks, expected.ranks / 8, 8});
    const int64_t fixed = plan.memory.fixed();
    const int64_t fixed_fp32 =
        fixed - plan.memory.gradients + plan.memory.gradients_fp32;
    EXPECT_NEAR(static_cast<double>(fixed) / 1e9, expected.gigabytes, 0.6);
    EXPECT_NEAR(static_cast<double>(fixed_fp32) / 1e9, expected.gigabytes_fp32,
                0.6);
  }
}

TEST(Plan, Fp32WeightsAreTheirOwnMasters) {
  TrainOptions options = Options("small");
  const Plan fp32 = MakePlan(options, {2, 1, 2});
  EXPECT_EQ(fp32.memory.masters, 0);
  EXPECT_EQ(fp32.memory.weights, 4 * fp32.rank_parameters);
  EXPECT_EQ(fp32.memory.gradients, 8 * fp32.rank_parameters);
  // Experts have one owner each; the rest is shared by two.
  const ParameterCounts& p = fp32.parameters;
  EXPECT_EQ(fp32.rank_parameters, p.dense + p.experts / 2);
  EXPECT_EQ(fp32.memory.moments, 8 * (p.dense / 2 + p.experts / 2));
  options.dtype = DType::kBFloat16;
  const Plan bf16 = MakePlan(options, {2, 1, 2});
  EXPECT_EQ(bf16.memory.weights, 2 * bf16.rank_parameters);
  EXPECT_EQ(bf16.memory.masters, bf16.memory.moments / 2);
}

TEST(Plan, KvCacheOfGroupedQueries) {
  const Plan plan = MakePlan(Mixtral(), {8, 1, 8});
  // Keys and values of 32 layers, heads of 128, two bytes each.
  EXPECT_EQ(plan.kv_cache.this_model, 2 * 32 * 8 * 128 * 2);
  EXPECT_EQ(plan.kv_cache.multi_head, 2 * 32 * 32 * 128 * 2);
  EXPECT_EQ(plan.kv_cache.multi_query, 2 * 32 * 1 * 128 * 2);
}

TEST(Plan, FlopsPerToken) {
  TrainOptions options = Options("small");
  options.seq_len = 255;
  const Plan plan = MakePlan(options, {1, 1, 1});
  const ParameterCounts& p = plan.parameters;
  const ModelConfig& m = options.model;
  const int64_t norms = (2 * m.layers + 1) * m.hidden_size;
  // Six for each weight that multiplies a token, the embedding not among them.
  EXPECT_EQ(plan.flops.dense + plan.flops.experts,
            6 * (p.active - p.embedding - norms));
  // 128 positions on average, two products, forward and twice that backward.
  EXPECT_EQ(plan.flops.attention,
            3 * m.layers * m.heads * m.head_dim * 2 * 2 * 128);
  options.recompute = Recompute::kBlock;
  const Plan again = MakePlan(options, {1, 1, 1});
  EXPECT_EQ(again.flops.experts, plan.flops.experts / 3 * 4);
  EXPECT_EQ(again.flops.dense - plan.flops.dense,
            2 * (p.dense - 2 * p.embedding - norms));
  EXPECT_LT(again.memory.activations, plan.memory.activations);
}

TEST(Plan, RowsThatCanMeetOnARank) {
  TrainOptions options = Options("small");  // 8 experts, top-2
  options.global_batch = 16;
  options.micro_batch = 2;
  options.seq_len = 256;
  // Alone a rank gets all rows, always.
  EXPECT_EQ(MakePlan(options, {1, 1, 1}).routed_rows_worst, 2 * 256 * 2);
  // Of two ranks with four experts each: everything of both.
  EXPECT_EQ(MakePlan(options, {2, 1, 2}).routed_rows, 2 * 256 * 2);
  EXPECT_EQ(MakePlan(options, {2, 1, 2}).routed_rows_worst, 2 * 2 * 256 * 2);
  // With one expert a rank a token sends one row to it.
  EXPECT_EQ(MakePlan(options, {8, 1, 8}).routed_rows_worst, 8 * 2 * 256);
  options.max_rows_per_rank = 1500;
  EXPECT_EQ(MakePlan(options, {8, 1, 8}).routed_rows_worst, 1500);
  options.max_rows_per_rank = 0;
  options.capacity_factor = *CapacityFactor::Parse("1.25");
  const Plan capped = MakePlan(options, {8, 1, 8});
  EXPECT_EQ(capped.capacity, 160);
  EXPECT_EQ(capped.routed_rows_worst, 8 * 160);
}

TEST(Plan, MicroBatchesAndIdleRanks) {
  TrainOptions options = Options("small");
  options.global_batch = 8;
  options.micro_batch = 2;
  const Plan three = MakePlan(options, {3, 1, 1});
  EXPECT_EQ(three.micro_batches, 4);
  EXPECT_EQ(three.rank_micro_batches, 2);
  EXPECT_EQ(three.idle_ranks, 0);
  const Plan eight = MakePlan(options, {8, 2, 4});
  EXPECT_EQ(eight.rank_micro_batches, 1);
  EXPECT_EQ(eight.idle_ranks, 4);
}

TEST(Plan, AbsurdSizesDoNotOverflow) {
  TrainOptions options = Options("small");
  ModelConfig& m = options.model;
  m.hidden_size = 65536;
  m.intermediate_size = 262144;
  m.layers = 1;
  m.experts = 1024;
  m.experts_per_token = 1;
  m.heads = m.kv_heads = 1024;
  m.head_dim = 512;
  m.max_position_embeddings = 1 << 24;
  options.seq_len = 1 << 24;
  options.global_batch = options.micro_batch = 64;
  ASSERT_TRUE(Validate(options).ok()) << Validate(options);
  const Plan plan = MakePlan(options, {1024, 128, 1024});
  EXPECT_GT(plan.memory.routed_worst, plan.memory.routed);
  EXPECT_GT(plan.memory.worst(), plan.memory.expected());
}

TEST(PlanTable, SaysWhatMatters) {
  const std::string table = ToTable(MakePlan(Mixtral(), {64, 8, 8}));
  for (const char* part :
       {"46,702,792,704", "12,879,925,248", "0.00125", "on 8 nodes", "131.1 kB",
        "524.3 kB", "16.4 kB", "81.2 GB", "with fp32 sums 52.2 GB",
        "worst case", "1 of 8 experts", "ranks without a micro-batch"}) {
    EXPECT_THAT(table, HasSubstr(part));
  }
  for (const absl::string_view line : absl::StrSplit(table, '\n')) {
    EXPECT_LE(line.size(), 79u) << std::string(line);
  }
  const std::string small = ToTable(MakePlan(Options("small"), {1, 1, 1}));
  EXPECT_THAT(small, Not(HasSubstr("ranks without")));
  EXPECT_THAT(small, Not(HasSubstr("master weights")));
}

}  // namespace
}  // namespace switchyard
