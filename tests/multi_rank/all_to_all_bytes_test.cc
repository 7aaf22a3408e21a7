// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// What a step moves between the ranks of an expert-parallel group, to the byte.
// Every assignment that is kept by an expert of another rank moves one row of
// hidden_size elements four times: dispatch and combine, and the gradients of
// both. With --recompute block the forward passes run twice: six times. Counts
// are told once a layer and round, by forward passes that decide: an int32 for
// every expert of every peer.
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "switchyard/base/cpu/cpu_device.h"
#include "switchyard/base/status.h"
#include "switchyard/comm/thread/thread_communicator.h"
#include "switchyard/runtime/train/trainer.h"
#include "switchyard/tests/support/layout_run.h"
#include "switchyard/tests/support/synthetic_data.h"

namespace switchyard::testing {
namespace {

struct Moved {
  int64_t bytes = 0;   // that this rank's group counted in the step
  int64_t counts = 0;  // what numbers of rows take of them
  int64_t sent = 0;    // off-rank assignments kept, of all ranks and layers
  int64_t dropped = 0;
};

absl::StatusOr<Moved> StepOf(comm::Communicator& world,
                             const TrainOptions& options) {
  CpuDevice device(1);
  SyntheticData data(options.model.vocabulary, options.seq_len,
                     options.global_batch);
  TrainerParts parts;
  parts.data = &data;
  SWITCHYARD_ASSIGN_OR_RETURN(
      const std::unique_ptr<Trainer> trainer,
      Trainer::Create(options, world, device, std::move(parts)));
  // Not the first step: what a run does once is behind it.
  SWITCHYARD_RETURN_IF_ERROR(trainer->Step().status());
  const comm::Communicator& group = trainer->grid().expert_parallel();
  const int64_t before = group.all_to_all_sent_bytes();
  SWITCHYARD_RETURN_IF_ERROR(trainer->Step().status());
  Moved moved;
  moved.bytes = group.all_to_all_sent_bytes() - before;
  const int64_t layers = ExpertLayerCount(options.model);
  for (int layer = 0; layer < layers; ++layer) {
    moved.sent += trainer->statistics().sent(layer);
  }
  moved.dropped = trainer->statistics().dropped();
  const int64_t micro_batches = options.global_batch / options.micro_batch;
  const int64_t rounds = (micro_batches + world.size() - 1) / world.size();
  const int64_t peers = options.expert_parallel - 1;
  moved.counts = rounds * layers * peers *
                 (options.model.experts / options.expert_parallel) *
                 static_cast<int64_t>(sizeof(int32_t));
  return moved;
}

struct Case {
  DType dtype;
  int ranks, width;
  const char* capacity_factor;
  Recompute recompute;
};

std::string NameOfCase(const Case& c) {
  return absl::StrCat(NameOf(c.dtype), "_", c.ranks, "_ranks_width_", c.width,
                      c.capacity_factor[0] == '0' ? "_dropless" : "_capacity",
                      c.recompute == Recompute::kBlock ? "_recompute" : "");
}

std::vector<Case> Cases() {
  std::vector<Case> cases;
  for (const DType dtype : {DType::kFloat32, DType::kBFloat16}) {
    for (const int width : {2, 4}) {
      for (const char* factor : {"0", "1"}) {
        for (const Recompute recompute :
             {Recompute::kNone, Recompute::kBlock}) {
          cases.push_back({dtype, width, width, factor, recompute});
        }
      }
    }
  }
  // Two groups, and one rank of all has nothing in a round.
  cases.push_back({DType::kFloat32, 4, 2, "0", Recompute::kNone});
  return cases;
}

class AllToAllBytesTest : public ::testing::TestWithParam<Case> {
 protected:
  // Three micro-batches: with two ranks the second has none in the second
  // round, with four the last has none at all.
  static TrainOptions Options() {
    const Case& c = GetParam();
    TrainOptions options = SmallRun();
    options.steps = 2;
    options.warmup_steps = 0;
    options.global_batch = 6;
    options.dtype = c.dtype;
    options.expert_parallel = c.width;
    options.recompute = c.recompute;
    options.overflow.capacity_factor =
        *CapacityFactor::Parse(c.capacity_factor);
    return options;
  }
};

TEST_P(AllToAllBytesTest, AreFourRowsOfEveryKeptAssignmentOfAnotherRank) {
  const TrainOptions options = Options();
  ASSERT_TRUE(Validate(options).ok());
  std::vector<Moved> ranks(GetParam().ranks);
  const absl::Status ran = comm::RunRanks(
      GetParam().ranks, {}, [&](comm::Communicator& world) -> absl::Status {
        SWITCHYARD_ASSIGN_OR_RETURN(ranks[world.rank()],
                                    StepOf(world, options));
        return absl::OkStatus();
      });
  ASSERT_TRUE(ran.ok()) << ran;
  const int64_t movements = options.recompute == Recompute::kBlock ? 6 : 4;
  int64_t rows_bytes = 0;
  for (const Moved& rank : ranks) {
    EXPECT_EQ(rank.sent, ranks[0].sent);
    EXPECT_GE(rank.bytes, rank.counts);
    rows_bytes += rank.bytes - rank.counts;
  }
  EXPECT_GT(ranks[0].sent, 0);
  EXPECT_EQ(ranks[0].dropped > 0, !options.overflow.dropless());
  EXPECT_EQ(rows_bytes, movements * ranks[0].sent * options.model.hidden_size *
                            static_cast<int64_t>(SizeOf(options.dtype)));
}

INSTANTIATE_TEST_SUITE_P(Steps, AllToAllBytesTest, ::testing::ValuesIn(Cases()),
                         [](const auto& info) {
                           return NameOfCase(info.param);
                         });

}  // namespace
}  // namespace switchyard::testing
