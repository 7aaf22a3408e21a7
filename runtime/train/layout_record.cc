// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/train/layout_record.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "switchyard/base/status.h"
#include "switchyard/comm/thread/thread_communicator.h"
#include "switchyard/runtime/nn/weights_checksum.h"
#include "switchyard/runtime/optim/summed_gradients.h"

namespace switchyard {
namespace {

bool SameBits(double a, double b) {
  return std::memcmp(&a, &b, sizeof(a)) == 0;
}

// As many of both: runs of the same steps of the same model.
template <typename T>
size_t CountDifferent(const std::vector<T>& a, const std::vector<T>& b) {
  size_t count = std::max(a.size(), b.size()) - std::min(a.size(), b.size());
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    count += a[i] != b[i] ? 1 : 0;
  }
  return count;
}

std::string NumberDifference(size_t step, double expected, double actual) {
  if (SameBits(expected, actual)) return "";
  return absl::StrFormat("step %d by %.1e", step + 1,
                         std::fabs(actual - expected));
}

std::string LossDifference(size_t step, const StepRecord& expected,
                           const StepRecord& actual) {
  for (size_t i = 0; i < expected.losses.size(); ++i) {
    std::string found =
        NumberDifference(step, expected.losses[i], actual.losses[i]);
    if (!found.empty()) return found;
  }
  return "";
}

std::string RoutingDifference(size_t step, const StepRecord& expected,
                              const StepRecord& actual) {
  const size_t loads = CountDifferent(expected.assigned, actual.assigned) +
                       CountDifferent(expected.kept, actual.kept);
  if (loads == 0) return "";
  return absl::StrCat("step ", step + 1, ", ", loads, " counts");
}

std::string WeightDifference(size_t step, const LayoutRecord& names,
                             const StepRecord& expected,
                             const StepRecord& actual) {
  const size_t count = CountDifferent(expected.weights, actual.weights);
  if (count == 0) return "";
  size_t first = 0;
  while (first + 1 < names.parameters.size() &&
         expected.weights[first] == actual.weights[first]) {
    ++first;
  }
  return absl::StrCat("step ", step + 1, ", ", count, " of ",
                      names.parameters.size(), " tensors, first ",
                      names.parameters[first]);
}

void KeepFirstGradient(size_t step, const LayoutRecord& names,
                       const StepRecord& expected, const StepRecord& actual,
                       LayoutDifferences* differences) {
  const size_t count = CountDifferent(expected.gradients, actual.gradients);
  if (count == 0 || !differences->gradients.empty()) return;
  size_t first = expected.gradients.size() - 1;
  while (first > 0 && expected.gradients[first] == actual.gradients[first]) {
    --first;
  }
  differences->gradient = {static_cast<int64_t>(step), static_cast<int>(first)};
  differences->gradients = absl::StrCat(
      "step ", step + 1, ", ", count, " of ", expected.gradients.size(),
      " tensors, first ", names.parameters[first]);
}

void KeepFirst(std::string found, std::string* difference) {
  if (difference->empty()) *difference = std::move(found);
}

}  // namespace

absl::StatusOr<LayoutRecord> RecordSteps(Trainer& trainer, int64_t steps,
                                         const GradientPlace& watch) {
  LayoutRecord record;
  Stream& stream = trainer.runner().stream();
  const ParameterStore& store = trainer.runner().store();
  for (const auto& parameter : store.parameters()) {
    record.parameters.push_back(parameter->name);
  }
  for (const auto& state : store.states()) {
    record.parameters.push_back(state->name);
  }
  for (int64_t i = 0; i < steps; ++i) {
    SWITCHYARD_ASSIGN_OR_RETURN(const StepMetrics metrics, trainer.Step());
    StepRecord step;
    step.losses = {
        metrics.loss.value_or(std::numeric_limits<double>::quiet_NaN()),
        metrics.balance_loss, metrics.z_loss};
    step.norm = metrics.grad_norm;
    step.assigned.assign(trainer.assigned().begin(), trainer.assigned().end());
    step.kept.assign(trainer.kept().begin(), trainer.kept().end());
    SWITCHYARD_ASSIGN_OR_RETURN(
        step.gradients,
        GradientChecksums(stream, trainer.grid(), store, trainer.optimizer()));
    SWITCHYARD_ASSIGN_OR_RETURN(
        step.weights, ParameterChecksums(stream, trainer.grid(), store));
    record.steps.push_back(std::move(step));
    if (i != watch.step) continue;
    SWITCHYARD_ASSIGN_OR_RETURN(
        record.watched, SummedGradient(stream, trainer.grid(),
                                       *store.parameters()[watch.parameter],
                                       trainer.optimizer()));
  }
  return record;
}

absl::StatusOr<LayoutRecord> RecordOnThreads(
    int ranks, const comm::Options& options,
    const std::function<absl::StatusOr<LayoutRecord>(comm::Communicator&)>&
        run_rank) {
  std::vector<LayoutRecord> records(ranks);
  SWITCHYARD_RETURN_IF_ERROR(comm::RunRanks(
      ranks, options, [&](comm::Communicator& world) -> absl::Status {
        SWITCHYARD_ASSIGN_OR_RETURN(records[world.rank()], run_rank(world));
        return absl::OkStatus();
      }));
  for (int rank = 1; rank < ranks; ++rank) {
    if (Compare(records[0], records[rank]).none()) continue;
    return absl::InternalError(
        absl::StrCat("expected the same figures on all ranks of a run, found "
                     "others on rank ",
                     rank, " of ", ranks, " than on rank 0; this is a bug"));
  }
  return std::move(records[0]);
}

LayoutDifferences Compare(const LayoutRecord& expected,
                          const LayoutRecord& actual) {
  LayoutDifferences differences;
  if (expected.steps.size() != actual.steps.size() ||
      expected.parameters != actual.parameters) {
    differences.weights = "another model or number of steps";
    return differences;
  }
  for (size_t step = 0; step < expected.steps.size(); ++step) {
    const StepRecord& one = expected.steps[step];
    const StepRecord& other = actual.steps[step];
    KeepFirst(LossDifference(step, one, other), &differences.losses);
    KeepFirst(RoutingDifference(step, one, other), &differences.routing);
    KeepFirstGradient(step, expected, one, other, &differences);
    KeepFirst(NumberDifference(step, one.norm, other.norm), &differences.norm);
    KeepFirst(WeightDifference(step, expected, one, other),
              &differences.weights);
  }
  return differences;
}

std::string LargestDifference(const std::vector<int64_t>& expected,
                              const std::vector<int64_t>& actual,
                              int64_t fraction_bits) {
  if (expected.size() != actual.size()) return "they differ in size";
  uint64_t largest = 0;
  size_t where = 0, count = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    const auto [less, more] = std::minmax(expected[i], actual[i]);
    // The difference of two integers fits where it has no sign.
    const uint64_t difference =
        static_cast<uint64_t>(more) - static_cast<uint64_t>(less);
    count += difference != 0 ? 1 : 0;
    if (difference <= largest) continue;
    largest = difference;
    where = i;
  }
  if (count == 0)
    return "once more they were the same: the run is not repeatable";
  const auto number = [fraction_bits](double units) {
    return std::ldexp(units, -static_cast<int>(fraction_bits));
  };
  return absl::StrFormat(
      "%d of %d elements, most by %.1e in element %d (%.6e on 1 rank)", count,
      expected.size(), number(static_cast<double>(largest)), where,
      number(static_cast<double>(expected[where])));
}

std::vector<RankLayout> LayoutsOf(int64_t ranks, int64_t experts,
                                  int64_t width) {
  std::vector<RankLayout> layouts;
  for (int64_t w = 1; w <= std::min(ranks, experts); ++w) {
    if (ranks % w != 0 || experts % w != 0) continue;
    if (width != 0 && w != width) continue;
    layouts.push_back({ranks, 1, w});
  }
  return layouts;
}

std::vector<RankLayout> LayoutsUpTo(int64_t max_ranks, int64_t experts,
                                    int64_t width) {
  std::vector<RankLayout> layouts;
  const auto add = [&](int64_t ranks) {
    const std::vector<RankLayout> more = LayoutsOf(ranks, experts, width);
    layouts.insert(layouts.end(), more.begin(), more.end());
  };
  int64_t ranks = 2;
  for (; ranks < max_ranks; ranks *= 2) add(ranks);
  if (max_ranks >= 2) add(max_ranks);
  return layouts;
}

}  // namespace switchyard
