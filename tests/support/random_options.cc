// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/tests/support/random_options.h"

#include <algorithm>
#include <vector>

#include "switchyard/base/philox.h"

namespace switchyard::testing {
namespace {

int64_t RandomDivisor(RandomChoice& choice, int64_t number) {
  std::vector<int64_t> divisors;
  for (int64_t d = 1; d <= number; ++d) {
    if (number % d == 0) divisors.push_back(d);
  }
  return divisors[choice.Between(0, static_cast<int64_t>(divisors.size()) - 1)];
}

void DrawRouter(RandomChoice& choice, ModelConfig& model) {
  RouterConfig& router = model.router;
  if (choice.OneIn(3)) router.scoring = kernels::RouterScoring::kSigmoid;
  if (choice.OneIn(3)) router.renormalize = choice.OneIn(2);
  router.softmax_after_topk = choice.OneIn(6);
  router.scaling = choice.Of({1.0, 1.0, 0.5, 2.5});
  if (choice.OneIn(3)) {
    router.topk_method =
        choice.Of({TopKMethod::kGroupLimitedGreedy, TopKMethod::kNoAuxTc});
    router.groups = RandomDivisor(choice, model.experts);
    router.groups_per_token = choice.Between(1, router.groups);
  } else if (choice.OneIn(3)) {
    router.device_groups = RandomDivisor(choice, model.experts);
    router.device_groups_per_token = choice.Between(1, router.device_groups);
  }
  router.selection_bias = choice.OneIn(3);
  router.noisy_top_k = choice.OneIn(4);
  // These refuse most of what came before.
  if (choice.OneIn(4)) {
    router = RouterConfig();
    router.type = choice.Of({RouterType::kHash, RouterType::kExpertChoice});
    model.balance_loss_coef = 0.0;
    if (router.type == RouterType::kHash) model.router_z_loss_coef = 0.0;
  }
}

void DrawExploration(RandomChoice& choice, ExplorationOptions& exploration) {
  if (choice.OneIn(4)) exploration.router_jitter = choice.Of({0.01, 0.3});
  exploration.router_sampling = choice.OneIn(4);
}

void DrawFeedForward(RandomChoice& choice, ModelConfig& model) {
  FeedForwardConfig& f = model.feed_forward;
  if (choice.OneIn(4)) {
    f.first_k_dense_replace = choice.Between(0, model.layers);
    f.moe_layer_freq = choice.Between(1, 2);
  } else if (choice.OneIn(4)) {
    f.decoder_sparse_step = choice.Between(1, 2);
    if (choice.OneIn(2)) {
      f.mlp_only_layers = {choice.Between(0, model.layers - 1)};
    }
  }
  if (choice.OneIn(3)) f.dense_intermediate_size = choice.Between(1, 40);
  using kernels::Activation;
  f.activation.function =
      choice.Of({Activation::kSilu, Activation::kSilu, Activation::kGelu,
                 Activation::kGeluTanh, Activation::kRelu});
  f.activation.gated = !choice.OneIn(3);
  if (choice.OneIn(3)) {
    if (choice.OneIn(2)) {
      f.n_shared_experts = choice.Between(1, 2);
    } else {
      f.shared_expert_intermediate_size = choice.Between(1, 30);
    }
    f.shared_expert_gate = choice.OneIn(2);
  }
  if (choice.OneIn(3)) f.initializer = InitialValues::kTruncatedNormal;
  if (choice.OneIn(6)) f.initializer_scale = 0.5;
}

void DrawModel(RandomChoice& choice, ModelConfig& model) {
  model.layers = choice.Between(1, 3);
  model.hidden_size = choice.Of({8, 16, 24, 32});
  model.intermediate_size = choice.Between(1, 40);
  model.kv_heads = choice.Between(1, 2);
  model.heads = model.kv_heads * choice.Between(1, 2);
  model.head_dim = choice.Of({2, 4, 6, 8});
  model.vocabulary = choice.Between(5, 60);
  model.experts = choice.Between(1, 9);
  model.experts_per_token =
      choice.Between(1, std::min<int64_t>(4, model.experts));
  model.initializer_range = choice.Of({0.1f, 0.2f, 0.3f});
  model.balance_loss_coef = choice.Of({0.0, 0.01, 0.3});
  model.router_z_loss_coef = choice.Of({0.0, 0.001, 0.1});
  model.attention.qk_norm =
      choice.Of({QkNorm::kNone, QkNorm::kNone, QkNorm::kHead, QkNorm::kFull});
  model.attention.bias = choice.Of(
      {AttentionBias::kNone, AttentionBias::kQkv, AttentionBias::kAll});
  if (choice.OneIn(3)) model.attention.window = choice.Between(1, 12);
  DrawRouter(choice, model);
  DrawFeedForward(choice, model);
}

CapacityFactor RandomFactor(RandomChoice& choice) {
  return *CapacityFactor::Parse(
      choice.Of({"0.1", "0.5", "0.75", "1", "1", "1.25", "2", "9"}));
}

void DrawOverflow(RandomChoice& choice, const ModelConfig& model,
                  OverflowOptions& overflow) {
  if (choice.OneIn(6)) overflow.eval_capacity_factor = RandomFactor(choice);
  if (choice.OneIn(2)) return;
  overflow.capacity_factor = RandomFactor(choice);
  if (choice.OneIn(4)) overflow.min_capacity = choice.Between(1, 8);
  if (choice.OneIn(3)) overflow.capacity_scope = CapacityScope::kSequence;
  if (choice.OneIn(2)) overflow.drop_policy = DropPolicy::kProbability;
  overflow.renormalize_survivors = choice.OneIn(3);
  if (choice.OneIn(2) && model.experts > model.experts_per_token) {
    overflow.no_token_left_behind =
        choice.Between(model.experts_per_token + 1, model.experts);
  }
}

void DrawBalance(RandomChoice& choice, const TrainOptions& options,
                 BalanceOptions& balance) {
  balance.loss =
      choice.Of({BalanceLossKind::kSwitch, BalanceLossKind::kSwitch,
                 BalanceLossKind::kGshard, BalanceLossKind::kHfMixtral});
  balance.scope = choice.Of({BalanceScope::kMicroBatch, BalanceScope::kSequence,
                             BalanceScope::kWindow, BalanceScope::kGlobal});
  if (balance.scope == BalanceScope::kWindow) {
    balance.window =
        RandomDivisor(choice, options.global_batch / options.micro_batch);
  }
  const RouterConfig& router = options.model.router;
  if (router.device_groups > 1) {
    balance.device_coefficient = choice.Of({0.0, 0.2});
    balance.communication_coefficient = choice.Of({0.0, 0.2});
  }
  if (router.selection_bias) {
    balance.bias_update_rate = choice.Of({0.0, 0.01, 0.3});
  }
}

TrainOptions DrawOptions(RandomChoice& choice) {
  TrainOptions options = SmallRun();
  DrawModel(choice, options.model);
  options.seq_len = choice.Between(1, 24);
  options.micro_batch = choice.Between(1, 3);
  options.global_batch = options.micro_batch * choice.Between(1, 6);
  options.steps = 2;
  options.warmup_steps = 0;
  options.seed = choice.Word();
  options.dtype =
      choice.Of({DType::kFloat32, DType::kFloat32, DType::kBFloat16});
  options.recompute = choice.OneIn(3) ? Recompute::kBlock : Recompute::kNone;
  if (choice.OneIn(4)) options.expert_dropout = choice.Of({0.1, 0.5});
  DrawExploration(choice, options.exploration);
  DrawOverflow(choice, options.model, options.overflow);
  DrawBalance(choice, options, options.balance);
  return options;
}

}  // namespace

RandomChoice::RandomChoice(uint64_t seed, uint64_t draw)
    : key_(MixKey(MixKey(seed, "random rules"), draw)) {}

uint32_t RandomChoice::Word() {
  return Philox4x32(key_, {count_++, 0, 0, 0})[0];
}

int64_t RandomChoice::Between(int64_t least, int64_t most) {
  return least + static_cast<int64_t>(Word()) % (most - least + 1);
}

double RandomChoice::Uniform() { return Word() * 0x1p-32; }

TrainOptions RandomOptions(RandomChoice& choice) {
  while (true) {
    TrainOptions options = DrawOptions(choice);
    if (Validate(options).ok()) return options;
  }
}

Layout RandomLayout(RandomChoice& choice, int64_t experts) {
  Layout layout;
  layout.ranks = static_cast<int>(choice.Of({1, 2, 2, 3, 3, 4, 4, 4}));
  do {
    layout.width = static_cast<int>(RandomDivisor(choice, layout.ranks));
  } while (experts % layout.width != 0);
  layout.threads =
      layout.ranks == 1 ? 2 : static_cast<int>(choice.Between(1, 2));
  layout.guarded = choice.OneIn(4);
  return layout;
}

void RandomPadding(uint64_t seed, Batch& batch) {
  const int64_t length = batch.sequence_length;
  for (int64_t s = 0; s < batch.sequences; ++s) {
    RandomChoice choice(seed, batch.sequence_index[s]);
    int64_t end = length;
    if (choice.OneIn(4)) end = 0;
    if (choice.OneIn(3)) end = choice.Between(0, length);
    for (int64_t t = 0; t < length; ++t) {
      if (t >= end) batch.valid[s * length + t] = 0;
      if (t >= end || choice.OneIn(8)) batch.labels[s * length + t] = kNoLabel;
    }
  }
}

}  // namespace switchyard::testing
