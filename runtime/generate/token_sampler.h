// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// From logits to a token. With temperature T > 0, in this order:
//
//   p = softmax(logits / T)
//   top_k: the k most likely tokens (Fan et al., 1805.04833)
//   top_p: of these, scaled to 1, the fewest most likely ones whose
//          probabilities reach p (nucleus sampling: Holtzman et al.,
//          1904.09751)
//   one of what is left, by its probability
//
// T = 0 takes the most likely token. Of equals the lower id is the more likely
// one. The random number is a function of (seed, position) alone, so a text
// does not depend on the layout, nor on how often one was asked before.
#ifndef SWITCHYARD_RUNTIME_GENERATE_TOKEN_SAMPLER_H_
#define SWITCHYARD_RUNTIME_GENERATE_TOKEN_SAMPLER_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace switchyard {

struct TokenSamplerOptions {
  double temperature = 1.0;  // 0: the most likely token
  int64_t top_k = 0;         // 0: all
  double top_p = 1.0;        // in (0, 1]
  uint64_t seed = 0;
};

// One sentence that names the flag.
absl::Status Validate(const TokenSamplerOptions& options);

class TokenSampler {
 public:
  // The options must be valid.
  explicit TokenSampler(const TokenSamplerOptions& options)
      : options_(options) {}

  // The token at `position` of its sequence. An error if a logit is not finite.
  absl::StatusOr<int32_t> Sample(absl::Span<const float> logits,
                                 int64_t position);

 private:
  struct Candidate {
    int32_t token;
    float logit;
    double weight;  // of the candidates' sum
  };
  // Fills candidates_, the most likely first, and cuts them to top_k.
  void Rank(absl::Span<const float> logits);
  // Cuts them to top_p, and gives the sum of their weights.
  double Cut();

  const TokenSamplerOptions options_;
  std::vector<Candidate> candidates_;
};

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_GENERATE_TOKEN_SAMPLER_H_
