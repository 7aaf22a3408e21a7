// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/tests/support/plain_model.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "absl/strings/str_cat.h"

namespace switchyard::testing {
namespace {

// Rows of one width, one after the other.
struct Matrix {
  Matrix(int64_t rows, int64_t width)
      : rows(rows), width(width), values(rows * width, 0.0) {}
  double* operator[](int64_t row) { return values.data() + row * width; }
  const double* operator[](int64_t row) const {
    return values.data() + row * width;
  }
  int64_t rows, width;
  std::vector<double> values;
};

// y = x · wᵀ with w [out, x.width].
Matrix Linear(const Matrix& x, const std::vector<double>& w) {
  const int64_t out = static_cast<int64_t>(w.size()) / x.width;
  Matrix y(x.rows, out);
  for (int64_t r = 0; r < x.rows; ++r) {
    for (int64_t o = 0; o < out; ++o) {
      for (int64_t i = 0; i < x.width; ++i) {
        y[r][o] += x[r][i] * w[o * x.width + i];
      }
    }
  }
  return y;
}

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

struct Choice {
  std::vector<int64_t> ranking;  // all experts, best first
  std::vector<int64_t> experts;
  std::vector<double> gates;
  std::vector<bool> kept;
};

void SetGates(const double* probabilities, Choice& choice) {
  double sum = 0.0;
  for (int64_t expert : choice.experts) sum += probabilities[expert];
  if (choice.experts.size() == 1) sum = 1.0;
  choice.gates.clear();
  for (int64_t expert : choice.experts) {
    choice.gates.push_back(probabilities[expert] / sum);
  }
}

Choice Choose(const double* probabilities, const ModelConfig& config) {
  std::vector<int64_t> order(config.experts);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return probabilities[a] > probabilities[b];
  });
  Choice choice;
  choice.experts.assign(order.begin(),
                        order.begin() + config.experts_per_token);
  choice.ranking = order;
  SetGates(probabilities, choice);
  choice.kept.assign(config.experts_per_token, true);
  return choice;
}

// Valid tokens of [begin, end), first come first.
std::vector<int64_t> Queue(const OverflowRule& rule, int64_t begin, int64_t end,
                           const std::vector<uint8_t>& valid,
                           const Matrix& probabilities,
                           const std::vector<Choice>& choices) {
  std::vector<int64_t> queue;
  for (int64_t t = begin; t < end; ++t) {
    if (valid[t]) queue.push_back(t);
  }
  if (rule.policy == DropPolicy::kPosition) return queue;
  std::stable_sort(queue.begin(), queue.end(), [&](int64_t a, int64_t b) {
    return probabilities
               .values[a * probabilities.width + choices[a].ranking[0]] >
           probabilities
               .values[b * probabilities.width + choices[b].ranking[0]];
  });
  return queue;
}

// First choices first; then what is left tries the token's next experts.
void GiveOutPlaces(const OverflowRule& rule, const std::vector<int64_t>& queue,
                   const ModelConfig& config, std::vector<Choice>& choices) {
  std::vector<int64_t> room(config.experts, rule.capacity);
  const auto take = [&](int64_t expert) { return room[expert]-- > 0; };
  for (int64_t j = 0; j < config.experts_per_token; ++j) {
    for (int64_t t : queue) choices[t].kept[j] = take(choices[t].experts[j]);
  }
  for (int64_t i = 0; i < rule.more_experts; ++i) {
    for (int64_t t : queue) {
      Choice& choice = choices[t];
      const auto lost =
          std::find(choice.kept.begin(), choice.kept.end(), false);
      if (lost == choice.kept.end()) continue;
      const int64_t next = choice.ranking[config.experts_per_token + i];
      if (!take(next)) continue;
      *lost = true;
      choice.experts[lost - choice.kept.begin()] = next;
    }
  }
}

void RenormalizeSurvivors(Choice& choice) {
  double all = 0.0, kept = 0.0;
  for (size_t j = 0; j < choice.gates.size(); ++j) {
    all += choice.gates[j];
    if (choice.kept[j]) kept += choice.gates[j];
  }
  if (kept == 0.0) return;
  for (double& gate : choice.gates) gate *= all / kept;
}

void ApplyOverflow(const OverflowRule& rule, const std::vector<uint8_t>& valid,
                   const Matrix& probabilities, const ModelConfig& config,
                   std::vector<Choice>& choices) {
  const int64_t tokens = static_cast<int64_t>(choices.size());
  for (int64_t t = 0; t < tokens; ++t) {
    if (!valid[t]) choices[t].kept.assign(config.experts_per_token, false);
  }
  if (rule.capacity == 0) return;
  const int64_t scope = rule.scope_tokens == 0 ? tokens : rule.scope_tokens;
  for (int64_t begin = 0; begin < tokens; begin += scope) {
    const std::vector<int64_t> queue =
        Queue(rule, begin, begin + scope, valid, probabilities, choices);
    GiveOutPlaces(rule, queue, config, choices);
    for (int64_t t : queue) {
      SetGates(&probabilities.values[t * probabilities.width], choices[t]);
      if (rule.renormalize_survivors) RenormalizeSurvivors(choices[t]);
    }
  }
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

Matrix Network(const Layer& layer, const NetworkNames& names, const Matrix& x) {
  const kernels::ActivationKind kind = layer.config.feed_forward.activation;
  Matrix act = Linear(x, layer.Get(names.first));
  for (double& a : act.values) a = ActivationOf(kind.function, a);
  if (kind.gated) {
    const Matrix up = Linear(x, layer.Get(names.up));
    for (size_t i = 0; i < act.values.size(); ++i) {
      act.values[i] *= up.values[i];
    }
  }
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

std::vector<double> Expert(const Layer& layer, int64_t expert,
                           const double* x) {
  const std::string prefix = absl::StrCat(".block_sparse_moe.experts.", expert);
  Matrix row(1, layer.config.hidden_size);
  std::copy(x, x + row.width, row[0]);
  return Network(layer, {prefix + ".w1", prefix + ".w3", prefix + ".w2"}, row)
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

void AddRouterLosses(const Matrix& probabilities,
                     const std::vector<double>& logsumexp,
                     const std::vector<Choice>& choices,
                     const std::vector<uint8_t>& valid, PlainLosses& losses) {
  const int64_t experts = probabilities.width;
  double tokens = 0.0;
  for (uint8_t v : valid) tokens += v;
  if (tokens == 0.0) return;
  std::vector<double> f(experts, 0.0), mean(experts, 0.0);
  double z = 0.0;
  for (int64_t t = 0; t < probabilities.rows; ++t) {
    if (!valid[t]) continue;
    for (int64_t expert : choices[t].experts) {
      f[expert] += 1.0 / (choices[t].experts.size() * tokens);
    }
    for (int64_t e = 0; e < experts; ++e)
      mean[e] += probabilities[t][e] / tokens;
    z += logsumexp[t] * logsumexp[t] / tokens;
  }
  for (int64_t e = 0; e < experts; ++e)
    losses.balance += experts * f[e] * mean[e];
  losses.z += z;
}

Matrix Mixture(const Layer& layer, const Matrix& x,
               const std::vector<uint8_t>& valid, const OverflowRule& overflow,
               PlainLosses& losses) {
  Matrix probabilities = Linear(x, layer.Get(".block_sparse_moe.gate"));
  std::vector<double> logsumexp(x.rows);
  std::vector<Choice> choices;
  for (int64_t t = 0; t < x.rows; ++t) {
    double* row = probabilities[t];
    const double most = *std::max_element(row, row + probabilities.width);
    double sum = 0.0;
    for (int64_t e = 0; e < probabilities.width; ++e)
      sum += std::exp(row[e] - most);
    logsumexp[t] = most + std::log(sum);
    for (int64_t e = 0; e < probabilities.width; ++e) {
      row[e] = std::exp(row[e] - logsumexp[t]);
    }
    choices.push_back(Choose(row, layer.config));
  }
  AddRouterLosses(probabilities, logsumexp, choices, valid, losses);
  PlainRouting& routing = losses.layers.emplace_back();
  for (int64_t t = 0; t < x.rows; ++t) {
    routing.probabilities.emplace_back(probabilities[t],
                                       probabilities[t] + probabilities.width);
    routing.experts.push_back(choices[t].experts);
  }
  ApplyOverflow(overflow, valid, probabilities, layer.config, choices);
  Matrix y(x.rows, x.width);
  for (int64_t t = 0; t < x.rows; ++t) {
    for (size_t j = 0; j < choices[t].experts.size(); ++j) {
      if (!choices[t].kept[j]) continue;
      const std::vector<double> out =
          Expert(layer, choices[t].experts[j], x[t]);
      for (int64_t i = 0; i < x.width; ++i) {
        y[t][i] += choices[t].gates[j] * out[i];
      }
    }
  }
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

PlainLosses RunPlainModel(const ModelConfig& config,
                          const PlainWeights& weights, const Batch& batch,
                          const OverflowRule& overflow) {
  const int64_t tokens = batch.sequences * batch.sequence_length;
  PlainLosses losses;
  Matrix x(tokens, config.hidden_size);
  const std::vector<double>& table = weights.at("model.embed_tokens.weight");
  for (int64_t t = 0; t < tokens; ++t) {
    const double* row = table.data() + batch.ids[t] * config.hidden_size;
    std::copy(row, row + config.hidden_size, x[t]);
  }
  for (int64_t i = 0; i < config.layers; ++i) {
    const Layer layer = {config, weights, absl::StrCat("model.layers.", i)};
    const double eps = config.rms_norm_eps;
    Add(Attention(layer, Norm(x, layer.Get(".input_layernorm"), eps),
                  batch.sequence_length),
        x);
    const Matrix input = Norm(x, layer.Get(".post_attention_layernorm"), eps);
    Add(HasExperts(config, i)
            ? Mixture(layer, input, batch.valid, overflow, losses)
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
