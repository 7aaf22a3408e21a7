// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/tests/support/plain_model.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "switchyard/base/philox.h"
#include "switchyard/tests/support/plain_matrix.h"
#include "switchyard/tests/support/plain_router.h"

namespace switchyard::testing {
namespace {

using Matrix = PlainMatrix;

Matrix Norm(const Matrix& x, const std::vector<double>& weight, double eps) {
  Matrix y(x.rows, x.width);
  for (int64_t r = 0; r < x.rows; ++r) {
    double squares = 0.0;
    for (int64_t i = 0; i < x.width; ++i) squares += x[r][i] * x[r][i];
    const double scale = 1.0 / std::sqrt(squares / x.width + eps);
    for (int64_t i = 0; i < x.width; ++i) y[r][i] = x[r][i] * scale * weight[i];
  }
  return y;
}

void Add(const Matrix& delta, Matrix& x) {
  for (size_t i = 0; i < x.values.size(); ++i) x.values[i] += delta.values[i];
}

void Rotate(double* head, int64_t head_dim, int64_t position, double theta) {
  const int64_t half = head_dim / 2;
  for (int64_t j = 0; j < half; ++j) {
    const double angle = position * std::pow(theta, -2.0 * j / head_dim);
    const double a = head[j], b = head[j + half];
    head[j] = a * std::cos(angle) - b * std::sin(angle);
    head[j + half] = b * std::cos(angle) + a * std::sin(angle);
  }
}

void RotateRows(Matrix& x, const ModelConfig& config, int64_t sequence_length) {
  for (int64_t r = 0; r < x.rows; ++r) {
    for (int64_t h = 0; h < x.width / config.head_dim; ++h) {
      Rotate(x[r] + h * config.head_dim, config.head_dim, r % sequence_length,
             config.rope_theta);
    }
  }
}

// Of each run of weight.size() elements of a row.
Matrix NormGroups(const Matrix& x, const std::vector<double>& weight,
                  double eps) {
  const int64_t width = static_cast<int64_t>(weight.size());
  Matrix groups(x.rows * x.width / width, width);
  groups.values = x.values;
  Matrix y(x.rows, x.width);
  y.values = Norm(groups, weight, eps).values;
  return y;
}

void AddBias(const std::vector<double>& bias, Matrix& x) {
  for (int64_t r = 0; r < x.rows; ++r) {
    for (int64_t i = 0; i < x.width; ++i) x[r][i] += bias[i];
  }
}

// out of one query head and position.
void Attend(const double* query, const Matrix& k, const Matrix& v,
            int64_t first, int64_t last, int64_t column, int64_t head_dim,
            double* out) {
  std::vector<double> scores;
  for (int64_t s = first; s <= last; ++s) {
    double dot = 0.0;
    for (int64_t j = 0; j < head_dim; ++j) dot += query[j] * k[s][column + j];
    scores.push_back(dot / std::sqrt(static_cast<double>(head_dim)));
  }
  const double most = *std::max_element(scores.begin(), scores.end());
  double sum = 0.0;
  for (double& score : scores) sum += score = std::exp(score - most);
  for (int64_t s = first; s <= last; ++s) {
    for (int64_t j = 0; j < head_dim; ++j) {
      out[j] += scores[s - first] / sum * v[s][column + j];
    }
  }
}

struct Layer {
  const ModelConfig& config;
  const PlainWeights& weights;
  const PlainPass& pass;
  int64_t index;
  std::string prefix;
  const std::vector<double>& Get(const std::string& name) const {
    return weights.at(prefix + name + ".weight");
  }
};

Matrix Attention(const Layer& layer, const Matrix& x, int64_t sequence_length) {
  const ModelConfig& config = layer.config;
  const AttentionConfig& options = config.attention;
  const auto bias = [&](const char* name) -> const std::vector<double>& {
    return layer.weights.at(
        absl::StrCat(layer.prefix, ".self_attn.", name, ".bias"));
  };
  Matrix q = Linear(x, layer.Get(".self_attn.q_proj"));
  Matrix k = Linear(x, layer.Get(".self_attn.k_proj"));
  Matrix v = Linear(x, layer.Get(".self_attn.v_proj"));
  if (options.bias != AttentionBias::kNone) {
    AddBias(bias("q_proj"), q);
    AddBias(bias("k_proj"), k);
    AddBias(bias("v_proj"), v);
  }
  if (options.qk_norm != QkNorm::kNone) {
    const double eps = config.rms_norm_eps;
    q = NormGroups(q, layer.Get(".self_attn.q_norm"), eps);
    k = NormGroups(k, layer.Get(".self_attn.k_norm"), eps);
  }
  RotateRows(q, config, sequence_length);
  RotateRows(k, config, sequence_length);
  Matrix context(x.rows, q.width);
  for (int64_t r = 0; r < x.rows; ++r) {
    int64_t first = r - r % sequence_length;
    if (options.window > 0) first = std::max(first, r - options.window + 1);
    for (int64_t h = 0; h < config.heads; ++h) {
      const int64_t group = h / (config.heads / config.kv_heads);
      Attend(q[r] + h * config.head_dim, k, v, first, r,
             group * config.head_dim, config.head_dim,
             context[r] + h * config.head_dim);
    }
  }
  Matrix y = Linear(context, layer.Get(".self_attn.o_proj"));
  if (options.bias == AttentionBias::kAll) AddBias(bias("o_proj"), y);
  return y;
}

double ActivationOf(kernels::Activation activation, double a) {
  switch (activation) {
    case kernels::Activation::kSilu:
      return a / (1.0 + std::exp(-a));
    case kernels::Activation::kGelu:
      return 0.5 * a * std::erfc(-a / std::sqrt(2.0));
    case kernels::Activation::kGeluTanh:
      return 0.5 * a *
             (1.0 + std::tanh(std::sqrt(2.0 / std::acos(-1.0)) *
                              (a + 0.044715 * a * a * a)));
    case kernels::Activation::kRelu:
      return std::max(a, 0.0);
  }
  return 0.0;
}

// The names of a network's matrices; without a gate the first is the only one
// before `down`.
struct NetworkNames {
  std::string first, up, down;
};

// The factors of the inner activation, [rows, inner]; empty: all 1.
Matrix Network(const Layer& layer, const NetworkNames& names, const Matrix& x,
               const std::vector<double>& factors = {}) {
  const kernels::ActivationKind kind = layer.config.feed_forward.activation;
  Matrix act = Linear(x, layer.Get(names.first));
  for (double& a : act.values) a = ActivationOf(kind.function, a);
  if (kind.gated) {
    const Matrix up = Linear(x, layer.Get(names.up));
    for (size_t i = 0; i < act.values.size(); ++i) {
      act.values[i] *= up.values[i];
    }
  }
  for (size_t i = 0; i < factors.size(); ++i) act.values[i] *= factors[i];
  return Linear(act, layer.Get(names.down));
}

Matrix DenseNetwork(const Layer& layer, const std::string& prefix,
                    const Matrix& x) {
  const bool gated = layer.config.feed_forward.activation.gated;
  return Network(layer,
                 {prefix + (gated ? ".gate_proj" : ".up_proj"),
                  prefix + ".up_proj", prefix + ".down_proj"},
                 x);
}

uint64_t KeyOf(const Layer& layer, const char* purpose) {
  const uint64_t of_step =
      MixKey(MixKey(layer.pass.seed, std::string_view(purpose)), uint64_t{0});
  return MixKey(of_step, static_cast<uint64_t>(layer.index));
}

uint32_t WordOf(uint64_t key, int64_t row, int64_t column, uint32_t purpose,
                bool row_first) {
  const uint32_t quad = static_cast<uint32_t>(column / 4);
  const uint32_t r = static_cast<uint32_t>(row);
  return Philox4x32(key, row_first
                             ? PhiloxCounter{quad, r, purpose, 0}
                             : PhiloxCounter{quad, r, 0, purpose})[column % 4];
}

// kernels/dropout.h, of row `row` of the expert's segment.
std::vector<double> DropoutFactors(const Layer& layer, int64_t expert,
                                   int64_t row) {
  const double rate = layer.pass.expert_dropout;
  if (rate == 0.0) return {};
  const uint64_t key =
      MixKey(MixKey(KeyOf(layer, "expert dropout"), uint64_t{0}),
             static_cast<uint64_t>(expert));
  const double limit = std::floor(std::ldexp(rate, 32));
  std::vector<double> factors;
  for (int64_t c = 0; c < layer.config.intermediate_size; ++c) {
    const bool dropped = WordOf(key, row, c, 0x64726f70, true) < limit;
    factors.push_back(dropped ? 0.0 : 1.0 / (1.0 - rate));
  }
  return factors;
}

// kernels/router_jitter.h
Matrix Jittered(const Layer& layer, Matrix x) {
  const double eps = layer.pass.router_jitter;
  if (eps == 0.0) return x;
  const uint64_t key = KeyOf(layer, "router jitter");
  for (int64_t t = 0; t < x.rows; ++t) {
    for (int64_t c = 0; c < x.width; ++c) {
      const uint32_t word = WordOf(key, t, c, 0x6a697474, false);
      const double u = std::ldexp((word >> 9) + 0.5, -23);
      x[t][c] *= 1.0 - eps + 2.0 * eps * u;
    }
  }
  return x;
}

std::vector<double> Expert(const Layer& layer, int64_t expert, int64_t row,
                           const double* x) {
  const std::string prefix = absl::StrCat(".block_sparse_moe.experts.", expert);
  Matrix one(1, layer.config.hidden_size);
  std::copy(x, x + one.width, one[0]);
  return Network(layer, {prefix + ".w1", prefix + ".w3", prefix + ".w2"}, one,
                 DropoutFactors(layer, expert, row))
      .values;
}

void AddSharedExpert(const Layer& layer, const Matrix& x, Matrix& y) {
  const FeedForwardConfig& config = layer.config.feed_forward;
  if (SharedWidth(layer.config) == 0) return;
  const bool qwen = config.shared_expert_intermediate_size > 0;
  Matrix value = DenseNetwork(
      layer, qwen ? ".mlp.shared_expert" : ".mlp.shared_experts", x);
  if (config.shared_expert_gate) {
    const Matrix logits = Linear(x, layer.Get(".mlp.shared_expert_gate"));
    for (int64_t t = 0; t < x.rows; ++t) {
      for (int64_t i = 0; i < x.width; ++i) {
        value[t][i] /= 1.0 + std::exp(-logits[t][0]);
      }
    }
  }
  Add(value, y);
}

void AddRouterLosses(const PlainScores& scores,
                     const std::vector<PlainChoice>& choices,
                     const std::vector<uint8_t>& valid, PlainLosses& losses) {
  const Matrix& probabilities = scores.probabilities;
  const int64_t experts = probabilities.width;
  double tokens = 0.0, assignments = 0.0;
  for (int64_t t = 0; t < probabilities.rows; ++t) {
    tokens += valid[t];
    if (valid[t]) assignments += choices[t].experts.size();
  }
  if (tokens == 0.0) return;
  std::vector<double> f(experts, 0.0), mean(experts, 0.0);
  double z = 0.0;
  for (int64_t t = 0; t < probabilities.rows; ++t) {
    if (!valid[t]) continue;
    for (int64_t expert : choices[t].experts) {
      f[expert] += 1.0 / assignments;
    }
    for (int64_t e = 0; e < experts; ++e)
      mean[e] += probabilities[t][e] / tokens;
    z += scores.logsumexp[t] * scores.logsumexp[t] / tokens;
  }
  for (int64_t e = 0; e < experts; ++e)
    losses.balance += experts * f[e] * mean[e];
  losses.z += z;
}

std::vector<PlainChoice> ChoicesOf(const Layer& layer,
                                   const PlainScores& scores,
                                   const std::vector<uint8_t>& valid,
                                   size_t expert_layer) {
  if (layer.config.router.type == RouterType::kExpertChoice) {
    return ExpertsChoose(
        scores, layer.config, valid,
        layer.pass.held ? &layer.pass.held->layers[expert_layer] : nullptr);
  }
  std::vector<double> bias;
  if (layer.config.router.selection_bias) {
    bias = layer.weights.at(layer.prefix + ".block_sparse_moe.gate" +
                            ".e_score_correction_bias");
  }
  return TokensChoose(
      scores, layer.config, bias,
      layer.pass.held ? &layer.pass.held->layers[expert_layer] : nullptr);
}

void AddExperts(const Layer& layer, const Matrix& x,
                const std::vector<PlainChoice>& choices, Matrix& y) {
  std::vector<int64_t> rows(layer.config.experts, 0);
  for (int64_t t = 0; t < x.rows; ++t) {
    for (size_t j = 0; j < choices[t].experts.size(); ++j) {
      if (!choices[t].kept[j]) continue;
      const int64_t expert = choices[t].experts[j];
      const std::vector<double> out =
          Expert(layer, expert, rows[expert]++, x[t]);
      for (int64_t i = 0; i < x.width; ++i) {
        y[t][i] += choices[t].gates[j] * out[i];
      }
    }
  }
}

Matrix Mixture(const Layer& layer, const Matrix& x,
               const std::vector<uint8_t>& valid, PlainLosses& losses) {
  const PlainScores scores = ScoreTokens(
      Linear(Jittered(layer, x), layer.Get(".block_sparse_moe.gate")),
      layer.config.router);
  std::vector<PlainChoice> choices =
      ChoicesOf(layer, scores, valid, losses.layers.size());
  AddRouterLosses(scores, choices, valid, losses);
  PlainRouting& routing = losses.layers.emplace_back();
  const Matrix& probabilities = scores.probabilities;
  for (int64_t t = 0; t < x.rows; ++t) {
    routing.probabilities.emplace_back(probabilities[t],
                                       probabilities[t] + probabilities.width);
    routing.experts.push_back(choices[t].experts);
  }
  ApplyOverflow(layer.pass.overflow, valid, scores, layer.config, choices);
  Matrix y(x.rows, x.width);
  AddExperts(layer, x, choices, y);
  AddSharedExpert(layer, x, y);
  return y;
}

double CrossEntropy(const double* logits, int64_t vocabulary, int64_t label) {
  const double most = *std::max_element(logits, logits + vocabulary);
  double sum = 0.0;
  for (int64_t v = 0; v < vocabulary; ++v) sum += std::exp(logits[v] - most);
  return most + std::log(sum) - logits[label];
}

}  // namespace

PlainPass PlainPassOf(const TrainOptions& options) {
  return {OverflowRuleOf(options, /*training=*/true),
          options.exploration.router_jitter, options.expert_dropout,
          options.seed};
}

PlainLosses RunPlainModel(const ModelConfig& config,
                          const PlainWeights& weights, const Batch& batch,
                          const PlainPass& pass) {
  const int64_t tokens = batch.sequences * batch.sequence_length;
  PlainLosses losses;
  Matrix x(tokens, config.hidden_size);
  const std::vector<double>& table = weights.at("model.embed_tokens.weight");
  for (int64_t t = 0; t < tokens; ++t) {
    const double* row = table.data() + batch.ids[t] * config.hidden_size;
    std::copy(row, row + config.hidden_size, x[t]);
  }
  for (int64_t i = 0; i < config.layers; ++i) {
    const Layer layer = {config, weights, pass, i,
                         absl::StrCat("model.layers.", i)};
    const double eps = config.rms_norm_eps;
    Add(Attention(layer, Norm(x, layer.Get(".input_layernorm"), eps),
                  batch.sequence_length),
        x);
    const Matrix input = Norm(x, layer.Get(".post_attention_layernorm"), eps);
    Add(HasExperts(config, i) ? Mixture(layer, input, batch.valid, losses)
                              : DenseNetwork(layer, ".mlp", input),
        x);
  }
  const Matrix logits =
      Linear(Norm(x, weights.at("model.norm.weight"), config.rms_norm_eps),
             weights.at("lm_head.weight"));
  for (int64_t t = 0; t < tokens; ++t) {
    if (batch.labels[t] == kNoLabel) continue;
    losses.loss_sum +=
        CrossEntropy(logits[t], config.vocabulary, batch.labels[t]);
  }
  return losses;
}

}  // namespace switchyard::testing
