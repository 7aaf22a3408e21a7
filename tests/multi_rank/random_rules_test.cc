// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// What holds whatever the options: no assignment is lost or doubled, no bit
// depends on the layout, and gradients are those of the objective. Options of
// all kinds are drawn together (tests/support/random_options.h).
//
//   SWITCHYARD_RANDOM_SEED    of all draws; 1
//   SWITCHYARD_RANDOM_FIRST   number of the first draw; 0
//   SWITCHYARD_RANDOM_DRAWS   how many, at least 1; 60
//
// A failure names its draw, which these variables repeat alone.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "switchyard/base/cpu/cpu_device.h"
#include "switchyard/base/status.h"
#include "switchyard/comm/thread/thread_communicator.h"
#include "switchyard/kernels/permute.h"
#include "switchyard/launch/commands/train_flags.h"
#include "switchyard/runtime/moe/token_dispatcher.h"
#include "switchyard/tests/support/layout_run.h"
#include "switchyard/tests/support/one_rank_model.h"
#include "switchyard/tests/support/random_options.h"
#include "switchyard/tests/support/state_values.h"
#include "switchyard/tests/support/synthetic_data.h"

namespace switchyard::testing {
namespace {

int64_t FromEnvironment(const char* name, int64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::atoll(text);
}

struct Example {
  uint64_t seed;
  int64_t draw;
  TrainOptions options;
  Layout layout;
  bool padded;

  Example(uint64_t seed, int64_t draw) : seed(seed), draw(draw) {
    RandomChoice choice(seed, draw);
    options = RandomOptions(choice);
    layout = RandomLayout(choice, options.model.experts);
    padded = choice.OneIn(2);
  }
  std::string ToString() const {
    launch::TrainFlags flags;
    flags.options = options;
    return absl::StrCat("SWITCHYARD_RANDOM_SEED=", seed,
                        " SWITCHYARD_RANDOM_FIRST=", draw,
                        " SWITCHYARD_RANDOM_DRAWS=1\n", layout.ToString(),
                        padded ? ", padded\n" : "\n", launch::FlagFileOf(flags),
                        ToJson(options.model));
  }
  void Edit(Batch& batch) const {
    if (padded) RandomPadding(options.seed, batch);
  }
};

// Calls `check` for all examples. The line of each is there even if the process
// ends in the next one.
template <typename Check>
void ForAll(const Check& check) {
  const uint64_t seed = FromEnvironment("SWITCHYARD_RANDOM_SEED", 1);
  const int64_t first = FromEnvironment("SWITCHYARD_RANDOM_FIRST", 0);
  const int64_t draws = FromEnvironment("SWITCHYARD_RANDOM_DRAWS", 60);
  ASSERT_GE(draws, 1) << "SWITCHYARD_RANDOM_DRAWS";
  std::fprintf(stderr, "seed %llu, draws %lld to %lld\n",
               static_cast<unsigned long long>(seed),
               static_cast<long long>(first),
               static_cast<long long>(first + draws - 1));
  for (int64_t draw = first; draw < first + draws; ++draw) {
    const Example example(seed, draw);
    if (draws == 1) std::fprintf(stderr, "%s\n", example.ToString().c_str());
    std::fprintf(stderr, "draw %lld\r", static_cast<long long>(draw));
    SCOPED_TRACE(example.ToString());
    check(example);
  }
  std::fprintf(stderr, "\n");
}

// Counts -----------------------------------------------------------------

// One rank's tokens with the best experts of random probabilities.
struct Tokens {
  Tokens(RandomChoice& choice, const Example& example, bool none) {
    const ModelConfig& model = example.options.model;
    count = none ? 0 : example.options.micro_batch * example.options.seq_len;
    choices = model.experts_per_token;
    const double shift = choice.Uniform() * 3.0;  // some are popular
    for (int64_t t = 0; t < count; ++t) {
      std::vector<float> p(model.experts);
      for (int64_t e = 0; e < model.experts; ++e) {
        // Coarse: ties happen.
        p[e] = static_cast<float>(
            std::floor(8.0 * std::pow(choice.Uniform(), 1.0 + shift * e)) /
            8.0);
      }
      std::vector<int32_t> order(model.experts);
      std::iota(order.begin(), order.end(), 0);
      std::stable_sort(order.begin(), order.end(),
                       [&](int a, int b) { return p[a] > p[b]; });
      experts.insert(experts.end(), order.begin(), order.begin() + choices);
      probabilities.insert(probabilities.end(), p.begin(), p.end());
      valid.push_back(!choice.OneIn(5));
      values.push_back(static_cast<float>(choice.Between(1, 1000)));
    }
  }
  int64_t count, choices;
  std::vector<int32_t> experts;
  std::vector<float> probabilities, values;
  std::vector<uint8_t> valid;
};

// What one rank saw.
struct Planned {
  std::vector<int32_t> kept;
  std::vector<kernels::Segment> segments;
};

int64_t Sum(absl::Span<const int32_t> counts) {
  return std::accumulate(counts.begin(), counts.end(), int64_t{0});
}

void ExpectNothingLostOrDoubled(const Tokens& tokens, const Routing& routing,
                                const OverflowRule& rule) {
  const int32_t* rows = routing.rows.data<int32_t>();
  const int32_t* experts = routing.experts.data<int32_t>();
  const int64_t k = tokens.choices;
  const int64_t count = static_cast<int64_t>(routing.kept.size());
  std::set<int32_t> taken;
  std::vector<int64_t> assigned(count), kept(count);
  int64_t lost = 0;
  for (int64_t t = 0; t < tokens.count; ++t) {
    std::set<int32_t> of_token;
    for (int64_t j = 0; j < k; ++j) {
      if (tokens.valid[t]) ++assigned[tokens.experts[t * k + j]];
      if (rows[t * k + j] < 0) continue;
      EXPECT_TRUE(tokens.valid[t]) << "padding of token " << t << " travels";
      EXPECT_TRUE(taken.insert(rows[t * k + j]).second) << "row taken twice";
      EXPECT_TRUE(of_token.insert(experts[t * k + j]).second)
          << "token " << t << " twice at one expert";
      ++kept[experts[t * k + j]];
    }
    lost += tokens.valid[t] && of_token.empty();
  }
  for (int64_t e = 0; e < count; ++e) {
    EXPECT_EQ(routing.assigned[e], assigned[e]) << "expert " << e;
    EXPECT_EQ(routing.kept[e], kept[e]) << "expert " << e;
    EXPECT_LE(routing.rerouted[e], routing.over_capacity[e]);
    EXPECT_LE(routing.over_capacity[e], routing.assigned[e]);
    if (rule.capacity > 0) {
      EXPECT_LE(kept[e], RowsOfExpert(rule, tokens.count)) << "expert " << e;
    }
  }
  EXPECT_EQ(
      Sum(routing.assigned),
      Sum(routing.kept) + Sum(routing.over_capacity) - Sum(routing.rerouted));
  EXPECT_EQ(Sum(routing.lost_tokens), lost);
  EXPECT_TRUE(rule.capacity > 0 || Sum(routing.over_capacity) == 0);
}

// Rows there and back again: a token as often as it was kept.
absl::Status RoundTrip(comm::Communicator& world, const Example& example,
                       Planned& planned) {
  const ModelConfig& model = example.options.model;
  RandomChoice choice(example.seed + 1000, 64 * example.draw + world.rank());
  const Tokens tokens(choice, example, world.rank() > 0 && choice.OneIn(5));
  SWITCHYARD_ASSIGN_OR_RETURN(const Grid grid,
                              Grid::Create(world, example.layout.width,
                                           static_cast<int>(model.experts)));
  CpuDevice device(1), host;
  const std::unique_ptr<Stream> stream = device.NewStream();
  Arena arena(device), decisions(device), tables(host);
  const Execution run{*stream, arena, decisions, tables, {}, nullptr, 0};
  RouterOutput router;
  router.experts = ConstTensorView(tokens.experts.data(), DType::kInt32,
                                   {tokens.count, tokens.choices});
  router.probabilities =
      ConstTensorView(tokens.probabilities.data(), DType::kFloat32,
                      {tokens.count, model.experts});
  const ConstTensorView x(tokens.values.data(), DType::kFloat32,
                          {tokens.count, 1});
  const ConstTensorView valid(tokens.valid.data(), DType::kUInt8,
                              {tokens.count});
  const OverflowRule rule = OverflowRuleOf(example.options, true);
  const TokenDispatcher dispatcher(grid, 0, /*max_rows=*/0);
  Routing routing;
  SWITCHYARD_RETURN_IF_ERROR(
      dispatcher.Plan(run, router, valid, rule, routing));
  ExpectNothingLostOrDoubled(tokens, routing, rule);
  planned.kept.assign(routing.kept.begin(), routing.kept.end());
  planned.segments.assign(routing.segments.begin(), routing.segments.end());

  SWITCHYARD_ASSIGN_OR_RETURN(
      const TensorView rows,
      dispatcher.Dispatch(run, routing, x, ConstTensorView(), "there"));
  SWITCHYARD_RETURN_IF_ERROR(TokenDispatcher::Finish(
      run, dispatcher.Return(run, routing.chunks[0], rows, "back")));
  const TensorView back = run.New(DType::kFloat32, {tokens.count, 1});
  kernels::Unpermute(*stream, {.buffer = rows,
                               .rows = routing.rows,
                               .gates = ConstTensorView(),
                               .y = back});
  stream->Wait();
  for (int64_t t = 0; t < tokens.count; ++t) {
    int64_t copies = 0;
    for (int64_t j = 0; j < tokens.choices; ++j) {
      copies += routing.rows.data<int32_t>()[t * tokens.choices + j] >= 0;
    }
    EXPECT_EQ(back.data<float>()[t], copies * tokens.values[t]);
  }
  return absl::OkStatus();
}

TEST(RandomRules, NoAssignmentIsLostOrDoubled) {
  ForAll([](const Example& example) {
    const int width = example.layout.width;
    const int per_rank =
        static_cast<int>(example.options.model.experts) / width;
    std::vector<Planned> ranks(example.layout.ranks);
    const absl::Status ran = comm::RunRanks(
        example.layout.ranks, {}, [&](comm::Communicator& world) {
          return RoundTrip(world, example, ranks[world.rank()]);
        });
    ASSERT_TRUE(ran.ok()) << ran;
    // What one rank keeps for an expert is what its owner expects of it.
    for (int rank = 0; rank < example.layout.ranks; ++rank) {
      const int group = rank / width * width;
      for (int e = 0; e < per_rank; ++e) {
        for (int source = 0; source < width; ++source) {
          EXPECT_EQ(ranks[rank].segments[e * width + source].rows,
                    ranks[group + source].kept[(rank - group) * per_rank + e])
              << "expert " << e << " of rank " << rank << ", source " << source;
        }
      }
    }
  });
}

// Bits -------------------------------------------------------------------

TEST(RandomRules, TheLayoutChangesNoBit) {
  ForAll([](const Example& example) {
    const auto edit = [&](Batch& batch) { example.Edit(batch); };
    const absl::StatusOr<RunRecord> expected =
        RunOn({1, 1, 1}, example.options, edit);
    ASSERT_TRUE(expected.ok()) << expected.status();
    const bool tokens_choose =
        example.options.model.router.type != RouterType::kExpertChoice;
    for (size_t step = 0; tokens_choose && step < expected->tokens.size();
         ++step) {
      EXPECT_EQ(std::accumulate(expected->assigned[step].begin(),
                                expected->assigned[step].end(), int64_t{0}),
                expected->tokens[step] *
                    example.options.model.experts_per_token *
                    ExpertLayerCount(example.options.model));
    }
    const absl::StatusOr<RunRecord> actual =
        RunOn(example.layout, example.options, edit);
    ASSERT_TRUE(actual.ok()) << actual.status();
    EXPECT_EQ(Difference(*expected, *actual), "");
    TrainOptions again = example.options;
    again.recompute = Recompute::kBlock;
    const absl::StatusOr<ModelConfig> read =
        ParseModelConfig(ToJson(example.options.model), "the model");
    ASSERT_TRUE(read.ok()) << read.status();
    again.model = *read;
    const absl::StatusOr<RunRecord> recomputed = RunOn({1, 1, 1}, again, edit);
    ASSERT_TRUE(recomputed.ok()) << recomputed.status();
    EXPECT_EQ(Difference(*expected, *recomputed), "")
        << "with its config read again and --recompute block";
  });
}

// Gradients --------------------------------------------------------------

double Objective(const TrainOptions& options, const StepStatistics& s) {
  // The pooled loss is k at balance, its part of the objective c · L.
  const double pooled =
      options.balance.loss == BalanceLossKind::kHfMixtral
          ? static_cast<double>(ExpertLayerCount(options.model)) /
                static_cast<double>(options.model.experts_per_token)
          : 1.0;
  const double loss = s.total_labels() > 0
                          ? s.loss_sum() / static_cast<double>(s.total_labels())
                          : 0.0;
  return loss + options.model.balance_loss_coef * pooled * s.balance() +
         options.model.router_z_loss_coef * s.z() +
         options.balance.device_coefficient * s.device_balance() +
         options.balance.communication_coefficient * s.communication_balance();
}

using Values = std::vector<std::vector<double>>;  // of each parameter

// A model at weights along a direction.
class Line {
 public:
  Line(const Example& example, OneRankModel& model)
      : options_(example.options), model_(model) {
    SyntheticData data(options_.model.vocabulary, options_.seq_len,
                       options_.global_batch);
    data.edit = [&](Batch& batch) { example.Edit(batch); };
    batches_.resize(options_.global_batch / options_.micro_batch);
    for (size_t i = 0; i < batches_.size(); ++i) {
      EXPECT_TRUE(data.Fill(0, static_cast<int64_t>(i) * options_.micro_batch,
                            options_.micro_batch, &batches_[i])
                      .ok());
    }
    here_ = At(0.0);
    for (const auto& parameter : model_.store().parameters()) {
      gradient_.push_back(model_.Gradient(*parameter));
      const float* values = parameter->weight.data<float>();
      weights_.emplace_back(values, values + parameter->element_count());
      for (double g : gradient_.back()) norm_ += g * g;
    }
    norm_ = std::sqrt(norm_);
  }

  double norm() const { return norm_; }

  // As much along the gradient as along random signs.
  void Choose(RandomChoice& choice) {
    int64_t count = 0;
    for (const auto& values : weights_)
      count += static_cast<int64_t>(values.size());
    const double sign = 1.0 / std::sqrt(static_cast<double>(count));
    direction_ = gradient_;
    for (auto& values : direction_) {
      for (double& value : values) {
        value = value / norm_ + (choice.OneIn(2) ? sign : -sign);
      }
    }
  }

  // The central difference for a step, and what the gradient says of the
  // weights that fp32 holds; the second difference, f(h) - 2 f(0) + f(-h).
  struct Slopes {
    double difference, expected, second;
  };
  Slopes Of(double step) {
    const double after = Move(step);
    const Values there = Weights();
    const double before = Move(-step);
    const Values here = Weights();
    double expected = 0.0;
    for (size_t p = 0; p < there.size(); ++p) {
      for (size_t i = 0; i < there[p].size(); ++i) {
        expected += gradient_[p][i] * (there[p][i] - here[p][i]);
      }
    }
    return {(after - before) / (2.0 * step), expected / (2.0 * step),
            after - 2.0 * here_ + before};
  }

  // Whether all steps so far had the counts of the first.
  bool SameRouting() const { return same_routing_; }

 private:
  double Move(double step) {
    size_t p = 0;
    for (const auto& parameter : model_.store().parameters()) {
      float* values = parameter->weight.data<float>();
      for (size_t i = 0; i < weights_[p].size(); ++i) {
        values[i] =
            static_cast<float>(weights_[p][i] + step * direction_[p][i]);
      }
      ++p;
    }
    return At(step);
  }
  Values Weights() const {
    Values all;
    for (const auto& parameter : model_.store().parameters()) {
      const float* values = parameter->weight.data<float>();
      all.emplace_back(values, values + parameter->element_count());
    }
    return all;
  }
  double At(double step) {
    // Windows need their micro-batches together; others must not have them.
    const bool together =
        CountedTogether(options_.balance,
                        static_cast<int64_t>(batches_.size())) > 0;
    const absl::Status status =
        together ? model_.TrainTogether(batches_) : model_.Train(batches_);
    EXPECT_TRUE(status.ok()) << status;
    const StepStatistics& s = model_.statistics();
    std::vector<int64_t> counts(s.assigned().begin(), s.assigned().end());
    counts.insert(counts.end(), s.kept().begin(), s.kept().end());
    counts.insert(counts.end(), s.rerouted().begin(), s.rerouted().end());
    if (step == 0.0) counts_ = counts;
    same_routing_ = same_routing_ && counts == counts_;
    return Objective(options_, s);
  }

  const TrainOptions& options_;
  OneRankModel& model_;
  std::vector<Batch> batches_;
  Values weights_, gradient_, direction_;
  double norm_ = 0.0;
  double here_ = 0.0;
  std::vector<int64_t> counts_;
  bool same_routing_ = true;
};

// Central differences of the fp32 model itself. The objective, a mean of some
// tens of terms of order 1, is good to about 5e-7, so a difference to 5e-7 / h;
// its truncation error is a third of what h and 2h differ by, were there no
// higher terms. Directions where both differ by more than 3 % say nothing: the
// objective curves, or a choice flips. A choice can flip unseen by counts (two
// tokens change places): a jump J within h adds J / (2 h) to the difference,
// and shows where curvature, h² f'', cancels: in (4 second(h) - second(2h))
// / 3. ReLU's kinks on both sides hide each other, so it is drawn as SiLU; its
// gradient is tests/gradient's.
TEST(RandomRules, TheGradientIsThatOfTheObjective) {
  int checked = 0, skipped = 0;
  ForAll([&](const Example& drawn) {
    Example example = drawn;
    example.options.dtype = DType::kFloat32;
    kernels::Activation& function =
        example.options.model.feed_forward.activation.function;
    if (function == kernels::Activation::kRelu) {
      function = kernels::Activation::kSilu;
    }
    if (example.options.balance.scope == BalanceScope::kWindow) {
      // A model alone is given the whole step at once.
      example.options.balance.window =
          example.options.global_batch / example.options.micro_batch;
    }
    OneRankModel model(example.options);
    SetStateValues(model.stream(), model.store(), example.options.seed);
    Line line(example, model);
    if (line.norm() == 0.0) return;
    RandomChoice choice(example.seed + 2000, example.draw);
    constexpr double kStep = 5e-4;
    line.Choose(choice);
    const Line::Slopes near = line.Of(kStep);
    const Line::Slopes far = line.Of(2.0 * kStep);
    const double doubt = std::abs(near.difference - far.difference);
    const double jump =
        std::abs(4.0 * near.second - far.second) / 3.0 / (2.0 * kStep);
    if (!line.SameRouting() || doubt > 0.03 * line.norm() + 1e-6 / kStep ||
        jump > 1e-3 * line.norm() + 1e-6 / kStep) {
      ++skipped;
      return;
    }
    ++checked;
    EXPECT_NEAR(near.expected, near.difference,
                doubt + 4e-3 * line.norm() + 1e-6 / kStep)
        << "far: " << far.expected << " and " << far.difference << ", norm "
        << line.norm();
  });
  std::fprintf(stderr, "%d directions checked, %d skipped\n", checked, skipped);
  if (checked + skipped < 8) return;
  EXPECT_GE(3 * checked, skipped) << "too few directions say anything";
}

}  // namespace
}  // namespace switchyard::testing
