// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/nn/model_config.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "switchyard/base/philox.h"
#include "switchyard/tests/support/temporary_folder.h"

namespace switchyard {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

const char kTiny[] = R"({
  "model_type": "mixtral", "hidden_size": 128, "intermediate_size": 96,
  "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
  "num_local_experts": 8, "num_experts_per_tok": 2, "vocab_size": 256,
  "rope_theta": 10000.0, "rms_norm_eps": 1e-05,
  "transformers_version": "4.36.0", "sliding_window": null})";

// The config with one key replaced, added, or (empty value) removed.
std::string With(const std::string& key, const std::string& value) {
  std::string text = kTiny;
  const std::string quoted = "\"" + key + "\": ";
  const size_t begin = text.find(quoted);
  if (begin == std::string::npos) {
    text.insert(1, quoted + value + ", ");
    return text;
  }
  size_t end = text.find_first_of(",}", begin);
  if (value.empty()) return text.erase(begin, end + 1 - begin);
  return text.replace(begin, end - begin, quoted + value);
}

absl::StatusOr<ModelConfig> Parse(const std::string& text) {
  return ParseModelConfig(text, "config.json");
}

std::string MessageOf(const std::string& text) {
  const auto config = Parse(text);
  return config.ok() ? "accepted" : std::string(config.status().message());
}

TEST(ModelConfig, ReadsMixtralsKeys) {
  const auto config = Parse(kTiny);
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->hidden_size, 128);
  EXPECT_EQ(config->intermediate_size, 96);
  EXPECT_EQ(config->layers, 2);
  EXPECT_EQ(config->heads, 4);
  EXPECT_EQ(config->kv_heads, 2);
  EXPECT_EQ(config->head_dim, 32);
  EXPECT_EQ(config->experts, 8);
  EXPECT_EQ(config->experts_per_token, 2);
  EXPECT_EQ(config->vocabulary, 256);
  EXPECT_EQ(config->max_position_embeddings, 131072);
  EXPECT_EQ(config->rope_theta, 10000.0);
  EXPECT_EQ(config->rms_norm_eps, 1e-5f);
  EXPECT_EQ(config->initializer_range, 0.02f);
  EXPECT_EQ(config->balance_loss_coef, 0.0);
  EXPECT_EQ(config->router_z_loss_coef, 0.0);
}

TEST(ModelConfig, ReadsKeysOfNewerFiles) {
  std::string text = With("rope_theta", "");
  text.insert(1,
              R"("dtype": "bfloat16", "head_dim": 64, "rope_parameters":
                 {"rope_theta": 500000, "rope_type": "default"},)");
  const auto config = Parse(text);
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->rope_theta, 500000.0);
  EXPECT_EQ(config->head_dim, 64);
}

TEST(ModelConfig, RotaryBaseMayStandOnce) {
  const std::string same = R"({"rope_theta": 1e4})";
  EXPECT_TRUE(Parse(With("rope_parameters", same)).ok());
  EXPECT_THAT(MessageOf(With("rope_parameters", R"({"rope_theta": 5e5})")),
              HasSubstr("one rotary base"));
  EXPECT_THAT(MessageOf(With("rope_theta", "")),
              HasSubstr("\"rope_theta\", found none"));
  EXPECT_THAT(MessageOf(With("rope_parameters",
                             R"({"rope_type": "yarn", "factor": 4.0})")),
              HasSubstr("not built"));
}

TEST(ModelConfig, BalanceCoefficientIsOursOrHuggingFacesConverted) {
  // c = coef · k / L.
  EXPECT_EQ(Parse(With("router_aux_loss_coef", "0.5"))->balance_loss_coef,
            0.5 * 2 / 2);
  std::string both = With("router_aux_loss_coef", "0.5");
  both.insert(1, "\"balance_loss_coef\": 0.0025,");
  EXPECT_EQ(Parse(both)->balance_loss_coef, 0.0025);
  EXPECT_EQ(Parse(With("balance_loss_coef", "0"))->balance_loss_coef, 0.0);
}

TEST(ModelConfig, ShippedModels) {
  const std::string folder = SWITCHYARD_SOURCE_DIR "/examples/models/";
  const auto tiny = ReadModelConfig(folder + "tiny");
  ASSERT_TRUE(tiny.ok()) << tiny.status();
  EXPECT_EQ(tiny->hidden_size, 128);
  EXPECT_EQ(tiny->head_dim, 32);
  EXPECT_EQ(tiny->balance_loss_coef, 0.0025);
  const auto small = ReadModelConfig(folder + "small/");
  ASSERT_TRUE(small.ok()) << small.status();
  EXPECT_EQ(small->intermediate_size, 512);
  EXPECT_EQ(small->layers, 4);
  const auto mixtral = ReadModelConfig(folder + "mixtral-8x7b/config.json");
  ASSERT_TRUE(mixtral.ok()) << mixtral.status();
  EXPECT_EQ(mixtral->vocabulary, 32000);
  EXPECT_EQ(mixtral->rope_theta, 1e6);
  EXPECT_EQ(mixtral->balance_loss_coef, 0.02 * 2 / 32);
}

TEST(ModelConfig, WritesWhatItReads) {
  ModelConfig config = *Parse(kTiny);
  config.rms_norm_eps = 1e-6f;
  config.initializer_range = 0.0123456f;
  config.balance_loss_coef = 1.0 / 3.0;
  config.router_z_loss_coef = 0.001;
  const std::string json = ToJson(config);
  EXPECT_THAT(json, HasSubstr("\"rms_norm_eps\": 1e-06"));
  const auto again = Parse(json);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(ToJson(*again), json);
  EXPECT_EQ(again->rms_norm_eps, config.rms_norm_eps);
  EXPECT_EQ(again->initializer_range, config.initializer_range);
  EXPECT_EQ(again->balance_loss_coef, config.balance_loss_coef);
  EXPECT_EQ(again->router_z_loss_coef, config.router_z_loss_coef);
}

TEST(ModelConfig, RefusesByName) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {With("num_expert_per_tok", "2"),
       "found \"num_expert_per_tok\"; the nearest known one is "
       "\"num_experts_per_tok\""},
      {With("sliding_window", "0"),
       "\"sliding_window\" between 1 and 16777216, found 0"},
      {With("use_sliding_window", "true"),
       "a number in \"sliding_window\" since \"use_sliding_window\" is true"},
      {With("qk_norm", "\"layer\""), "\"none\", \"head\", \"full\""},
      {With("qkv_bias", "1"), "\"qkv_bias\""},
      {With("model_type", "\"qwen2_moe\""),
       "one of \"mixtral\", \"qwen3_moe\", \"olmoe\", \"llama\", "
       "\"mistral\", \"qwen3\", found \"qwen2_moe\""},
      {With("model_type", "7"), "\"model_type\" to be one of"},
      {With("pad_token_id", "1"), "\"pad_token_id\" to be null"},
      {With("tie_word_embeddings", "true"),
       "\"tie_word_embeddings\" to be false, found true"},
      {With("hidden_act", "\"tanh\""), "\"hidden_act\" to be one of"},
      {With("router_jitter_noise", "0.01"), "found 0.01"},
      {With("attention_dropout", "0.1"), "\"attention_dropout\" to be 0.0"},
      {With("model_type", "\"llama\""),
       "no \"num_local_experts\" with \"model_type\" \"llama\""},
      {With("quantization_config", "{\"bits\": 4}"), "quantization_config"},
      {With("hidden_size", ""), "the key \"hidden_size\", found none"},
      {With("rms_norm_eps", ""), "the key \"rms_norm_eps\", found none"},
      {With("num_key_value_heads", "null"), "\"num_key_value_heads\""},
  };
  for (const auto& [text, part] : cases) {
    EXPECT_THAT(MessageOf(text),
                AllOf(StartsWith("config.json: expected "), HasSubstr(part)));
  }
}

AttentionConfig AttentionOf(const std::string& keys) {
  std::string text = kTiny;
  const std::string none = ", \"sliding_window\": null";
  text.replace(text.find(none), none.size(), "");
  text.insert(1, keys);
  const auto config = Parse(text);
  EXPECT_TRUE(config.ok()) << config.status();
  if (!config.ok()) return AttentionConfig();
  const auto again = Parse(ToJson(*config));
  EXPECT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->attention.qk_norm, config->attention.qk_norm);
  EXPECT_EQ(again->attention.bias, config->attention.bias);
  EXPECT_EQ(again->attention.window, config->attention.window);
  return config->attention;
}

TEST(ModelConfig, ReadsAttentionsKeys) {
  const AttentionConfig plain = AttentionOf("");
  EXPECT_EQ(plain.qk_norm, QkNorm::kNone);
  EXPECT_EQ(plain.bias, AttentionBias::kNone);
  EXPECT_EQ(plain.window, 0);
  EXPECT_EQ(AttentionOf(R"("qk_norm": "none",)").qk_norm, QkNorm::kNone);
  EXPECT_EQ(AttentionOf(R"("qk_norm": "head",)").qk_norm, QkNorm::kHead);
  EXPECT_EQ(AttentionOf(R"("qk_norm": "full",)").qk_norm, QkNorm::kFull);
  EXPECT_EQ(AttentionOf(R"("qkv_bias": true,)").bias, AttentionBias::kQkv);
  EXPECT_EQ(AttentionOf(R"("attention_bias": true,)").bias,
            AttentionBias::kAll);
  EXPECT_EQ(AttentionOf(R"("attention_bias": false, "qkv_bias": true,)").bias,
            AttentionBias::kQkv);
  EXPECT_EQ(AttentionOf(R"("sliding_window": 64,)").window, 64);
  EXPECT_EQ(AttentionOf(R"("sliding_window": 64, "use_sliding_window": true,)")
                .window,
            64);
  // As in Qwen's files.
  EXPECT_EQ(AttentionOf(R"("sliding_window": 64, "use_sliding_window": false,
                           "max_window_layers": 1,)")
                .window,
            0);
}

TEST(ModelConfig, ContradictoryAttentionIsRefused) {
  EXPECT_THAT(MessageOf(With("attention_bias", "true, \"qkv_bias\": true")),
              HasSubstr("found both; remove one"));
  EXPECT_THAT(
      MessageOf(With("max_window_layers", "1, \"use_sliding_window\": true")),
      HasSubstr("is true, found none"));
  EXPECT_THAT(
      MessageOf(
          With("sliding_window", "8").insert(1, "\"max_window_layers\": 1, ")),
      HasSubstr("no \"max_window_layers\" beside a sliding window"));
}

TEST(ModelConfig, NeutralValuesAreAccepted) {
  for (const auto& [key, value] :
       std::vector<std::pair<std::string, std::string>>{
           {"attention_dropout", "0"},
           {"hidden_act", "\"silu\""},
           {"router_jitter_noise", "0.0"},
           {"rope_scaling", "null"},
           {"tie_word_embeddings", "false"},
           {"use_cache", "true"},
           {"architectures", "[\"MixtralForCausalLM\"]"}}) {
    EXPECT_EQ(MessageOf(With(key, value)), "accepted") << key;
  }
}

// Top-1 multiplies by the raw probability, two experts and more share 1.
TEST(ModelConfig, GatesAreRenormalizedFromTwoChoicesOnUnlessToldOtherwise) {
  const auto parse = [](const std::string& choices, const std::string& value) {
    std::string text = With("num_experts_per_tok", choices);
    if (!value.empty()) {
      text.insert(1, absl::StrCat("\"norm_topk_prob\": ", value, ", "));
    }
    return ParseModelConfig(text, "config.json");
  };
  for (const char* choices : {"2", "3", "8"}) {
    EXPECT_TRUE(parse(choices, "")->renormalizes_gates());
    EXPECT_TRUE(parse(choices, "true")->renormalizes_gates());
    const absl::StatusOr<ModelConfig> raw = parse(choices, "false");
    EXPECT_FALSE(raw->renormalizes_gates());
    EXPECT_FALSE(
        ParseModelConfig(ToJson(*raw), "written")->renormalizes_gates());
  }
  EXPECT_FALSE(parse("1", "")->renormalizes_gates());
  EXPECT_FALSE(parse("1", "false")->renormalizes_gates());
  EXPECT_THAT(std::string(parse("1", "true").status().message()),
              StartsWith("config.json: expected \"norm_topk_prob\" to be false "
                         "with \"num_experts_per_tok\" 1, found true"));
}

std::string Add(std::string text, const std::string& keys) {
  return text.insert(1, keys + ", ");
}

TEST(ModelConfig, ExpertsHaveThreeNames) {
  for (const char* name : {"num_experts", "n_routed_experts"}) {
    const std::string key = absl::StrCat("\"", name, "\": ");
    const auto config = Parse(Add(With("num_local_experts", ""), key + "6"));
    ASSERT_TRUE(config.ok()) << config.status();
    EXPECT_EQ(config->experts, 6);
    EXPECT_EQ(MessageOf(Add(kTiny, key + "8")), "accepted");
    EXPECT_THAT(MessageOf(Add(kTiny, key + "6")),
                HasSubstr(absl::StrCat("found 8 in \"num_local_experts\" and 6 "
                                       "in \"",
                                       name, "\"")));
  }
  EXPECT_THAT(MessageOf(With("num_local_experts", "")),
              HasSubstr("the key \"num_local_experts\", found none"));
}

TEST(ModelConfig, ReadsTheRoutersOfKnownModels) {
  const std::string experts = With("num_local_experts", "64");
  const auto plain = Parse(experts);
  EXPECT_EQ(plain->router.scoring, kernels::RouterScoring::kSoftmax);
  EXPECT_EQ(plain->router.topk_method, TopKMethod::kGreedy);
  EXPECT_EQ(plain->router.scaling, 1.0);
  EXPECT_EQ(plain->router.groups, 1);
  EXPECT_EQ(plain->router.device_groups, 1);
  EXPECT_FALSE(plain->router.softmax_after_topk);
  EXPECT_FALSE(plain->router.selection_bias);

  const auto v2 = Parse(Add(experts, R"("scoring_func": "softmax",
      "norm_topk_prob": false, "routed_scaling_factor": 16.0, "n_group": 8,
      "topk_group": 3, "topk_method": "group_limited_greedy")"));
  ASSERT_TRUE(v2.ok()) << v2.status();
  EXPECT_FALSE(v2->renormalizes_gates());
  EXPECT_EQ(v2->router.scaling, 16.0);
  EXPECT_EQ(v2->router.topk_method, TopKMethod::kGroupLimitedGreedy);
  EXPECT_EQ(v2->router.groups, 8);
  EXPECT_EQ(v2->router.groups_per_token, 3);
  EXPECT_FALSE(v2->router.selection_bias);

  const std::string v3_keys = R"("scoring_func": "sigmoid",
      "norm_topk_prob": true, "routed_scaling_factor": 2.5, "n_group": 8,
      "topk_group": 4, "topk_method": "noaux_tc")";
  const auto v3 = Parse(Add(experts, v3_keys));
  ASSERT_TRUE(v3.ok()) << v3.status();
  EXPECT_EQ(v3->router.scoring, kernels::RouterScoring::kSigmoid);
  EXPECT_TRUE(v3->renormalizes_gates());
  EXPECT_EQ(v3->router.topk_method, TopKMethod::kNoAuxTc);
  EXPECT_TRUE(v3->router.selection_bias);
  const auto unbiased =
      Parse(Add(experts, v3_keys + R"(,"router_bias": false)"));
  EXPECT_FALSE(unbiased->router.selection_bias);

  const auto devices = Parse(Add(experts, R"("n_device_groups": 4,
      "topk_device_groups": 3, "router_bias": true)"));
  ASSERT_TRUE(devices.ok()) << devices.status();
  EXPECT_EQ(devices->router.device_groups, 4);
  EXPECT_EQ(devices->router.device_groups_per_token, 3);
  EXPECT_TRUE(devices->router.selection_bias);

  const auto after = Parse(Add(experts, R"("softmax_after_topk": true)"));
  EXPECT_TRUE(after->router.softmax_after_topk);
  const auto noisy = Parse(Add(experts, R"("noisy_top_k": true)"));
  EXPECT_TRUE(noisy->router.noisy_top_k);
  for (const auto& config : {v2, v3, unbiased, devices, after, noisy}) {
    const std::string json = ToJson(*config);
    EXPECT_NE(json, ToJson(*plain));
    EXPECT_EQ(ToJson(*Parse(json)), json);
  }
}

TEST(ModelConfig, RefusesRoutersThatContradictThemselves) {
  const auto add = [](const std::string& keys) { return Add(kTiny, keys); };
  const std::string one = With("num_experts_per_tok", "1");
  const std::string greedy = R"("topk_method": "group_limited_greedy", )";
  const std::vector<std::pair<std::string, std::string>> cases = {
      {add(R"("scoring_func": "tanh")"), "one of \"softmax\", \"sigmoid\""},
      {add(R"("topk_method": "best")"), "\"noaux_tc\", found \"best\""},
      {add(R"("routed_scaling_factor": 0)"), "\"routed_scaling_factor\""},
      {Add(one, R"("softmax_after_topk": true)"), "\"num_experts_per_tok\" 1"},
      {add(R"("softmax_after_topk": true, "scoring_func": "sigmoid")"),
       "\"scoring_func\" to be \"softmax\""},
      {add(R"("softmax_after_topk": true, "norm_topk_prob": false)"),
       "\"norm_topk_prob\" to be true"},
      {add(greedy + R"("n_group": 4)"), "the key \"topk_group\", found none"},
      {add(greedy + R"("n_group": 4, "topk_group": 5)"),
       "\"topk_group\" between 1 and \"n_group\", 4, found 5"},
      {add(R"("topk_group": 2)"),
       "\"topk_group\" between 1 and \"n_group\", 1, found 2"},
      {add(greedy + R"("n_group": 3, "topk_group": 2)"),
       "\"n_group\" to divide the number of experts, found 3 groups of 8"},
      {add(greedy + R"("n_group": 8, "topk_group": 1)"),
       "\"num_experts_per_tok\" 2 experts to choose from, found 1"},
      {add(R"("n_group": 4, "topk_group": 2)"),
       "found \"greedy\" with \"n_group\" 4"},
      {add(R"("n_group": 8, "topk_group": 2, "topk_method": "noaux_tc")"),
       "groups of at least two experts"},
      {add(R"("n_device_groups": 4)"), "\"topk_device_groups\", found none"},
      {add(R"("n_device_groups": 3, "topk_device_groups": 2)"),
       "\"n_device_groups\" to divide"},
      {add(greedy + R"("n_group": 4, "topk_group": 2, "n_device_groups": 4,
           "topk_device_groups": 2)"),
       "\"n_group\" or \"n_device_groups\", found 4 and 4"},
      {add(R"("router_bias": 1)"), "true or false, found 1"},
  };
  for (const auto& [text, part] : cases) {
    EXPECT_THAT(MessageOf(text),
                AllOf(StartsWith("config.json: expected "), HasSubstr(part)));
  }
}

// What a router type refuses is said with its value, and a coefficient with the
// flag that would decide instead.
TEST(ModelConfig, RoutersThatDoNotChooseByScoresSayWhatTheyFound) {
  const auto of = [](const std::string& type, const std::string& keys) {
    return MessageOf(Add(With("router_aux_loss_coef", "0"),
                         "\"router_type\": \"" + type + "\", " + keys));
  };
  const std::pair<std::string, std::string> of_both[] = {
      {R"("scoring_func": "sigmoid")", "found \"sigmoid\";"},
      {R"("softmax_after_topk": true)", "found true;"},
      {R"("n_group": 4, "topk_group": 2)", "\"n_group\" 1 with"},
      {R"("n_group": 4, "topk_group": 2)", "found 4;"},
      {R"("n_device_groups": 2, "topk_device_groups": 2)", "found 2;"},
      {R"("noisy_top_k": true)", "found true;"},
      {R"("router_bias": true)", "found true;"},
      {R"("topk_method": "noaux_tc")",
       "found true, from \"topk_method\" \"noaux_tc\";"},
      {R"("balance_loss_coef": 0.25)", "found 0.25; "},
      {R"("balance_loss_coef": 0.25)",
       ": correct it, give --balance_loss_coef 0, or choose"},
  };
  for (const auto& [keys, part] : of_both) {
    for (const char* type : {"hash", "expert_choice"}) {
      EXPECT_THAT(of(type, keys), HasSubstr(part)) << type << keys;
      EXPECT_THAT(of(type, keys), Not(HasSubstr("another")));
    }
  }
  EXPECT_THAT(of("hash", R"("router_z_loss_coef": 0.001)"),
              HasSubstr("found 0.001; a hash has no logits: correct it, give "
                        "--router_z_loss_coef 0, or choose"));
  EXPECT_THAT(of("hash", R"("routed_scaling_factor": 2.5)"),
              HasSubstr("found 2.5;"));
  EXPECT_THAT(
      of("hash", R"("norm_topk_prob": false)"),
      HasSubstr("\"norm_topk_prob\" true with \"router_type\" \"hash\", "
                "found false;"));
  EXPECT_THAT(of("expert_choice", R"("norm_topk_prob": true)"),
              HasSubstr("\"norm_topk_prob\" false with \"router_type\" "
                        "\"expert_choice\", found true;"));
}

TEST(ModelConfig, WhatIsDecidedElsewhereIsNotJudgedHere) {
  const std::string hash = Add(
      kTiny,
      R"("router_type": "hash", "balance_loss_coef": 0.25, "router_z_loss_coef": 0.5)");
  DecidedElsewhere keys;
  keys.balance_loss_coef = true;
  const auto message = [&] {
    const auto config = ParseModelConfig(hash, "config.json", keys);
    return config.ok() ? "accepted" : std::string(config.status().message());
  };
  EXPECT_THAT(message(), HasSubstr("\"router_z_loss_coef\" 0 with"));
  keys.balance_loss_coef = false;
  keys.router_z_loss_coef = true;
  EXPECT_THAT(message(), HasSubstr("\"balance_loss_coef\" 0 with"));
  keys.balance_loss_coef = true;
  const auto config = ParseModelConfig(hash, "config.json", keys);
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->balance_loss_coef, 0.0);
  EXPECT_EQ(config->router_z_loss_coef, 0.0);
  // Hugging Face's key is the same loss.
  const std::string pooled = Add(With("router_aux_loss_coef", "0.02"),
                                 R"("router_type": "expert_choice")");
  EXPECT_THAT(MessageOf(pooled), HasSubstr("give --balance_loss_coef 0"));
  EXPECT_TRUE(ParseModelConfig(pooled, "config.json", keys).ok());
}

TEST(ModelConfig, DeviceGroupsThatAreNotTheRanksAreNoted) {
  RouterConfig router;
  EXPECT_EQ(NoteOnDeviceGroups(router, 4), "");
  router.device_groups = 8;
  router.device_groups_per_token = 3;
  EXPECT_EQ(NoteOnDeviceGroups(router, 8), "");
  EXPECT_THAT(NoteOnDeviceGroups(router, 2),
              AllOf(HasSubstr("\"n_device_groups\" is 8"), HasSubstr("width 2"),
                    HasSubstr("at most 3 ranks")));
}

TEST(ModelConfig, KnowsTheTypesOfWeights) {
  for (const char* key : {"dtype", "torch_dtype"}) {
    for (const char* value :
         {"\"bfloat16\"", "\"float16\"", "\"float32\"", "null"}) {
      EXPECT_EQ(MessageOf(With(key, value)), "accepted") << key << value;
    }
    for (const char* value : {"17", "\"int4\"", "\"\"", "[\"float32\"]"}) {
      EXPECT_THAT(MessageOf(With(key, value)),
                  AllOf(StartsWith(absl::StrCat(
                            "config.json: expected \"", key,
                            "\" to be one of \"bfloat16\", \"float16\", "
                            "\"float32\", \"float64\", found ")),
                        HasSubstr(value)));
    }
  }
}

TEST(ModelConfig, RefusesContradictionsAndAbsurdSizes) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {With("num_key_value_heads", "3"), "found 4 and 3"},
      {With("num_attention_heads", "3"), "\"num_attention_heads\""},
      {With("hidden_size", "130"), "found 130 and 4"},
      {With("hidden_size", "144"), "\"head_dim\" 36"},
      {With("head_dim", "0"), "\"head_dim\" 0"},
      {With("num_experts_per_tok", "9"), "found 9 of 8"},
      {With("num_experts_per_tok", "0"), "found 0"},
      {With("hidden_size", "-128"), "found -128"},
      {With("hidden_size", "9223372036854775807"), "found 9223372036854775807"},
      {With("hidden_size", "18446744073709551615"), "whole number"},
      {With("hidden_size", "1e400"), "finite numbers"},
      {With("hidden_size", "128.5"), "found 128.5"},
      {With("hidden_size", "\"128\""), "found \"128\""},
      {With("hidden_size", "[128]"), "found [128]"},
      {With("num_hidden_layers", "1000000000"), "found 1000000000"},
      {With("rope_theta", "0"), "\"rope_theta\" between"},
      {With("rope_theta", "true"), "a number, found true"},
      {With("rms_norm_eps", "-1e-5"), "\"rms_norm_eps\" between"},
      {With("rms_norm_eps", "1e300"), "\"rms_norm_eps\" to be a number"},
      {With("balance_loss_coef", "-0.1"), "\"balance_loss_coef\" between"},
      {With("rope_theta", "NaN"), "syntax error at line"},
  };
  for (const auto& [text, part] : cases) {
    EXPECT_THAT(MessageOf(text),
                AllOf(StartsWith("config.json: expected "), HasSubstr(part)));
  }
}

TEST(ModelConfig, RefusesAModelThatNoMachineHolds) {
  ModelConfig config = *Parse(kTiny);
  config.hidden_size = 65536;
  config.intermediate_size = 262144;
  config.layers = 1024;
  config.experts = 4096;
  EXPECT_THAT(std::string(Validate(config, "it").message()),
              HasSubstr("parameters"));
  config = *Parse(kTiny);
  config.rope_theta = std::nan("");
  EXPECT_FALSE(Validate(config, "it").ok());
}

TEST(ModelConfig, RefusesWhatIsNotOneJsonObject) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "empty file"},
      {" \n", "empty file"},
      {"[1, 2]", "found array"},
      {"7", "found number"},
      {"not json", "syntax error at line 1, column 2"},
      {"{\"hidden_size\": 128,\n \"heads\" 4}", "line 2, column 10"},
      {std::string(kTiny) + "}", "syntax error"},
      {"{\"a\": \"\xff\"}", "syntax error"},
      {With("hidden_size", "128, \"hidden_size\": 256"),
       "found \"hidden_size\" twice"},
      {With("id2label", "{\"a\": 1, \"a\": 2}"), "found \"a\" twice"},
      {With("id2label", std::string(100000, '[') + std::string(100000, ']')),
       "nested levels"},
      {std::string(1000000, '['), "syntax error"},
  };
  for (const auto& [text, part] : cases) {
    EXPECT_THAT(MessageOf(text),
                AllOf(StartsWith("config.json: expected "), HasSubstr(part)));
  }
}

// Whatever happens to a file, it is accepted or refused with one line.
TEST(ModelConfig, SurvivesTruncationAndMutation) {
  const std::string whole = kTiny;
  for (size_t length = 0; length < whole.size(); ++length) {
    EXPECT_FALSE(Parse(whole.substr(0, length)).ok()) << length;
  }
  int refused = 0;
  constexpr int kTrials = 20000;
  for (uint32_t trial = 0; trial < kTrials; ++trial) {
    std::string text = whole;
    const PhiloxCounter random = Philox4x32(7, {trial, 0, 0, 0});
    for (uint32_t change = 0; change <= random[0] % 3; ++change) {
      const PhiloxCounter where = Philox4x32(7, {trial, 1, change, 0});
      text[where[0] % text.size()] = static_cast<char>(where[1]);
    }
    const std::string message = MessageOf(text);
    EXPECT_EQ(std::count(message.begin(), message.end(), '\n'), 0) << message;
    refused += message == "accepted" ? 0 : 1;
  }
  EXPECT_GT(refused, kTrials / 2);
  EXPECT_LT(refused, kTrials);
}

TEST(ModelConfig, NamesTheFileItCannotRead) {
  const testing::TemporaryFolder folder;
  const auto missing = ReadModelConfig(folder.path() / "none");
  EXPECT_TRUE(absl::IsNotFound(missing.status()));
  EXPECT_THAT(std::string(missing.status().message()),
              AllOf(StartsWith("expected a model's config.json"),
                    HasSubstr((folder.path() / "none").string())));
  const auto empty_folder = ReadModelConfig(folder.path());
  EXPECT_THAT(std::string(empty_folder.status().message()),
              HasSubstr("/config.json"));
  const auto big = ReadModelConfig(
      folder.Write("big.json", std::string((1 << 20) + 1, ' ')));
  EXPECT_THAT(std::string(big.status().message()), HasSubstr("more than"));
}

}  // namespace
}  // namespace switchyard
