// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Whether a run keeps the first promise: the same bits on every layout. Each
// step of a trainer is written down, on two layouts, and compared.
//
//   const auto run_rank = [&](comm::Communicator& world) {
//     ...  // makes a trainer for this rank
//     return RecordSteps(*trainer, 3);
//   };
//   SWITCHYARD_ASSIGN_OR_RETURN(const LayoutRecord one,
//                               RecordOnThreads(1, {}, run_rank));
//   SWITCHYARD_ASSIGN_OR_RETURN(const LayoutRecord four,
//                               RecordOnThreads(4, {}, run_rank));
//   const LayoutDifferences differences = Compare(one, four);
//   if (!differences.gradients.empty()) {
//     ...  // both once more with RecordSteps(..., differences.gradient)
//     LargestDifference(one_again.watched, four_again.watched, fraction_bits);
//   }
#ifndef SWITCHYARD_RUNTIME_TRAIN_LAYOUT_RECORD_H_
#define SWITCHYARD_RUNTIME_TRAIN_LAYOUT_RECORD_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "switchyard/comm/communicator.h"
#include "switchyard/comm/options.h"
#include "switchyard/runtime/plan/rank_layout.h"
#include "switchyard/runtime/train/trainer.h"

namespace switchyard {

// What the layout must not change of a step, bit for bit.
struct StepRecord {
  // The loss (NaN if absent), the balance loss, the z-loss.
  std::vector<double> losses;
  double norm = 0.0;               // of the gradient; NaN if skipped
  std::vector<int64_t> assigned;   // [layers · experts], before dropping
  std::vector<int64_t> kept;       // after it
  std::vector<int64_t> gradients;  // a checksum of each parameter's sum
  std::vector<int64_t> weights;    // of each parameter and state tensor
};

// The gradient of one parameter in one step.
struct GradientPlace {
  int64_t step = -1;   // counted from 0; -1: none
  int parameter = -1;  // Parameter::index
};

struct LayoutRecord {
  // Names, in the order of checksums: those of state tensors come last.
  std::vector<std::string> parameters;
  std::vector<StepRecord> steps;
  // All elements of the gradient that RecordSteps was told to watch, in units
  // of 2^-fraction_bits.
  std::vector<int64_t> watched;
};

// Trains `steps` steps. A collective call.
absl::StatusOr<LayoutRecord> RecordSteps(Trainer& trainer, int64_t steps,
                                         const GradientPlace& watch = {});

// The record of `ranks` ranks that are threads of this process. An error if a
// rank returns one, or if the ranks' records differ.
absl::StatusOr<LayoutRecord> RecordOnThreads(
    int ranks, const comm::Options& options,
    const std::function<absl::StatusOr<LayoutRecord>(comm::Communicator&)>&
        run_rank);

// What differs first of each kind, and by how much; empty where all bits are
// the same.
struct LayoutDifferences {
  std::string losses;
  std::string routing;
  // Names the parameter that the backward pass reaches first, the last one in
  // the model's order: what differs before it does so for that reason.
  std::string gradients;
  GradientPlace gradient;  // the same
  std::string norm;
  std::string weights;
  bool none() const {
    return losses.empty() && routing.empty() && gradients.empty() &&
           norm.empty() && weights.empty();
  }
};
LayoutDifferences Compare(const LayoutRecord& expected,
                          const LayoutRecord& actual);

// The largest difference between two gradients of `fraction_bits`, and where it
// is; says so if there is none.
std::string LargestDifference(const std::vector<int64_t>& expected,
                              const std::vector<int64_t>& actual,
                              int64_t fraction_bits);

// The layouts of 2, 4, 8, ... ranks, at most `max_ranks`, with every
// expert-parallel width that divides ranks and experts, or with `width` alone
// if that is not 0. All ranks on one node.
std::vector<RankLayout> LayoutsUpTo(int64_t max_ranks, int64_t experts,
                                    int64_t width);
// The same of a single number of ranks.
std::vector<RankLayout> LayoutsOf(int64_t ranks, int64_t experts,
                                  int64_t width);

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_TRAIN_LAYOUT_RECORD_H_
