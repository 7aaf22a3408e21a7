// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Causal grouped-query attention in plain double-precision loops, with bounds
// on how far fp32 may be off.
#ifndef SWITCHYARD_TESTS_UNIT_KERNELS_ATTENTION_ORACLE_H_
#define SWITCHYARD_TESTS_UNIT_KERNELS_ATTENTION_ORACLE_H_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace switchyard::kernels {

using Values = std::vector<double>;

struct AttentionCase {
  int64_t sequences, length, heads, kv_heads, head_dim;
  int64_t window = 0;  // 0: none

  int64_t rows() const { return sequences * length; }
  double scale() const {
    return static_cast<float>(1.0 / std::sqrt(static_cast<double>(head_dim)));
  }
  // Of a row of a head, in [rows, heads, head_dim].
  int64_t Query(int64_t row, int64_t head) const {
    return (row * heads + head) * head_dim;
  }
  int64_t Key(int64_t row, int64_t head) const {
    return (row * kv_heads + head / (heads / kv_heads)) * head_dim;
  }
};

inline double Dot(const double* a, const double* b, int64_t count) {
  double sum = 0;
  for (int64_t i = 0; i < count; ++i) sum += a[i] * b[i];
  return sum;
}
inline double AbsDot(const double* a, const double* b, int64_t count) {
  double sum = 0;
  for (int64_t i = 0; i < count; ++i) sum += std::abs(a[i] * b[i]);
  return sum;
}

struct AttentionResult {
  Values out, logsumexp;
  Values out_size;        // sums of the same terms' absolute values
  double score_size = 0;  // the largest sum of |q_i k_i| · scale
};

// Calls body(row, head, first, weights, logsumexp): weights[s] is of row first
// + s.
template <typename Body>
void ForEachQuery(const AttentionCase& c, const Values& q, const Values& k,
                  const Body& body) {
  Values weights;
  for (int64_t row = 0; row < c.rows(); ++row) {
    int64_t first = row / c.length * c.length;
    if (c.window > 0) first = std::max(first, row - c.window + 1);
    for (int64_t head = 0; head < c.heads; ++head) {
      weights.clear();
      for (int64_t s = first; s <= row; ++s) {
        weights.push_back(c.scale() * Dot(&q[c.Query(row, head)],
                                          &k[c.Key(s, head)], c.head_dim));
      }
      const double max = *std::max_element(weights.begin(), weights.end());
      double sum = 0;
      for (double& w : weights) sum += w = std::exp(w - max);
      for (double& w : weights) w /= sum;
      body(row, head, first, weights, max + std::log(sum));
    }
  }
}

inline AttentionResult AttentionOracle(const AttentionCase& c, const Values& q,
                                       const Values& k, const Values& v) {
  AttentionResult result{Values(q.size(), 0.0), {}, Values(q.size(), 0.0), 0};
  ForEachQuery(
      c, q, k,
      [&](int64_t row, int64_t head, int64_t first, const Values& weights,
          double logsumexp) {
        result.logsumexp.push_back(logsumexp);
        double* out = &result.out[c.Query(row, head)];
        double* size = &result.out_size[c.Query(row, head)];
        for (size_t s = 0; s < weights.size(); ++s) {
          const int64_t key = c.Key(first + s, head);
          result.score_size = std::max(
              result.score_size,
              c.scale() * AbsDot(&q[c.Query(row, head)], &k[key], c.head_dim));
          for (int64_t i = 0; i < c.head_dim; ++i) {
            out[i] += weights[s] * v[key + i];
            size[i] += weights[s] * std::abs(v[key + i]);
          }
        }
      });
  return result;
}

struct AttentionGradients {
  Values dq, dk, dv;
  // The same sums of absolute values: what relative errors are relative to.
  Values dq_size, dk_size, dv_size;
  // Likewise, with |ds| in place of the absolute values that it is a sum of.
  Values dq_terms, dk_terms;
};

// `out` is what the forward pass wrote (rounded, if it was).
inline AttentionGradients AttentionBackwardOracle(
    const AttentionCase& c, const Values& q, const Values& k, const Values& v,
    const Values& out, const Values& dout) {
  AttentionGradients g{Values(q.size(), 0.0), Values(k.size(), 0.0),
                       Values(k.size(), 0.0), Values(q.size(), 0.0),
                       Values(k.size(), 0.0), Values(k.size(), 0.0),
                       Values(q.size(), 0.0), Values(k.size(), 0.0)};
  const int64_t width = c.head_dim;
  ForEachQuery(
      c, q, k,
      [&](int64_t row, int64_t head, int64_t first, const Values& weights,
          double) {
        const int64_t query = c.Query(row, head);
        const double delta = Dot(&dout[query], &out[query], width);
        const double size = AbsDot(&dout[query], &out[query], width);
        for (size_t s = 0; s < weights.size(); ++s) {
          const int64_t key = c.Key(first + s, head);
          const double p = weights[s];
          const double ds =
              p * c.scale() * (Dot(&dout[query], &v[key], width) - delta);
          const double ds_size =
              p * c.scale() * (AbsDot(&dout[query], &v[key], width) + size);
          for (int64_t i = 0; i < width; ++i) {
            g.dq[query + i] += ds * k[key + i];
            g.dk[key + i] += ds * q[query + i];
            g.dv[key + i] += p * dout[query + i];
            g.dq_size[query + i] += ds_size * std::abs(k[key + i]);
            g.dk_size[key + i] += ds_size * std::abs(q[query + i]);
            g.dv_size[key + i] += p * std::abs(dout[query + i]);
            g.dq_terms[query + i] += std::abs(ds * k[key + i]);
            g.dk_terms[key + i] += std::abs(ds * q[query + i]);
          }
        }
      });
  return g;
}

// A bound on the relative error of a weight: its score is a sum of head_dim
// rounded products of size score_size, twice (in the scores and in their
// logsumexp, which is of the size of score_size + log(length)), and exp2 and
// the division add a few units.
inline double WeightError(const AttentionCase& c, double score_size) {
  const double size = score_size + std::log(static_cast<double>(c.length)) + 1;
  return (static_cast<double>(c.head_dim) + 8) * 2 * size * 0x1p-24;
}

}  // namespace switchyard::kernels

#endif  // SWITCHYARD_TESTS_UNIT_KERNELS_ATTENTION_ORACLE_H_
