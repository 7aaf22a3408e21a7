// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The first promise: no bit of a run depends on the layout.
#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "switchyard/comm/self/self_communicator.h"
#include "switchyard/kernels/instruction_set.h"
#include "switchyard/kernels/lm_head.h"
#include "switchyard/kernels/matmul.h"
#include "switchyard/kernels/norms.h"
#include "switchyard/runtime/nn/transformer.h"
#include "switchyard/runtime/optim/shard_layout.h"
#include "switchyard/tests/support/any_device.h"
#include "switchyard/tests/support/layout_run.h"

namespace switchyard::testing {
namespace {

// 1 to 4 micro-batches a rank; 3 ranks do not divide the 4 micro-batches.
std::vector<Layout> AllLayouts() {
  return {{1, 1, 2}, {2, 1, 1}, {2, 2, 1}, {2, 2, 2}, {3, 1, 1},
          {4, 1, 1}, {4, 2, 1}, {4, 4, 1}, {4, 4, 2}};
}

RunRecord MustRun(const Layout& layout, const TrainOptions& options,
                  const std::function<void(Batch&)>& edit = nullptr) {
  const absl::StatusOr<RunRecord> record = RunOn(layout, options, edit);
  EXPECT_TRUE(record.ok()) << layout.ToString() << ": " << record.status();
  return record.ok() ? *record : RunRecord();
}

void ExpectSameBits(const TrainOptions& options,
                    const std::vector<Layout>& layouts,
                    const std::function<void(Batch&)>& edit = nullptr) {
  const RunRecord expected = MustRun({1, 1, 1}, options, edit);
  ASSERT_EQ(expected.losses.size(), static_cast<size_t>(options.steps));
  EXPECT_NE(expected.checksums.back(), expected.checksums.front())
      << "a run that changes nothing proves little";
  for (const Layout& layout : layouts) {
    EXPECT_EQ(Difference(expected, MustRun(layout, options, edit)), "")
        << layout.ToString();
  }
}

class LayoutInvarianceTest : public ::testing::TestWithParam<DType> {
 protected:
  TrainOptions Options() const {
    TrainOptions options = SmallRun();
    options.dtype = GetParam();
    return options;
  }
};

// Invariant A6: all losses and weights of 20 steps, on 1, 2 and 4 ranks that
// share the experts, that have copies of them, and both.
TEST_P(LayoutInvarianceTest, Dropless) {
  ExpectSameBits(Options(), AllLayouts());
}

TEST_P(LayoutInvarianceTest, Capacity) {
  TrainOptions options = Options();
  options.overflow.capacity_factor = *CapacityFactor::Parse("1.0");
  const RunRecord record = MustRun({1, 1, 1}, options);
  int64_t dropped = 0;
  for (int64_t step : record.dropped) dropped += step;
  EXPECT_GT(dropped, 0) << "nothing was dropped";
  ExpectSameBits(options, AllLayouts());
}

TEST_P(LayoutInvarianceTest, RecomputationChangesNoBit) {
  for (const char* capacity : {"0", "1.0"}) {
    TrainOptions options = Options();
    options.overflow.capacity_factor = *CapacityFactor::Parse(capacity);
    const RunRecord expected = MustRun({1, 1, 1}, options);
    options.recompute = Recompute::kBlock;
    for (const Layout& layout : {Layout{1, 1, 1},
                                 {1, 1, 2},
                                 {2, 2, 1},
                                 {2, 2, 2},
                                 {3, 1, 1},
                                 {4, 2, 1}}) {
      EXPECT_EQ(Difference(expected, MustRun(layout, options)), "")
          << layout.ToString() << ", capacity " << capacity;
    }
  }
}

// How WideRun's parameters are cut: see AWideModel.
struct Cuts {
  size_t most_buckets = 0;      // of a group
  int64_t most_chunks = 0;      // of a piece
  size_t split_parameters = 0;  // between ranks
};

Cuts CutsOf(const TrainOptions& options, int ranks) {
  const auto alone = comm::NewSelfCommunicator();
  const auto grid =
      Grid::Create(*alone, 1, static_cast<int>(options.model.experts));
  ParameterStore store(*grid, options.dtype);
  Transformer::Declare(store, options.model);
  Cuts cuts;
  std::map<const Parameter*, int> holders;
  for (const ParameterGroup& group : store.groups()) {
    for (int rank = 0; rank < ranks; ++rank) {
      const ShardLayout layout = MakeShardLayout(group.parameters, ranks, rank);
      cuts.most_buckets = std::max(cuts.most_buckets, layout.buckets.size());
      std::set<const Parameter*> held;
      for (const Piece& piece : layout.pieces) {
        const int64_t chunks =
            (piece.end - piece.begin + kernels::kNormChunk - 1) /
            kernels::kNormChunk;
        cuts.most_chunks = std::max(cuts.most_chunks, chunks);
        held.insert(piece.parameter);
      }
      for (const Parameter* parameter : held) ++holders[parameter];
    }
  }
  for (const auto& [parameter, count] : holders) {
    cuts.split_parameters += count > 1;
  }
  return cuts;
}

TEST_P(LayoutInvarianceTest, AWideModel) {
  TrainOptions options = WideRun();
  options.dtype = GetParam();
  for (const int ranks : {1, 2, 3}) {
    const Cuts cuts = CutsOf(options, ranks);
    EXPECT_GT(cuts.most_buckets, 1u) << ranks;
    EXPECT_GT(cuts.most_chunks, 1) << ranks;
    EXPECT_EQ(cuts.split_parameters > 0, ranks > 1) << ranks;
  }
  EXPECT_GT(options.micro_batch * options.seq_len, kernels::kLmHeadChunk);
  ExpectSameBits(options, {{1, 1, 2}, {2, 2, 2}, {3, 1, 1}, {4, 2, 1}});
}

TEST_P(LayoutInvarianceTest, PaddingAndUnlabelledPositions) {
  const auto edit = [](Batch& batch) {
    for (int64_t s = 0; s < batch.sequences; ++s) {
      const int64_t kept = batch.sequence_length -
                           batch.sequence_index[s] % batch.sequence_length;
      for (int64_t t = 0; t < batch.sequence_length; ++t) {
        const int64_t i = s * batch.sequence_length + t;
        if (t >= kept) batch.valid[i] = 0;
        if (t >= kept || t % 5 == 0) batch.labels[i] = kNoLabel;
      }
    }
  };
  ExpectSameBits(Options(), {{2, 2, 1}, {3, 1, 1}, {4, 2, 1}}, edit);
}

INSTANTIATE_TEST_SUITE_P(DTypes, LayoutInvarianceTest,
                         ::testing::Values(DType::kFloat32, DType::kBFloat16),
                         [](const auto& info) {
                           return std::string(NameOf(info.param));
                         });

TEST(LayoutInvarianceTest, SixExpertsOnThreeRanks) {
  TrainOptions options = SmallRun();
  options.model.experts = 6;
  ExpectSameBits(options, {{3, 3, 1}, {2, 2, 1}});
}

TEST(LayoutInvarianceTest, SevenExpertsOnSevenRanks) {
  TrainOptions options = SmallRun();
  options.model.experts = 7;
  ExpectSameBits(options, {{7, 7, 1}, {7, 1, 1}});
}

TEST(LayoutInvarianceTest, TopKEqualToTheNumberOfExperts) {
  TrainOptions options = SmallRun();
  options.model.experts = 4;
  options.model.experts_per_token = 4;
  ExpectSameBits(options, {{2, 2, 1}, {4, 4, 1}});
}

TEST(LayoutInvarianceTest, OneExpertInAll) {
  TrainOptions options = SmallRun();
  options.model.experts = 1;
  options.model.experts_per_token = 1;
  ExpectSameBits(options, {{2, 1, 1}, {4, 1, 1}});
}

TEST(LayoutInvarianceTest, TopOneRoutesByRawProbability) {
  TrainOptions options = SmallRun();
  options.model.experts_per_token = 1;
  ExpectSameBits(options, {{2, 2, 1}, {4, 4, 1}});
}

TEST(LayoutInvarianceTest, RanksWithoutATokenTakePart) {
  TrainOptions options = SmallRun();
  options.global_batch = 2;  // one micro-batch for all ranks
  ExpectSameBits(options, {{2, 2, 1}, {4, 4, 1}, {4, 1, 1}});
}

TEST(LayoutInvarianceTest, AStepWithoutALabelHasNoLossAndNoGradient) {
  TrainOptions options = SmallRun();
  options.steps = 2;
  options.warmup_steps = 0;
  options.model.balance_loss_coef = 0.0;
  options.model.router_z_loss_coef = 0.0;
  const auto edit = [](Batch& batch) {
    for (int32_t& label : batch.labels) label = kNoLabel;
  };
  const RunRecord record = MustRun({2, 2, 1}, options, edit);
  ASSERT_EQ(record.losses.size(), 2u);
  EXPECT_TRUE(std::isnan(record.losses[0])) << "absent";
  EXPECT_EQ(record.norms[0], 0.0);
  EXPECT_EQ(Difference(record, MustRun({1, 1, 1}, options, edit)), "");
}

// So runs in bf16, above, are about these products, and capped ones about ours.
TEST(LayoutInvarianceTest, BFloat16IsMultipliedByTheProcessorThatCan) {
  SWITCHYARD_CPU_ONLY();
  TrainOptions options = SmallRun();
  options.dtype = DType::kBFloat16;
  options.steps = 1;
  options.warmup_steps = 0;
  MustRun({2, 2, 1}, options);
  EXPECT_EQ(kernels::MatMulPrimitiveCount() > 0,
            kernels::HasBFloat16Products());
}

TEST(LayoutInvarianceTest, TheComparisonCanFail) {
  TrainOptions options = SmallRun();
  options.steps = 2;
  options.warmup_steps = 0;
  const RunRecord expected = MustRun({1, 1, 1}, options);
  options.seed += 1;
  EXPECT_NE(Difference(expected, MustRun({1, 1, 1}, options)), "");
}

}  // namespace
}  // namespace switchyard::testing
