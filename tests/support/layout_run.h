// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Trains a model on some layout and keeps everything that must not depend on
// it. Ranks are threads of the test; with SWITCHYARD_TEST_DEVICE=cuda they
// share a GPU (any_device.h).
#ifndef SWITCHYARD_TESTS_SUPPORT_LAYOUT_RUN_H_
#define SWITCHYARD_TESTS_SUPPORT_LAYOUT_RUN_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "switchyard/base/device.h"
#include "switchyard/runtime/data/data_source.h"
#include "switchyard/runtime/moe/router.h"
#include "switchyard/runtime/train/options.h"

namespace switchyard::testing {

struct Layout {
  int ranks = 1;
  int width = 1;
  int threads = 1;
  bool guarded = false;  // on the guarded CPU
  bool gpu = false;      // on the first GPU, which ranks share
  std::string ToString() const;
};

// The layout's, or a GPU where all tests are to run on one (any_device.h), and
// options for it.
std::unique_ptr<Device> MakeDevice(const Layout& layout);
TrainOptions OptionsFor(const Layout& layout, TrainOptions options);

// Everything that a run promises to be the same on every layout.
struct RunRecord {
  std::vector<double> losses;  // of each step; NaN if absent
  std::vector<double> balance_losses;
  std::vector<double> z_losses;
  std::vector<double> norms;
  std::vector<int64_t> dropped;
  std::vector<double> max_loads;
  std::vector<int64_t> tokens;
  // Of each step, layer by layer: what StepMetrics::layers says, but for loads
  // and off_rank_share, which the layout decides.
  std::vector<std::vector<double>> layers;
  std::vector<std::vector<int64_t>> assigned;  // [step][layers · experts]
  std::vector<std::vector<int64_t>> over_capacity, rerouted, lost_tokens;
  std::vector<std::vector<int64_t>> checksums;  // of each parameter, each step
  double eval_loss = 0.0;
  double bits_per_byte = 0.0;
  int64_t eval_tokens = 0;
};

// A small model and run for tests: 2 layers, 8 experts, top-2, 4 micro-batches.
TrainOptions SmallRun();

// A few steps of one wide layer: its parameters are cut between ranks, experts
// take more than one bucket, and every operator has several pieces of work.
TrainOptions WideRun();

// State tensors begin with SetStateValues of the run's seed. `edit` changes
// batches (SyntheticData::edit); without `routers` the model has
// its own.
absl::StatusOr<RunRecord> RunOn(
    const Layout& layout, const TrainOptions& options,
    const std::function<void(Batch&)>& edit = nullptr,
    const RouterFactory* routers = nullptr);

// Empty if equal bit for bit, else what differs first.
std::string Difference(const RunRecord& expected, const RunRecord& actual);

}  // namespace switchyard::testing

#endif  // SWITCHYARD_TESTS_SUPPORT_LAYOUT_RUN_H_
