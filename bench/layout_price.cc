// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The price of `--determinism layout`: sums of gradients in 64-bit fixed point
// and products by segment, against fp32 sums and one product over all rows of
// an expert. Model `small`, 2 ranks of one thread.
//
//   launch/mpirun.sh -n 2 layout_price [fp32|bf16] [WIDTH] [STEP_MS] [TURNS]
//
// WIDTH is 1 or 2. STEP_MS is the time of a whole step in layout, as
// `switchyard train` reports it; bench/layout_price.sh does all of it.
#include <omp.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "switchyard/base/cpu/cpu_device.h"
#include "switchyard/base/status.h"
#include "switchyard/bench/dense_products.h"
#include "switchyard/bench/expert_products.h"
#include "switchyard/bench/gradient_reduction.h"
#include "switchyard/bench/peak.h"
#include "switchyard/bench/small_model.h"
#include "switchyard/bench/turns.h"
#include "switchyard/comm/mpi/mpi_environment.h"
#include "switchyard/kernels/instruction_set.h"

namespace switchyard::bench {
namespace {

struct Settings {
  DType dtype = DType::kFloat32;
  int width = 1;
  double step_ms = 0;  // 0: not given
  int turns = 9;
};

absl::StatusOr<Settings> ParseSettings(int argc, char** argv) {
  Settings settings;
  const std::string dtype = argc > 1 ? argv[1] : "fp32";
  settings.dtype = dtype == "bf16" ? DType::kBFloat16 : DType::kFloat32;
  const bool good =
      argc <= 5 && (dtype == "fp32" || dtype == "bf16") &&
      (argc <= 2 || absl::SimpleAtoi(argv[2], &settings.width)) &&
      (argc <= 3 || absl::SimpleAtod(argv[3], &settings.step_ms)) &&
      (argc <= 4 || absl::SimpleAtoi(argv[4], &settings.turns));
  if (!good || (settings.width != 1 && settings.width != kRanks) ||
      !(settings.step_ms >= 0) || settings.turns < 7) {
    return absl::InvalidArgumentError(
        "usage: layout_price [fp32|bf16] [WIDTH 1|2] [STEP_MS] [TURNS >= 7]");
  }
  return settings;
}

// What a part of a step takes by each way, by GradientWay.
struct Part {
  const char* name;
  std::vector<Runs> runs;  // of a whole step
};

// Seconds of run `turn` of all the parts.
double Total(const std::vector<Part>& parts, int way, int turn) {
  double sum = 0;
  for (const Part& part : parts) sum += part.runs[way][turn];
  return sum;
}

// Where a part has two ways only, both fp32 ways share the second.
absl::StatusOr<std::vector<Part>> TimeParts(Stream& stream,
                                            comm::Communicator& world,
                                            const Settings& settings,
                                            double* operations) {
  std::vector<Part> parts;
  // `way` runs one of the equal rounds that a step has.
  const auto time = [&](const char* name, Clock clock, int ways, int rounds,
                        const auto& way) {
    auto runs = TimeInTurn(stream, world, clock, ways, settings.turns, way);
    if (!runs.ok()) return runs.status();
    for (Runs& way_runs : *runs) {
      for (double& seconds : way_runs) seconds *= rounds;
    }
    while (runs->size() < kGradientWayCount) runs->push_back(runs->back());
    parts.push_back({name, *std::move(runs)});
    return absl::OkStatus();
  };
  const auto differ = [](const char* what) {
    return absl::InternalError(absl::StrCat(what, ": the ways differ"));
  };
  {
    ExpertProducts experts(stream, settings.dtype, settings.width);
    if (!experts.Verify()) return differ("expert products");
    *operations = kMicroBatchesPerRank * experts.OperationCount();
    SWITCHYARD_RETURN_IF_ERROR(time("expert products", Clock::kThread,
                                    kGradientWayCount, kMicroBatchesPerRank,
                                    [&](int way) {
                                      experts.RunRound(kGradientWays[way]);
                                      return absl::OkStatus();
                                    }));
  }
  {
    DenseProducts dense(stream, settings.dtype);
    if (!dense.Verify()) return differ("dense weight gradients");
    SWITCHYARD_RETURN_IF_ERROR(time("dense weight gradients", Clock::kThread,
                                    kGradientWayCount, kMicroBatchesPerRank,
                                    [&](int way) {
                                      dense.RunRound(kGradientWays[way]);
                                      return absl::OkStatus();
                                    }));
  }
  {
    GradientReduction reduction(stream, world,
                                TravellingElements(settings.width));
    SWITCHYARD_RETURN_IF_ERROR(reduction.Verify());
    SWITCHYARD_RETURN_IF_ERROR(
        time("gradient reduction", Clock::kWall, 2, 1, [&](int way) {
          return reduction.Run(way == 0 ? DType::kInt64 : DType::kFloat32);
        }));
  }
  const Shape held = {HeldElements(settings.width)};
  const BenchTensor integers(stream.device(), DType::kInt64, held);
  const BenchTensor floats(stream.device(), DType::kFloat32, held);
  SWITCHYARD_RETURN_IF_ERROR(
      time("zeroing gradients", Clock::kThread, 2, 1, [&](int way) {
        stream.Zero(way == 0 ? integers : floats);
        return absl::OkStatus();
      }));
  return parts;
}

// One line: medians, the price of layout, and its quartiles over the turns.
void PrintLine(const char* name, const std::vector<Part>& parts, int turns) {
  std::printf("%-24s", name);
  double medians[kGradientWayCount];
  for (int way = 0; way < kGradientWayCount; ++way) {
    medians[way] = 0;
    for (const Part& part : parts) medians[way] += Median(part.runs[way]);
    std::printf(" %9.2f", 1e3 * medians[way]);
  }
  for (int way = 1; way < kGradientWayCount; ++way) {
    std::vector<double> prices;
    for (int turn = 0; turn < turns; ++turn) {
      prices.push_back(100 *
                       (Total(parts, 0, turn) / Total(parts, way, turn) - 1));
    }
    std::printf("   %+6.1f %% (%+.1f to %+.1f)",
                100 * (medians[0] / medians[way] - 1), Quantile(prices, 0.25),
                Quantile(prices, 0.75));
  }
  std::printf("\n");
}

void PrintStep(const std::vector<Part>& parts, double step_ms) {
  double difference[kGradientWayCount] = {};
  for (const Part& part : parts) {
    for (int way = 1; way < kGradientWayCount; ++way) {
      difference[way] += 1e3 * (Median(part.runs[0]) - Median(part.runs[way]));
    }
  }
  std::printf(
      "a step of %.1f ms in layout: %+.1f %% over fp32 leaves and adds, "
      "%+.1f %% over fp32 products that add\n",
      step_ms, 100 * difference[1] / (step_ms - difference[1]),
      100 * difference[2] / (step_ms - difference[2]));
}

void Print(const Settings& settings, const std::vector<Part>& parts,
           double operations, double peak) {
  std::printf(
      "small, %s, width %d, %d ranks, %s; medians of %d turns, ms a "
      "step and rank\n",
      NameOf(settings.dtype), settings.width, kRanks,
      NameOf(kernels::CurrentInstructionSet()), settings.turns);
  std::printf("%-24s %9s %9s %9s   %s\n", "part", "layout", "leaf+add",
              "adding", "price over leaf+add, over adding (quartiles)");
  for (const Part& part : parts) PrintLine(part.name, {part}, settings.turns);
  PrintLine("sum", parts, settings.turns);
  if (settings.step_ms > 0) PrintStep(parts, settings.step_ms);
  std::printf("expert products, share of the fp32 peak (%.1f GFLOP/s a core):",
              peak * 1e-9);
  for (int way = 0; way < kGradientWayCount; ++way) {
    std::printf(" %.0f %%",
                100 * operations / Median(parts[0].runs[way]) / peak);
  }
  const double elements = static_cast<double>(HeldElements(settings.width));
  std::printf("\ngradients a rank holds: %.1f MB in int64, %.1f MB in fp32\n\n",
              8e-6 * elements, 4e-6 * elements);
}

absl::Status Main(const Settings& settings) {
  omp_set_num_threads(1);
  SWITCHYARD_ASSIGN_OR_RETURN(const auto environment,
                              comm::MpiEnvironment::Start());
  SWITCHYARD_ASSIGN_OR_RETURN(const auto world, comm::NewMpiWorld({}));
  if (world->size() != kRanks) {
    return absl::InvalidArgumentError(absl::StrCat(
        "layout_price needs ", kRanks, " ranks and has ", world->size(),
        "; start it with launch/mpirun.sh -n ", kRanks));
  }
  CpuDevice device(1);
  const auto stream = device.NewStream();
  const double peak = FloatPeak();
  double operations = 0;
  SWITCHYARD_ASSIGN_OR_RETURN(
      const std::vector<Part> parts,
      TimeParts(*stream, *world, settings, &operations));
  if (world->rank() == 0) Print(settings, parts, operations, peak);
  return absl::OkStatus();
}

}  // namespace
}  // namespace switchyard::bench

int main(int argc, char** argv) {
  const auto settings = switchyard::bench::ParseSettings(argc, argv);
  const absl::Status status =
      settings.ok() ? switchyard::bench::Main(*settings) : settings.status();
  if (status.ok()) return 0;
  std::fprintf(stderr, "%s\n", std::string(status.message()).c_str());
  return settings.ok() ? 1 : 2;
}
