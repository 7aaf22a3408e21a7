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
  std::vector<int64_t> experts;
  std::vector<double> gates;
  std::vector<bool> kept;
};

Choice Choose(const double* probabilities, const ModelConfig& config) {
  std::vector<int64_t> order(config.experts);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return probabilities[a] > probabilities[b];
  });
  Choice choice;
  double sum = 0.0;
  for (int64_t j = 0; j < config.experts_per_token; ++j) {
    choice.experts.push_back(order[j]);
    choice.gates.push_back(probabilities[order[j]]);
    sum += probabilities[order[j]];
  }
  if (config.experts_per_token > 1) {
    for (double& gate : choice.gates) gate /= sum;
  }
  choice.kept.assign(config.experts_per_token, true);
  return choice;
}

// First choices first, then by token.
void ApplyCapacity(int64_t capacity, const std::vector<uint8_t>& valid,
                   const ModelConfig& config, std::vector<Choice>& choices) {
  std::vector<int64_t> taken(config.experts, 0);
  for (int64_t j = 0; j < config.experts_per_token; ++j) {
    for (size_t t = 0; t < choices.size(); ++t) {
      if (!valid[t]) {
        choices[t].kept[j] = false;
      } else if (capacity > 0) {
        choices[t].kept[j] = taken[choices[t].experts[j]]++ < capacity;
      }
    }
  }
}

std::vector<double> Expert(const Layer& layer, int64_t expert,
                           const double* x) {
  const int64_t hidden = layer.config.hidden_size;
  const int64_t inner = layer.config.intermediate_size;
  const std::string prefix = absl::StrCat(".block_sparse_moe.experts.", expert);
  Matrix row(1, hidden);
  std::copy(x, x + hidden, row[0]);
  const Matrix gate = Linear(row, layer.Get(prefix + ".w1"));
  Matrix act = Linear(row, layer.Get(prefix + ".w3"));
  for (int64_t i = 0; i < inner; ++i) {
    act[0][i] *= gate[0][i] / (1.0 + std::exp(-gate[0][i]));
  }
  return Linear(act, layer.Get(prefix + ".w2")).values;
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
               const std::vector<uint8_t>& valid, int64_t capacity,
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
  ApplyCapacity(capacity, valid, layer.config, choices);
  AddRouterLosses(probabilities, logsumexp, choices, valid, losses);
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
                          int64_t capacity) {
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
    Add(Mixture(layer, Norm(x, layer.Get(".post_attention_layernorm"), eps),
                batch.valid, capacity, losses),
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
