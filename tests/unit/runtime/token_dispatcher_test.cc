// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/moe/token_dispatcher.h"

#include <cstdint>
#include <memory>
#include <vector>

#include "gtest/gtest.h"
#include "switchyard/base/cpu/cpu_device.h"
#include "switchyard/base/philox.h"
#include "switchyard/base/status.h"
#include "switchyard/comm/thread/thread_communicator.h"
#include "switchyard/kernels/permute.h"

namespace switchyard {
namespace {

constexpr int kExperts = 6;
constexpr int64_t kChoices = 2;
constexpr int64_t kWidth = 4;

// One rank's tokens: their experts drawn from all, or all the same ones.
struct Tokens {
  Tokens(int rank, int64_t count, bool one_expert) : count(count) {
    for (int64_t t = 0; t < count; ++t) {
      const PhiloxCounter words = Philox4x32(
          3, {static_cast<uint32_t>(t), static_cast<uint32_t>(rank), 0, 0});
      const int32_t first = one_expert ? 0 : words[0] % kExperts;
      const int32_t second = (first + 1 + words[1] % (kExperts - 1)) % kExperts;
      experts.push_back(first);
      experts.push_back(one_expert ? 1 : second);
      for (int64_t i = 0; i < kWidth; ++i) {
        values.push_back(static_cast<float>(rank * 1000 + t * 10 + i));
      }
    }
    valid.assign(count, 1);
  }
  int64_t count;
  std::vector<int32_t> experts;
  std::vector<float> values;
  std::vector<uint8_t> valid;
};

// What a rank finds after a dispatch of `tokens` and a return of the rows.
absl::Status RoundTrip(comm::Communicator& world, Tokens tokens,
                       int64_t capacity) {
  SWITCHYARD_ASSIGN_OR_RETURN(const Grid grid,
                              Grid::Create(world, world.size(), kExperts));
  CpuDevice device, host;
  const std::unique_ptr<Stream> stream = device.NewStream();
  Arena arena(device), decisions(device), tables(host);
  const Execution run{*stream, arena, decisions, tables, {}, nullptr, 0};
  RouterOutput router;
  router.experts = ConstTensorView(tokens.experts.data(), DType::kInt32,
                                   {tokens.count, kChoices});
  const ConstTensorView x(tokens.values.data(), DType::kFloat32,
                          {tokens.count, kWidth});
  const TokenDispatcher dispatcher(grid, 0, /*max_rows=*/0);
  Routing routing;
  SWITCHYARD_RETURN_IF_ERROR(dispatcher.Plan(
      run, router,
      ConstTensorView(tokens.valid.data(), DType::kUInt8, {tokens.count}),
      {.capacity = capacity}, routing));
  SWITCHYARD_ASSIGN_OR_RETURN(
      const TensorView rows,
      dispatcher.Dispatch(run, routing, x, ConstTensorView(), "there"));
  // Every row that arrived is the whole row of one token, in the order of
  // tokens within its segment; the padding is zero.
  int64_t received = 0;
  for (const kernels::Segment& segment : routing.segments) {
    float last = -1.0f;
    for (int64_t r = 0; r < segment.padded_rows; ++r) {
      const float* row = rows.data<float>() + (segment.row + r) * kWidth;
      for (int64_t i = 0; i < kWidth; ++i) {
        EXPECT_EQ(row[i], r < segment.rows ? row[0] + i : 0.0f);
      }
      if (r < segment.rows) {
        EXPECT_GT(row[0], last);
        last = row[0];
        ++received;
      }
    }
  }
  EXPECT_EQ(received, routing.received_rows);
  SWITCHYARD_RETURN_IF_ERROR(TokenDispatcher::Finish(
      run, dispatcher.Return(run, routing.chunks[0], rows, "back")));
  // Combined with weight 1, a token is itself as often as it was kept.
  const TensorView back = run.New(DType::kFloat32, {tokens.count, kWidth});
  kernels::Unpermute(*stream, {.buffer = rows,
                               .rows = routing.rows,
                               .gates = ConstTensorView(),
                               .y = back});
  int64_t kept = 0;
  for (int64_t t = 0; t < tokens.count; ++t) {
    int64_t copies = 0;
    for (int64_t j = 0; j < kChoices; ++j) {
      copies += routing.rows.data<int32_t>()[t * kChoices + j] >= 0;
    }
    kept += copies;
    for (int64_t i = 0; i < kWidth; ++i) {
      EXPECT_EQ(back.data<float>()[t * kWidth + i],
                copies * tokens.values[t * kWidth + i]);
    }
  }
  int64_t planned = 0, assigned = 0;
  for (int e = 0; e < kExperts; ++e) {
    planned += routing.kept[e];
    assigned += routing.assigned[e];
    EXPECT_TRUE(capacity == 0 || routing.kept[e] <= capacity) << e;
  }
  EXPECT_EQ(planned, kept);
  EXPECT_EQ(assigned, tokens.count * kChoices);
  EXPECT_TRUE(capacity > 0 || kept == assigned) << kept << " " << assigned;
  return absl::OkStatus();
}

class TokenDispatcherTest : public ::testing::TestWithParam<int> {};

TEST_P(TokenDispatcherTest, DispatchThenCombineIsTheIdentity) {
  for (int64_t capacity : {0, 5}) {
    EXPECT_TRUE(
        comm::RunRanks(GetParam(), {}, [&](comm::Communicator& world) {
          // Uneven, and none at all on rank 1.
          const int64_t count = world.rank() == 1 ? 0 : 20 + 7 * world.rank();
          return RoundTrip(world, Tokens(world.rank(), count, false), capacity);
        }).ok());
  }
}

TEST_P(TokenDispatcherTest, TwoExpertsTakeEverything) {
  EXPECT_TRUE(comm::RunRanks(GetParam(), {}, [&](comm::Communicator& world) {
                return RoundTrip(world, Tokens(world.rank(), 33, true), 0);
              }).ok());
}

INSTANTIATE_TEST_SUITE_P(Ranks, TokenDispatcherTest,
                         ::testing::Values(1, 2, 3, 6));

TEST(TokenDispatcherTest, EveryRankLearnsThatOneGetsTooManyRows) {
  std::vector<absl::Status> statuses(3);
  const absl::Status ran =
      comm::RunRanks(3, {}, [&](comm::Communicator& world) -> absl::Status {
        SWITCHYARD_ASSIGN_OR_RETURN(const Grid grid,
                                    Grid::Create(world, 3, kExperts));
        CpuDevice device, host;
        const std::unique_ptr<Stream> stream = device.NewStream();
        Arena arena(device), decisions(device), tables(host);
        const Execution run{*stream, arena, decisions, tables, {}, nullptr, 0};
        // Experts 0 and 1, both of rank 0, get all rows of 30 tokens.
        Tokens tokens(world.rank(), 10, true);
        RouterOutput router;
        router.experts = ConstTensorView(tokens.experts.data(), DType::kInt32,
                                         {tokens.count, kChoices});
        const ConstTensorView valid(tokens.valid.data(), DType::kUInt8,
                                    {tokens.count});
        Routing routing;
        const TokenDispatcher enough(grid, 3, /*max_rows=*/60);
        SWITCHYARD_RETURN_IF_ERROR(
            enough.Plan(run, router, valid, {}, routing));
        statuses[world.rank()] = TokenDispatcher(grid, 3, /*max_rows=*/59)
                                     .Plan(run, router, valid, {}, routing);
        return absl::OkStatus();
      });
  ASSERT_TRUE(ran.ok()) << ran;
  for (const absl::Status& status : statuses) {
    EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
    EXPECT_EQ(std::string(status.message()),
              "layer 3 sends 60 rows to the experts of rank 0, more than "
              "--max_rows_per_rank 59; raise it, lower --micro_batch, or bound "
              "the rows of an expert by --capacity_factor where tokens choose");
  }
}

}  // namespace
}  // namespace switchyard
