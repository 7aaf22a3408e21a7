// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// What a model is: a Hugging Face style config.json with Mixtral's keys
// (transformers/models/mixtral/configuration_mixtral.py), read strictly. A key
// that would change the function and is not built, and an unknown one, is an
// error that names it; model_config_keys.h has the table.
//
//   SWITCHYARD_ASSIGN_OR_RETURN(const ModelConfig model,
//                               ReadModelConfig("examples/models/tiny"));
#ifndef SWITCHYARD_RUNTIME_NN_MODEL_CONFIG_H_
#define SWITCHYARD_RUNTIME_NN_MODEL_CONFIG_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "switchyard/runtime/nn/attention_config.h"
#include "switchyard/runtime/nn/feed_forward_config.h"
#include "switchyard/runtime/nn/router_config.h"

namespace switchyard {

struct ModelConfig {
  int64_t hidden_size = 0;
  int64_t intermediate_size = 0;  // inner width of one expert; the file's
                                  // moe_intermediate_size where it has one
  int64_t layers = 0;             // num_hidden_layers
  int64_t heads = 0;              // num_attention_heads
  int64_t kv_heads = 0;           // num_key_value_heads; divides heads
  int64_t head_dim = 0;           // hidden_size / heads unless given
  int64_t experts = 0;            // num_local_experts
  int64_t experts_per_token = 0;  // num_experts_per_tok
  int64_t vocabulary = 0;         // vocab_size
  int64_t max_position_embeddings = 131072;
  double rope_theta = 0.0;
  float rms_norm_eps = 0.0f;
  float initializer_range = 0.02f;  // standard deviation of initial weights

  // c of the balance loss c·E·Σ f_e·P_e of one layer (1·c at perfect balance).
  // From balance_loss_coef, else from router_aux_loss_coef, which pools the L
  // layers with experts and has k at balance: c = coef·k/L. Otherwise 0: off.
  double balance_loss_coef = 0.0;
  double router_z_loss_coef = 0.0;  // 0: off

  AttentionConfig attention;
  FeedForwardConfig feed_forward;
  RouterConfig router;

  bool renormalizes_gates() const {
    return router.renormalize.value_or(
        experts_per_token >= 2 && router.type != RouterType::kExpertChoice);
  }
  // Columns of a router's choices: the most experts that a token can have.
  int64_t choices() const {
    return router.type == RouterType::kExpertChoice ? experts
                                                    : experts_per_token;
  }
};

// Tokens that an expert takes of `tokens` where experts choose: ceil(k · tokens
// / E), and not more than there are.
int64_t ExpertChoiceRows(const ModelConfig& config, int64_t tokens);

// An error, one sentence that starts with `source`, if a number is out of its
// range or two contradict each other.
absl::Status Validate(const ModelConfig& config, absl::string_view source);

// Keys that something else than the file decides, such as a run's flags: they
// are 0 in the config, whatever the file says, so that nobody is told of a
// contradiction that is gone. Who sets them validates the config again.
struct DecidedElsewhere {
  bool balance_loss_coef = false;
  bool router_z_loss_coef = false;
};

// Reads a config from its text. `source` names it in messages.
absl::StatusOr<ModelConfig> ParseModelConfig(absl::string_view json_text,
                                             absl::string_view source,
                                             const DecidedElsewhere& keys = {});

// `path` is a config.json or a folder that holds one.
absl::StatusOr<ModelConfig> ReadModelConfig(const std::string& path,
                                            const DecidedElsewhere& keys = {});

// Mixtral's keys again; ParseModelConfig gives the same config.
std::string ToJson(const ModelConfig& config);

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_NN_MODEL_CONFIG_H_
