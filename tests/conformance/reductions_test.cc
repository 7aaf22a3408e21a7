// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include <memory>
#include <vector>

#include "switchyard/base/status.h"
#include "switchyard/tests/conformance/buffer.h"
#include "switchyard/tests/conformance/implementation.h"
#include "switchyard/tests/conformance/values.h"

namespace switchyard::comm {
namespace {

constexpr Caller kCaller = {3, "reduction"};
constexpr ReduceOp kOps[] = {ReduceOp::kSum, ReduceOp::kMin, ReduceOp::kMax};

class ReductionTest : public ConformanceTest {};

template <typename T>
absl::Status AllReduceCase(Rank& rank, int64_t count, ReduceOp op) {
  Buffer<T> buffer(rank, Input<T>(rank.rank(), 0, count));
  SWITCHYARD_RETURN_IF_ERROR(
      rank.world.AllReduce(rank.stream, buffer.view(), op, kCaller).Wait());
  EXPECT_EQ(buffer.Values(), Reduced<T>(op, rank.size(), 0, count));
  return absl::OkStatus();
}

template <typename T>
absl::Status AllReduceCases(Rank& rank) {
  for (const ReduceOp op : kOps) {
    for (const int64_t count : {0, 1, 5, 6, 1000}) {
      SWITCHYARD_RETURN_IF_ERROR(AllReduceCase<T>(rank, count, op));
    }
  }
  return absl::OkStatus();
}

TEST_P(ReductionTest, AllReduce) {
  OnEveryRank([](Rank& rank) -> absl::Status {
    SWITCHYARD_RETURN_IF_ERROR(AllReduceCases<float>(rank));
    SWITCHYARD_RETURN_IF_ERROR(AllReduceCases<double>(rank));
    SWITCHYARD_RETURN_IF_ERROR(AllReduceCases<int32_t>(rank));
    return AllReduceCases<int64_t>(rank);
  });
}

// Gradients are 64-bit integers whose bits must all survive.
TEST_P(ReductionTest, SumsOfLargeIntegersAreExact) {
  OnEveryRank([](Rank& rank) -> absl::Status {
    const int64_t large = (int64_t{1} << 59) + 1;
    Buffer<int64_t> buffer(rank, std::vector<int64_t>(3, large));
    SWITCHYARD_RETURN_IF_ERROR(
        rank.world
            .AllReduce(rank.stream, buffer.view(), ReduceOp::kSum, kCaller)
            .Wait());
    EXPECT_EQ(buffer.Values(), std::vector<int64_t>(3, large * rank.size()));
    return absl::OkStatus();
  });
}

template <typename T>
absl::Status ReduceScatterCase(Rank& rank, const std::vector<int64_t>& counts,
                               ReduceOp op, bool in_place) {
  const int64_t begin = Begin(counts, rank.rank());
  const int64_t end = begin + counts[rank.rank()];
  Buffer<T> send(rank, Input<T>(rank.rank(), 0, Total(counts)));
  Buffer<T> apart(rank, counts[rank.rank()]);
  const TensorView recv = in_place ? send.view(begin, end) : apart.view();
  SWITCHYARD_RETURN_IF_ERROR(
      rank.world
          .ReduceScatter(rank.stream, send.view(), recv, counts, op, kCaller)
          .Wait());
  std::vector<T> result = apart.Values();
  if (in_place) {
    const std::vector<T> all = send.Values();
    result.assign(all.begin() + begin, all.begin() + end);
  }
  EXPECT_EQ(result, Reduced<T>(op, rank.size(), begin, end))
      << (in_place ? "in place" : "apart");
  return absl::OkStatus();
}

template <typename T>
absl::Status ReduceScatterCases(Rank& rank) {
  for (const std::vector<int64_t>& counts : Divisions(rank.size())) {
    for (const ReduceOp op : kOps) {
      for (const bool in_place : {false, true}) {
        SWITCHYARD_RETURN_IF_ERROR(
            ReduceScatterCase<T>(rank, counts, op, in_place));
      }
    }
  }
  return absl::OkStatus();
}

TEST_P(ReductionTest, ReduceScatter) {
  OnEveryRank([](Rank& rank) -> absl::Status {
    SWITCHYARD_RETURN_IF_ERROR(ReduceScatterCases<float>(rank));
    SWITCHYARD_RETURN_IF_ERROR(ReduceScatterCases<double>(rank));
    SWITCHYARD_RETURN_IF_ERROR(ReduceScatterCases<int32_t>(rank));
    return ReduceScatterCases<int64_t>(rank);
  });
}

// A few calls under way that are polled, as a backward pass does it.
TEST_P(ReductionTest, PolledTicketsEndAsOthersDo) {
  OnEveryRank([](Rank& rank) -> absl::Status {
    constexpr int64_t kEach = 700;
    constexpr size_t kCalls = 5;
    const std::vector<int64_t> counts(rank.size(), kEach);
    const int64_t total = kEach * rank.size();
    const int64_t begin = kEach * rank.rank(), end = begin + kEach;
    std::vector<std::unique_ptr<Buffer<int64_t>>> buffers;
    std::vector<Ticket> tickets;
    for (size_t i = 0; i < kCalls; ++i) {
      buffers.push_back(std::make_unique<Buffer<int64_t>>(
          rank, Input<int64_t>(rank.rank(), 0, total)));
      tickets.push_back(rank.world.ReduceScatter(
          rank.stream, buffers[i]->view(), buffers[i]->view(begin, end), counts,
          ReduceOp::kSum, kCaller));
      for (Ticket& ticket : tickets) ticket.Poll();
    }
    for (size_t i = 0; i < kCalls; ++i) {
      SWITCHYARD_RETURN_IF_ERROR(tickets[i].Wait());
      EXPECT_TRUE(tickets[i].Poll()) << "nothing is left of it";
      const std::vector<int64_t> all = buffers[i]->Values();
      EXPECT_EQ(std::vector<int64_t>(all.begin() + begin, all.begin() + end),
                Reduced<int64_t>(ReduceOp::kSum, rank.size(), begin, end));
    }
    return absl::OkStatus();
  });
}

INSTANTIATE_TEST_SUITE_P(All, ReductionTest,
                         ::testing::ValuesIn(Implementations()), NameOfParam);

}  // namespace
}  // namespace switchyard::comm
