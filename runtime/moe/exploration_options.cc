// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/moe/exploration_options.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "switchyard/base/status.h"

namespace switchyard {
namespace {

constexpr double kMostJitter = 0.99;

absl::Status CheckJitter(double jitter, const ModelConfig& model) {
  // Written so that NaN is out of the range.
  if (!(jitter >= 0.0 && jitter <= kMostJitter)) {
    return absl::InvalidArgumentError(
        absl::StrCat("expected --router_jitter between 0 and ", kMostJitter,
                     ", found ", jitter, "; correct it"));
  }
  if (jitter == 0.0) return absl::OkStatus();
  if (model.router.type == RouterType::kHash) {
    return absl::InvalidArgumentError(absl::StrCat(
        "expected --router_jitter 0 with \"router_type\" \"hash\", found ",
        jitter,
        "; a hash of token ids has no input to jitter: leave the flag out"));
  }
  return absl::OkStatus();
}

absl::Status CheckSampling(bool sampling, const ModelConfig& model) {
  if (!sampling) return absl::OkStatus();
  const RouterConfig& router = model.router;
  if (router.type != RouterType::kTokenChoice) {
    return absl::InvalidArgumentError(absl::StrCat(
        "expected \"router_type\" \"token_choice\" with --router_sampling, "
        "found \"",
        NameOf(router.type),
        "\", where tokens do not choose experts; leave the flag out or choose "
        "that type"));
  }
  if (router.noisy_top_k) {
    return absl::InvalidArgumentError(
        "expected no --router_sampling with \"noisy_top_k\", found both, two "
        "kinds of noise on one choice; leave the flag out or choose a model "
        "without \"noisy_top_k\"");
  }
  const std::string other = BeyondPlainSoftmax(router);
  if (!other.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "expected a router of softmax scores, without groups and without a "
        "bias, with --router_sampling, which samples from that softmax, found ",
        other, "; leave the flag out or choose a model without that key"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status Validate(const ExplorationOptions& options,
                      const ModelConfig& model) {
  SWITCHYARD_RETURN_IF_ERROR(CheckJitter(options.router_jitter, model));
  return CheckSampling(options.router_sampling, model);
}

}  // namespace switchyard
