// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/generate/token_sampler.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "switchyard/base/philox.h"

namespace switchyard {
namespace {

// In [0, 1), of 53 bits.
double Uniform(uint64_t seed, int64_t position) {
  const uint64_t at = static_cast<uint64_t>(position);
  const PhiloxCounter words = Philox4x32(
      MixKey(seed, "sampled token"),
      {static_cast<uint32_t>(at), static_cast<uint32_t>(at >> 32), 0, 0});
  const uint64_t bits = (uint64_t{words[0]} << 32 | words[1]) >> 11;
  return static_cast<double>(bits) * 0x1p-53;
}

int32_t MostLikely(absl::Span<const float> logits) {
  return static_cast<int32_t>(std::max_element(logits.begin(), logits.end()) -
                              logits.begin());
}

}  // namespace

absl::Status Validate(const TokenSamplerOptions& options) {
  if (!std::isfinite(options.temperature) || options.temperature < 0.0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "expected a finite --temperature of at least 0, found ",
        options.temperature, "; 0 takes the most likely token each time"));
  }
  if (options.top_k < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("expected --top_k of at least 0, found ", options.top_k,
                     "; 0 leaves all tokens in"));
  }
  if (!(options.top_p > 0.0 && options.top_p <= 1.0)) {
    return absl::InvalidArgumentError(
        absl::StrCat("expected --top_p above 0 and at most 1, found ",
                     options.top_p, "; 1 leaves all tokens in"));
  }
  return absl::OkStatus();
}

void TokenSampler::Rank(absl::Span<const float> logits) {
  candidates_.clear();
  for (size_t i = 0; i < logits.size(); ++i) {
    candidates_.push_back({static_cast<int32_t>(i), logits[i], 0.0});
  }
  const auto more_likely = [](const Candidate& a, const Candidate& b) {
    return a.logit != b.logit ? a.logit > b.logit : a.token < b.token;
  };
  const size_t kept =
      options_.top_k > 0
          ? std::min(candidates_.size(), static_cast<size_t>(options_.top_k))
          : candidates_.size();
  std::partial_sort(candidates_.begin(), candidates_.begin() + kept,
                    candidates_.end(), more_likely);
  candidates_.resize(kept);
  const double most = candidates_.front().logit;
  for (Candidate& candidate : candidates_) {
    candidate.weight =
        std::exp((candidate.logit - most) / options_.temperature);
  }
}

double TokenSampler::Cut() {
  double all = 0.0;
  for (const Candidate& candidate : candidates_) all += candidate.weight;
  if (options_.top_p >= 1.0) return all;
  double sum = 0.0;
  size_t kept = 0;
  while (kept < candidates_.size() && sum < options_.top_p * all) {
    sum += candidates_[kept++].weight;
  }
  candidates_.resize(kept);
  return sum;
}

absl::StatusOr<int32_t> TokenSampler::Sample(absl::Span<const float> logits,
                                             int64_t position) {
  if (!std::all_of(logits.begin(), logits.end(),
                   [](float x) { return std::isfinite(x); })) {
    return absl::InvalidArgumentError(
        absl::StrCat("expected finite logits, found others for position ",
                     position, "; the checkpoint's weights are broken"));
  }
  if (options_.temperature == 0.0) return MostLikely(logits);
  Rank(logits);
  double left = Uniform(options_.seed, position) * Cut();
  for (const Candidate& candidate : candidates_) {
    left -= candidate.weight;
    if (left < 0.0) return candidate.token;
  }
  return candidates_.back().token;  // rounding
}

}  // namespace switchyard
