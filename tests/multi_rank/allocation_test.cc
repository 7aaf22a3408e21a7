// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// A step that sees no new maximum of routed rows allocates nothing and makes no
// primitive.
#include <cstdlib>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "switchyard/base/cpu/cpu_device.h"
#include "switchyard/base/guarded/guarded_device.h"
#include "switchyard/base/philox.h"
#include "switchyard/base/status.h"
#include "switchyard/comm/thread/thread_communicator.h"
#include "switchyard/kernels/matmul.h"
#include "switchyard/runtime/train/trainer.h"
#include "switchyard/tests/multi_rank/allocation_counter.h"
#include "switchyard/tests/support/layout_run.h"
#include "switchyard/tests/support/synthetic_data.h"

namespace switchyard::testing {
namespace {

constexpr int64_t kWarmUpSteps = 3;
constexpr int64_t kCountedSteps = 3;

// All steps have the same tokens, and the learning rate is too small to move
// one to another expert. After the warm-up some are padding, others in each
// step: segments have other sizes than before, but none is larger than the
// warm-up's.
class ThinningData : public SyntheticData {
 public:
  using SyntheticData::SyntheticData;
  absl::Status Fill(int64_t step, int64_t first, int64_t count,
                    Batch* batch) override {
    const absl::Status status = SyntheticData::Fill(0, first, count, batch);
    for (size_t i = 0; step >= kWarmUpSteps && i < batch->valid.size(); ++i) {
      const PhiloxCounter words =
          Philox4x32(static_cast<uint64_t>(step),
                     {static_cast<uint32_t>(i), static_cast<uint32_t>(first)});
      if (words[0] % 3 == 0) {
        batch->valid[i] = 0;
        batch->labels[i] = kNoLabel;
      }
    }
    return status;
  }
};

struct Case {
  int ranks;
  DType dtype;
  int threads;
  Recompute recompute;
  bool overflow = false;  // a capacity and every way to treat overflow
  bool mixed = false;     // layers of two kinds, a shared expert and dropout
};

void MixLayers(TrainOptions& options) {
  FeedForwardConfig& f = options.model.feed_forward;
  f.first_k_dense_replace = 1;
  f.dense_intermediate_size = 56;
  f.shared_expert_intermediate_size = 40;
  f.shared_expert_gate = true;
  f.activation.function = kernels::Activation::kGelu;
  options.expert_dropout = 0.2;
}

// What one rank's trainer must not do.
struct Growth {
  int64_t primitives;
  int arenas;
  friend bool operator==(const Growth&, const Growth&) = default;
};

Growth GrowthOf(Trainer& trainer) {
  return {kernels::MatMulPrimitiveCount(),
          trainer.runner().arena_growth_count()};
}

// Counts what all ranks allocate in a step.
absl::Status CountedStep(Trainer& trainer, int64_t* count) {
  comm::Communicator& world = trainer.grid().world();
  const auto all_here = [&world] {
    return world.Barrier({-1, "allocation test"}).Wait();
  };
  SWITCHYARD_RETURN_IF_ERROR(all_here());
  if (world.rank() == 0) StartCounting();
  SWITCHYARD_RETURN_IF_ERROR(all_here());
  const absl::Status status = trainer.Step().status();
  SWITCHYARD_RETURN_IF_ERROR(all_here());
  if (world.rank() == 0) *count = StopCounting();
  return status;
}

class AllocationTest : public ::testing::TestWithParam<Case> {};

TEST_P(AllocationTest, AStepWithoutANewMaximumAllocatesNothing) {
  TrainOptions options = SmallRun();
  options.lr = 1e-12;
  options.dtype = GetParam().dtype;
  options.recompute = GetParam().recompute;
  options.expert_parallel = GetParam().ranks;
  if (GetParam().overflow) {
    options.overflow.capacity_factor = *CapacityFactor::Parse("1.25");
    options.overflow.drop_policy = DropPolicy::kProbability;
    options.overflow.renormalize_survivors = true;
    options.overflow.no_token_left_behind = 4;
  }
  if (GetParam().mixed) MixLayers(options);
  std::vector<int64_t> counts;
  std::set<std::vector<int64_t>> loads;  // of the counted steps
  const absl::Status status = comm::RunRanks(
      GetParam().ranks, {}, [&](comm::Communicator& world) -> absl::Status {
        CpuDevice device(GetParam().threads);
        ThinningData data(options.model.vocabulary, options.seq_len,
                          options.global_batch);
        TrainerParts parts;
        parts.data = &data;
        SWITCHYARD_ASSIGN_OR_RETURN(
            const std::unique_ptr<Trainer> trainer,
            Trainer::Create(options, world, device, std::move(parts)));
        for (int64_t step = 0; step < kWarmUpSteps; ++step) {
          SWITCHYARD_RETURN_IF_ERROR(trainer->Step().status());
        }
        const std::vector<int64_t> most(trainer->assigned().begin(),
                                        trainer->assigned().end());
        const Growth before = GrowthOf(*trainer);
        for (int64_t step = 0; step < kCountedSteps; ++step) {
          int64_t count = 0;
          SWITCHYARD_RETURN_IF_ERROR(CountedStep(*trainer, &count));
          EXPECT_EQ(GrowthOf(*trainer), before);
          if (world.rank() != 0) continue;
          counts.push_back(count);
          const std::vector<int64_t> load(trainer->assigned().begin(),
                                          trainer->assigned().end());
          for (size_t i = 0; i < load.size(); ++i) {
            EXPECT_LE(load[i], most[i]) << "expert " << i;
          }
          EXPECT_NE(load, most);
          loads.insert(load);
        }
        return absl::OkStatus();
      });
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(counts, std::vector<int64_t>(kCountedSteps, 0));
  EXPECT_EQ(loads.size(), static_cast<size_t>(kCountedSteps))
      << "steps with the same loads prove little";
}

INSTANTIATE_TEST_SUITE_P(
    Runs, AllocationTest,
    ::testing::Values(
        Case{1, DType::kFloat32, 1, Recompute::kNone},
        Case{1, DType::kFloat32, 2, Recompute::kNone},
        Case{1, DType::kFloat32, 1, Recompute::kBlock},
        Case{1, DType::kBFloat16, 1, Recompute::kNone},
        Case{2, DType::kFloat32, 1, Recompute::kNone},
        Case{1, DType::kFloat32, 2, Recompute::kNone, true},
        Case{2, DType::kBFloat16, 1, Recompute::kBlock},
        Case{1, DType::kBFloat16, 1, Recompute::kNone, false, true},
        Case{2, DType::kFloat32, 1, Recompute::kBlock, false, true}),
    [](const auto& info) {
      return std::to_string(info.param.ranks) + "_ranks_" +
             std::string(NameOf(info.param.dtype)) + "_" +
             std::to_string(info.param.threads) +
             (info.param.recompute == Recompute::kBlock ? "_recompute" : "") +
             (info.param.overflow ? "_overflow" : "") +
             (info.param.mixed ? "_mixed" : "");
    });

TEST(AllocationTest, TheCounterCounts) {
  StartCounting();
  void* volatile data = std::malloc(1);
  EXPECT_EQ(StopCounting(), 1);
  std::free(data);

  // The guarded CPU maps its memory (from within a library where those are
  // shared), and keeps a list of it.
  GuardedDevice guarded;
  StartCounting();
  void* const mapped = guarded.Allocate(1);
  EXPECT_EQ(StopCounting(), 2);
  guarded.Free(mapped, 1);
}

}  // namespace
}  // namespace switchyard::testing
