// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/moe/balance_convention.h"

#include "switchyard/base/check.h"

namespace switchyard {
namespace {

constexpr BalanceLevel kOne = BalanceLevel::kOne;
constexpr BalanceLevel kAllK = BalanceLevel::kExpertsOverExpertsPerToken;
constexpr BalanceLevel kFirst = BalanceLevel::kExperts;

constexpr BalanceConventionFacts kFacts[] = {
    {BalanceConvention::kSwitchyard, "switchyard", "balance_loss_coef",
     "E sum_e n_e / (kT) P_e", "summed over layers", "kernels/balance_loss.h",
     LayerReduction::kSum, kOne, kAllK},
    {BalanceConvention::kSwitchTransformers, "switch", "alpha",
     "E sum_e F_e P_e (k = 1)", "summed over layers",
     "arXiv 2101.03961, eq. 4 to 6", LayerReduction::kSum, kOne, kFirst},
    {BalanceConvention::kMegatronCore, "megatron", "moe_aux_loss_coeff",
     "E / (kT^2) sum_e n_e (T P_e)", "summed over layers",
     "Megatron-LM, moe/router.py", LayerReduction::kSum, kOne, kAllK},
    {BalanceConvention::kDeepSpeedMoe, "deepspeed", "that of l_aux",
     "E sum_e F_e P_e (top-1, top-2)", "summed by the caller",
     "DeepSpeed, moe/sharded_moe.py", LayerReduction::kSum, kOne, kFirst},
    {BalanceConvention::kDeepSeek, "deepseek", "alpha1",
     "sum_e E n_e / (kT) P_e", "summed over layers",
     "arXiv 2405.04434, eq. 23 to 25", LayerReduction::kSum, kOne, kAllK},
    {BalanceConvention::kHuggingFace, "hf_mixtral", "router_aux_loss_coef",
     "E sum_e n_e / T P_e", "pooled before the product",
     "transformers, modeling_mixtral.py", LayerReduction::kMean,
     BalanceLevel::kExpertsPerToken, kFirst},
    {BalanceConvention::kMegaBlocks, "megablocks", "moe_loss_weight",
     "E / (kT) sum_e n_e P_e", "averaged over layers",
     "megablocks, layers/moe.py", LayerReduction::kMean, kOne, kAllK},
    // With scale_loss_by_num_layers, its default.
    {BalanceConvention::kOlmoCore, "olmo_core", "lb_loss_weight",
     "E / (kT) sum_e n_e P_e", "averaged over layers",
     "OLMo-core, nn/moe/loss.py", LayerReduction::kMean, kOne, kAllK},
};

// What a coefficient of 1 adds to the objective at perfect balance.
double AtBalance(const BalanceConventionFacts& facts,
                 const BalanceModel& model) {
  const double value = ValueOf(facts.at_balance, model);
  return facts.reduction == LayerReduction::kSum
             ? value * static_cast<double>(model.layers)
             : value;
}

}  // namespace

double ValueOf(BalanceLevel level, const BalanceModel& model) {
  const double experts = static_cast<double>(model.experts);
  const double k = static_cast<double>(model.experts_per_token);
  switch (level) {
    case BalanceLevel::kOne:
      return 1.0;
    case BalanceLevel::kExpertsPerToken:
      return k;
    case BalanceLevel::kExperts:
      return experts;
    case BalanceLevel::kExpertsOverExpertsPerToken:
      return experts / k;
  }
  return 0.0;
}

const char* NameOf(BalanceLevel level) {
  switch (level) {
    case BalanceLevel::kOne:
      return "1";
    case BalanceLevel::kExpertsPerToken:
      return "k";
    case BalanceLevel::kExperts:
      return "E";
    case BalanceLevel::kExpertsOverExpertsPerToken:
      return "E/k";
  }
  return "";
}

absl::Span<const BalanceConventionFacts> BalanceConventions() { return kFacts; }

const BalanceConventionFacts& FactsOf(BalanceConvention convention) {
  for (const BalanceConventionFacts& facts : kFacts) {
    if (facts.convention == convention) return facts;
  }
  SWITCHYARD_CHECK(false) << static_cast<int>(convention);
  return kFacts[0];
}

double FromConvention(BalanceConvention convention, double coefficient,
                      const BalanceModel& model) {
  return coefficient * AtBalance(FactsOf(convention), model) /
         static_cast<double>(model.layers);
}

double ToConvention(BalanceConvention convention, double c,
                    const BalanceModel& model) {
  return c * static_cast<double>(model.layers) /
         AtBalance(FactsOf(convention), model);
}

}  // namespace switchyard
