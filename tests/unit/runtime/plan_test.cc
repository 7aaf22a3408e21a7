// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/plan/plan.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "switchyard/runtime/optim/shard_layout.h"
#include "switchyard/runtime/plan/activation_memory.h"

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

// Qwen3-30B-A3B but for its norms of queries and keys (48 · 2 · 128 elements):
// 30.5 billion parameters, of which 3.3 are active.
TEST(Plan, CountsFineGrainedExperts) {
  const ModelConfig model =
      ParseModelConfig(R"({"hidden_size": 2048, "intermediate_size": 6144,
        "moe_intermediate_size": 768, "num_hidden_layers": 48,
        "num_attention_heads": 32, "num_key_value_heads": 4, "head_dim": 128,
        "num_local_experts": 128, "num_experts_per_tok": 8,
        "decoder_sparse_step": 1, "mlp_only_layers": [],
        "vocab_size": 151936, "rope_theta": 1000000.0, "rms_norm_eps": 1e-6})",
                       "qwen")
          .value();
  const ParameterCounts counts = CountParameters(model);
  EXPECT_EQ(counts.total, 30'532'122'624 - 48 * 2 * 128);
  EXPECT_EQ(counts.active, counts.total - int64_t{48} * 120 * counts.expert);
  EXPECT_EQ(counts.active, 3'353'020'416);
  EXPECT_EQ(counts.networks, 0);
}

// DeepSeekMoE 16B (2401.06066): 16.4 billion parameters, 2.8 active.
TEST(Plan, CountsSharedExpertsAndADenseLayer) {
  TrainOptions options;
  options.model =
      ParseModelConfig(R"({"hidden_size": 2048, "intermediate_size": 10944,
        "moe_intermediate_size": 1408, "num_hidden_layers": 28,
        "num_attention_heads": 16, "num_key_value_heads": 16,
        "num_local_experts": 64, "num_experts_per_tok": 6,
        "n_shared_experts": 2, "first_k_dense_replace": 1,
        "moe_layer_freq": 1, "norm_topk_prob": false, "vocab_size": 102400,
        "rope_theta": 10000.0, "rms_norm_eps": 1e-6})",
                       "deepseek")
          .value();
  FillDefaults(&options);
  const Plan plan = MakePlan(options, {8, 1, 8});
  const ParameterCounts& counts = plan.parameters;
  EXPECT_EQ(counts.total, 16'375'728'128);
  EXPECT_EQ(counts.active, 2'828'650'496);
  EXPECT_EQ(counts.router, 27 * 64 * 2048);
  EXPECT_EQ(counts.networks, 3 * 2048 * (int64_t{10944} + 27 * 2 * 1408));
  EXPECT_EQ(plan.rank_parameters, counts.dense + counts.experts / 8);
  const int64_t norms = (2 * 28 + 1) * 2048;
  EXPECT_EQ(plan.flops.dense + plan.flops.experts,
            6 * (counts.active - counts.embedding - norms));
  const std::string table = ToTable(plan);
  EXPECT_THAT(table, HasSubstr("layers without experts"));
  EXPECT_THAT(table, HasSubstr("2,816"));
}

TEST(Plan, CountsTwoMatricesAndTheGateOfASharedExpert) {
  ModelConfig model = Options("tiny").model;  // 2 layers, 128 and 128 wide
  const ParameterCounts gated = CountParameters(model);
  model.feed_forward.activation.gated = false;
  EXPECT_EQ(CountParameters(model).expert, gated.expert / 3 * 2);
  model.feed_forward.shared_expert_intermediate_size = 50;
  model.feed_forward.shared_expert_gate = true;
  EXPECT_EQ(CountParameters(model).networks, 2 * (2 * 128 * 50 + 128));
  model.feed_forward.mlp_only_layers = {0, 1};
  const ParameterCounts dense = CountParameters(model);
  EXPECT_EQ(dense.networks, 2 * 2 * 128 * 128);
  EXPECT_EQ(dense.experts + dense.router, 0);
  EXPECT_EQ(dense.active, dense.total);
}

TEST(Plan, CountsTinyByHand) {
  // Two embeddings of 256·128; a layer has attention of 128·(128+64+64+128),
  // a router of 8·128 and two norms; a final norm.
  const ParameterCounts counts = CountParameters(Options("tiny").model);
  const int64_t layer = 128 * 384 + 8 * 128 + 2 * 128;
  EXPECT_EQ(counts.dense, 2 * 256 * 128 + 2 * layer + 128);
  EXPECT_EQ(counts.router, 2 * 8 * 128);
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
  // The router stays in fp32, two bytes more an element, and is its own master.
  EXPECT_EQ(bf16.memory.weights, 2 * bf16.rank_parameters + 2 * p.router);
  EXPECT_EQ(bf16.memory.masters,
            4 * ((p.dense - p.router) / 2 + p.experts / 2));
  EXPECT_EQ(bf16.memory.moments, fp32.memory.moments);
  EXPECT_EQ(bf16.memory.gradients, fp32.memory.gradients);
}

TEST(Plan, KvCacheOfGroupedQueries) {
  const Plan plan = MakePlan(Mixtral(), {8, 1, 8});
  // Keys and values of 32 layers, heads of 128, two bytes each.
  EXPECT_EQ(plan.kv_cache.this_model, 2 * 32 * 8 * 128 * 2);
  EXPECT_EQ(plan.kv_cache.multi_head, 2 * 32 * 32 * 128 * 2);
  EXPECT_EQ(plan.kv_cache.multi_query, 2 * 32 * 1 * 128 * 2);
}

TEST(Plan, AWindowLowersAttentionsWorkAndBoundsTheCache) {
  TrainOptions options = Options("small");
  options.seq_len = 255;
  const Plan full = MakePlan(options, {1, 1, 1});
  EXPECT_EQ(full.kv_cache.most_tokens, 0);
  const ModelConfig& m = options.model;
  for (const int64_t window : {1, 64, 254, 255, 1000}) {
    options.model.attention.window = window;
    int64_t pairs = 0;
    for (int64_t t = 0; t < 255; ++t) pairs += std::min(t + 1, window);
    const Plan plan = MakePlan(options, {1, 1, 1});
    EXPECT_EQ(plan.flops.attention,
              3 * m.layers * m.heads * m.head_dim * 2 * 2 * pairs / 255);
    EXPECT_EQ(plan.flops.dense, full.flops.dense);
    EXPECT_EQ(plan.kv_cache.this_model, full.kv_cache.this_model);
    EXPECT_EQ(plan.kv_cache.most_tokens, window);
    EXPECT_THAT(ToTable(plan), ::testing::HasSubstr("at most: the window"));
  }
}

TEST(Plan, CountsBiasesAndNormsOfHeads) {
  TrainOptions options = Options("tiny");  // 4 query heads, 2 of 32, hidden 128
  const ParameterCounts plain = CountParameters(options.model);
  const auto more = [&](const AttentionConfig& attention) {
    options.model.attention = attention;
    return CountParameters(options.model).dense - plain.dense;
  };
  EXPECT_EQ(more({QkNorm::kHead}), 2 * (32 + 32));
  EXPECT_EQ(more({QkNorm::kFull}), 2 * (128 + 64));
  EXPECT_EQ(more({QkNorm::kNone, AttentionBias::kQkv}), 2 * (128 + 64 + 64));
  EXPECT_EQ(more({QkNorm::kNone, AttentionBias::kAll}),
            2 * (128 + 64 + 64 + 128));
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
  // Attention once more; its router has decided.
  EXPECT_EQ(again.flops.dense - plan.flops.dense,
            2 * (p.dense - p.router - 2 * p.embedding - norms));
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
  options.overflow.capacity_factor = *CapacityFactor::Parse("1.25");
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

void ExpectNoOverflow(const TrainOptions& options, const RankLayout& layout) {
  ASSERT_TRUE(Validate(options).ok()) << Validate(options);
  const Plan plan = MakePlan(options, layout);
  const RankMemory& memory = plan.memory;
  for (const int64_t count : {plan.parameters.embedding,
                              plan.parameters.dense,
                              plan.parameters.router,
                              plan.parameters.expert,
                              plan.parameters.experts,
                              plan.parameters.total,
                              plan.parameters.active,
                              plan.rank_parameters,
                              memory.weights,
                              memory.gradients,
                              memory.gradients_fp32,
                              memory.moments,
                              memory.activations,
                              plan.flops.dense,
                              plan.flops.experts,
                              plan.flops.attention,
                              plan.kv_cache.this_model,
                              plan.kv_cache.multi_head,
                              plan.kv_cache.multi_query,
                              plan.step_tokens,
                              plan.micro_batches,
                              plan.rank_micro_batches,
                              plan.routed_rows,
                              plan.routed_rows_worst}) {
    EXPECT_GT(count, 0);
  }
  // Sums of saturated ones may leave nothing for these.
  for (const int64_t count : {memory.masters, memory.routed,
                              memory.routed_worst, memory.growth_worst}) {
    EXPECT_GE(count, 0);
  }
  EXPECT_GE(memory.routed_worst, memory.routed);
  EXPECT_GE(memory.expected(), memory.fixed());
  EXPECT_GE(memory.worst(), memory.expected());
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
  m.vocabulary = 1 << 22;
  m.max_position_embeddings = 1 << 24;
  options.seq_len = 1 << 24;
  options.global_batch = options.micro_batch = 64;
  ExpectNoOverflow(options, {1024, 128, 1024});
  // As many layers as there may be.
  m.layers = 1024;
  m.experts = 1;
  for (const DType dtype : {DType::kFloat32, DType::kBFloat16}) {
    for (const Recompute recompute : {Recompute::kNone, Recompute::kBlock}) {
      options.dtype = dtype;
      options.recompute = recompute;
      ExpectNoOverflow(options, {1, 1, 1});
      ExpectNoOverflow(options, {1 << 20, 1 << 17, 1});
    }
  }
  // As many experts and choices.
  m.experts = m.experts_per_token = 4096;
  m.hidden_size = 1024;
  m.intermediate_size = 4096;
  options.seq_len = 1 << 18;
  options.global_batch = 1 << 24;
  options.micro_batch = 1;
  options.steps = 1 << 20;
  ExpectNoOverflow(options, {1 << 20, 1 << 8, 4096});
  options.overflow.capacity_factor = *CapacityFactor::Parse("999999999");
  ExpectNoOverflow(options, {4096, 1, 4096});
  // Sequences of one position, each padded to a tile of attention.
  options.seq_len = 1;
  options.micro_batch = options.global_batch = 1 << 18;
  ExpectNoOverflow(options, {1, 1, 1});
}

TEST(Plan, TheWorstCaseIsAboveAnEvenLoad) {
  TrainOptions options = Options("small");
  options.micro_batch = 2;
  const RankMemory wide = MakePlan(options, {8, 1, 8}).memory;
  // All rows of eight ranks instead of one rank's, top-2 on an expert of its
  // own: half of them.
  EXPECT_GT(wide.routed_worst, 3 * wide.routed);
  EXPECT_LT(wide.routed_worst, 4 * wide.routed);
  // A rank that has all experts gets its own rows, come what may, and begins
  // with what they take.
  const RankMemory alone = MakePlan(options, {1, 1, 1}).memory;
  EXPECT_EQ(alone.routed_worst, alone.routed);
  EXPECT_EQ(alone.growth_worst, 0);
  EXPECT_EQ(alone.worst(), alone.expected());
  // Bounded rows bound the memory.
  options.max_rows_per_rank = 1500;
  EXPECT_LT(MakePlan(options, {8, 1, 8}).memory.worst(), wide.worst());
}

TEST(Plan, AnArenaThatGrowsDoubles) {
  EXPECT_EQ(MostReserved(100, {90, 10}), 100);
  EXPECT_EQ(MostReserved(100, {100, 10}), 100);
  // One block is full: another as large as the peak at most.
  EXPECT_EQ(MostReserved(100, {101, 10}), 202);
  // Two of 100, of which one may have lost 10 at its end.
  EXPECT_EQ(MostReserved(100, {191, 10}), 402);
  EXPECT_EQ(MostReserved(100, {190, 10}), 380);
}

TEST(Plan, TheLargestShardIsBounded) {
  // Parameters of one width and of several, of few chunks and of many.
  for (const std::vector<int64_t>& sizes : {std::vector<int64_t>{1000},
                                            {70000, 3, 70000},
                                            std::vector<int64_t>(40, 1 << 18),
                                            std::vector<int64_t>(300, 10000),
                                            {5, 3 << 20, 100, 70000}}) {
    std::vector<Parameter> parameters(sizes.size());
    std::vector<const Parameter*> pointers;
    int64_t offset = 0, largest = 0;
    for (size_t i = 0; i < sizes.size(); ++i) {
      parameters[i].shape = {sizes[i]};
      parameters[i].group_offset = offset;
      offset += sizes[i];
      largest = std::max(largest, sizes[i]);
      pointers.push_back(&parameters[i]);
    }
    for (const int ranks : {1, 2, 3, 8, 64}) {
      int64_t most = 0;
      for (int rank = 0; rank < ranks; ++rank) {
        most = std::max(
            most, MakeShardLayout(pointers, ranks, rank).own_element_count);
      }
      EXPECT_LE(most, LargestShard(offset, largest, ranks)) << ranks;
      EXPECT_LE(LargestShard(offset, largest, ranks), offset);
    }
  }
}

TEST(PlanTable, SaysWhatMatters) {
  const std::string table = ToTable(MakePlan(Mixtral(), {64, 8, 8}));
  for (const char* part :
       {"46,702,792,704", "12,879,925,248", "0.00125", "on 8 nodes", "131.1 kB",
        "524.3 kB", "16.4 kB", "81.2 GB", "with fp32 sums 52.2 GB",
        "worst case", "a bound: dropless", "1 of 8 experts",
        "ranks without a micro-batch"}) {
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
