// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/launch/commands/explain.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "switchyard/base/nearest_name.h"
#include "switchyard/base/status.h"
#include "switchyard/launch/flags/flag_set.h"
#include "switchyard/launch/version.h"
#include "switchyard/runtime/moe/balance_convention.h"
#include "switchyard/runtime/moe/balance_options.h"
#include "switchyard/runtime/moe/capacity_factor.h"

namespace switchyard::launch {
namespace {

// What the pages compute with.
struct Numbers {
  double coef = 0.01;
  BalanceConvention from = BalanceConvention::kSwitchyard;
  BalanceModel model{32, 8, 2};
  int64_t tokens = 4096;
  CapacityFactor capacity_factor = *CapacityFactor::Parse("1.25");
};

// One topic: its name, a line of the list, and its page.
struct Topic {
  const char* name;
  const char* summary;
  std::string (*page)(const Numbers& numbers);
};

std::string Sizes(const BalanceModel& m) {
  return absl::StrCat("L = ", m.layers, " layers, E = ", m.experts,
                      " experts, k = ", m.experts_per_token, " a token");
}

std::string LevelText(BalanceLevel level, const BalanceModel& model) {
  if (level == BalanceLevel::kOne) return NameOf(level);
  return absl::StrFormat("%s = %.6g", NameOf(level), ValueOf(level, model));
}

std::string PresetLine(BalanceLossKind kind, BalanceConvention convention,
                       const char* counts, const BalanceModel& model) {
  const BalanceConventionFacts& facts = FactsOf(convention);
  return absl::StrFormat("  %-11s %-27s %-9s %s\n", NameOf(kind), counts,
                         LevelText(facts.at_balance, model),
                         LevelText(facts.at_one_expert, model));
}

std::string Conversions(const Numbers& n) {
  const double c = FromConvention(n.from, n.coef, n.model);
  std::string text = absl::StrFormat(
      "\nA coefficient of %.6g as %s has it is, with these sizes, the same\n"
      "strength as\n\n  %-11s %-21s %-12s %s\n",
      n.coef, FactsOf(n.from).name, "system", "coefficient", "value", "layers");
  for (const BalanceConventionFacts& facts : BalanceConventions()) {
    absl::StrAppendFormat(
        &text, "  %-11s %-21s %-12.6g %s\n", facts.name, facts.coefficient,
        ToConvention(facts.convention, c, n.model), facts.layers);
  }
  absl::StrAppend(&text,
                  "\nFormulas (n_e assignments to e, T tokens, P_e mean "
                  "probability of e, F_e share\nof first choices), and "
                  "where they stand:\n\n");
  for (const BalanceConventionFacts& facts : BalanceConventions()) {
    absl::StrAppendFormat(&text, "  %-11s %-32s %s\n", facts.name,
                          facts.formula, facts.source);
  }
  return text;
}

std::string BalanceLossPage(const Numbers& n) {
  return absl::StrCat(
      "The balance loss of a layer is E sum_e F_e P_e: F_e the share of expert "
      "e in\nthe assignments that count, before dropping, P_e its mean "
      "probability. F has no\ngradient, so experts with many assignments get "
      "smaller probabilities. Layers\nare added; micro-batches are weighted "
      "by their valid tokens. --balance_loss_coef\nis c, what one layer adds "
      "to the objective at perfect balance.\n\n"
      "--balance_loss, with ",
      Sizes(n.model), ":\n\n",
      absl::StrFormat("  %-11s %-27s %-9s %s\n", "", "F counts", "balanced",
                      "all on one expert"),
      PresetLine(BalanceLossKind::kSwitch, BalanceConvention::kSwitchyard,
                 "all k choices", n.model),
      PresetLine(BalanceLossKind::kGshard, BalanceConvention::kDeepSpeedMoe,
                 "first choices", n.model),
      PresetLine(BalanceLossKind::kHfMixtral, BalanceConvention::kHuggingFace,
                 "all choices of all layers", n.model),
      "\nhf_mixtral pools layers before the product, so opposite loads of two "
      "layers\ncancel; it is there for parity. Its coefficient on that value "
      "is c L / k.\n",
      Conversions(n));
}

std::string ScopeLine(BalanceScope scope, const char* what) {
  return absl::StrFormat("  %-12s %s\n", NameOf(scope), what);
}

std::string ScopesPage(const Numbers&) {
  return absl::StrCat(
      "--balance_scope says what the balance loss takes its loads F and "
      "probabilities P\nover. A smaller scope asks for more: each must be "
      "level by itself.\n\n",
      ScopeLine(
          BalanceScope::kSequence,
          "F and P over each sequence (DeepSeek-V3's sequence-wise loss)"),
      ScopeLine(BalanceScope::kMicroBatch,
                "F and P over the micro-batch (Switch: per core)"),
      ScopeLine(BalanceScope::kWindow,
                "F over --balance_window micro-batches by index, P over each"),
      ScopeLine(BalanceScope::kGlobal,
                "F over the global batch, P over each micro-batch"),
      "\nwindow and global give exactly the loss and gradient of the window as "
      "one\nbatch: only integer counts are added over ranks. All forward "
      "passes of a window\nrun before its first backward pass, and their "
      "activations are kept: --dry_run\nstates the memory, --recompute block "
      "lowers it. No scope depends on ranks.\n");
}

std::string CapacityPage(const Numbers& n) {
  const bool dropless = n.capacity_factor.dropless();
  const std::string rows =
      dropless
          ? "all that choose it"
          : absl::StrCat(n.capacity_factor.Capacity(n.model.experts_per_token,
                                                    n.tokens, n.model.experts),
                         " rows an expert");
  return absl::StrCat(
      "--capacity_factor X bounds the rows that an expert takes of a "
      "micro-batch by X\ntimes its even share, k / E of the positions. Further "
      "assignments are dropped\nand counted; a token without any expert "
      "travels on the residual. 0 drops none.\n\nX = ",
      n.capacity_factor.ToString(), ", ", n.tokens,
      " positions, E = ", n.model.experts, ", k = ", n.model.experts_per_token,
      ": ", rows,
      ".\n\nThe micro-batch is the unit, never the rank: no "
      "number of ranks changes who is\ndropped, another --micro_batch "
      "does.\n");
}

std::string BiasPage(const Numbers& n) {
  return absl::StrCat(
      "A model with \"router_bias\" chooses experts by score + bias; gates "
      "know only the\nscore, and no gradient reaches the bias (arXiv "
      "2408.15664). With\n--bias_update_rate X each step ends with\n\n"
      "  b_e -= X if expert e has more than 1 / E of the assignments, += X if "
      "less\n\n"
      "counted before dropping, over the global batch, compared as integers; "
      "exactly\n1 / E changes nothing.\n\nWith E = ",
      n.model.experts, " and k = ", n.model.experts_per_token, ", ", n.tokens,
      " tokens make ", n.tokens * n.model.experts_per_token,
      " assignments, and\nan expert's share is ",
      absl::StrFormat(
          "%.6g", static_cast<double>(n.tokens * n.model.experts_per_token) /
                      static_cast<double>(n.model.experts)),
      ". A step that is skipped for a bad gradient changes no\nbias, and "
      "neither does an evaluation. The bias is saved with the weights.\nA "
      "balance loss may be on beside it.\n");
}

constexpr Topic kTopics[] = {
    {"balance_loss", "its formulas, values and other systems' coefficients",
     BalanceLossPage},
    {"scopes", "what the balance loss counts over", ScopesPage},
    {"bias", "choosing experts by a bias that follows their loads", BiasPage},
    {"capacity", "rows that an expert takes", CapacityPage},
};

std::string TopicList() {
  std::string text =
      "Usage: switchyard explain <topic> [--flag value]...\n\nTopics:\n";
  for (const Topic& topic : kTopics) {
    absl::StrAppendFormat(&text, "  %-14s %s\n", topic.name, topic.summary);
  }
  return absl::StrCat(
      text, "\nswitchyard explain --help lists the numbers to put in.\n");
}

std::vector<std::pair<std::string, BalanceConvention>> ConventionNames() {
  std::vector<std::pair<std::string, BalanceConvention>> names;
  for (const BalanceConventionFacts& facts : BalanceConventions()) {
    names.emplace_back(facts.name, facts.convention);
  }
  return names;
}

void AddFlags(Numbers* n, FlagSet* set) {
  set->Group("Numbers");
  set->Add("coef", &n->coef, "X", "coefficient of a balance loss");
  set->AddChoice("from", &n->from, ConventionNames(),
                 "whose coefficient it is");
  set->Add("layers", &n->model.layers, "L", "layers with experts");
  set->Add("experts", &n->model.experts, "E", "experts of a layer");
  set->Add("experts_per_token", &n->model.experts_per_token, "K",
           "experts that a token goes to");
  set->Add("tokens", &n->tokens, "T", "positions of a micro-batch");
  set->Add("capacity_factor", &n->capacity_factor, "X",
           "of the even share of an expert");
}

absl::Status Check(const Numbers& n) {
  constexpr int64_t kMost = int64_t{1} << 30;
  const std::pair<const char*, int64_t> sizes[] = {
      {"layers", n.model.layers},
      {"experts", n.model.experts},
      {"experts_per_token", n.model.experts_per_token},
      {"tokens", n.tokens},
  };
  for (const auto& [flag, value] : sizes) {
    if (value >= 1 && value <= kMost) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("expected --", flag, " between 1 and ", kMost, ", found ",
                     value, "; correct it"));
  }
  if (n.model.experts_per_token > n.model.experts) {
    return absl::InvalidArgumentError(absl::StrCat(
        "expected --experts_per_token of at most --experts, found ",
        n.model.experts_per_token, " of ", n.model.experts,
        "; change one of them"));
  }
  return absl::OkStatus();
}

absl::StatusOr<const Topic*> FindTopic(const std::string& name) {
  std::vector<absl::string_view> names;
  for (const Topic& topic : kTopics) {
    if (name == topic.name) return &topic;
    names.push_back(topic.name);
  }
  const absl::string_view nearest = NearestName(name, names);
  return absl::InvalidArgumentError(absl::StrCat(
      "expected one of the topics ", absl::StrJoin(names, ", "), ", found '",
      Printable(name), "'; ",
      nearest.empty() ? "choose one"
                      : absl::StrCat("the nearest is '", nearest, "'")));
}

}  // namespace

absl::StatusOr<std::string> ExplainPage(
    absl::Span<const std::string> arguments) {
  Numbers numbers;
  FlagSet flags("switchyard explain <topic>",
                "Explains a rule, with the numbers of a model.");
  AddFlags(&numbers, &flags);
  const bool has_topic = !arguments.empty() && arguments[0].rfind('-', 0) != 0;
  const Topic* topic = nullptr;
  if (has_topic) {
    SWITCHYARD_ASSIGN_OR_RETURN(topic, FindTopic(arguments[0]));
  }
  SWITCHYARD_RETURN_IF_ERROR(
      flags.Parse(has_topic ? arguments.subspan(1) : arguments));
  if (flags.help_requested()) return flags.Help();
  if (flags.version_requested()) {
    return absl::StrCat("switchyard ", Version(), "\n");
  }
  SWITCHYARD_RETURN_IF_ERROR(Check(numbers));
  return topic == nullptr ? TopicList() : topic->page(numbers);
}

}  // namespace switchyard::launch
