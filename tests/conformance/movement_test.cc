// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include <vector>

#include "switchyard/base/status.h"
#include "switchyard/tests/conformance/buffer.h"
#include "switchyard/tests/conformance/implementation.h"
#include "switchyard/tests/conformance/values.h"

namespace switchyard::comm {
namespace {

constexpr Caller kCaller = {1, "movement"};

class MovementTest : public ConformanceTest {};

template <typename T>
absl::Status AllGatherCase(Rank& rank, const std::vector<int64_t>& counts,
                           bool in_place) {
  const int64_t begin = Begin(counts, rank.rank());
  const int64_t end = begin + counts[rank.rank()];
  const std::vector<T> mine = Input<T>(rank.rank(), begin, end);
  Buffer<T> recv(rank, Total(counts));
  Buffer<T> apart(rank, mine);
  ConstTensorView send = apart.view();
  if (in_place) {
    rank.stream.CopyToDevice(recv.view(begin, end), mine.data());
    send = recv.view(begin, end);
  }
  SWITCHYARD_RETURN_IF_ERROR(
      rank.world.AllGather(rank.stream, send, recv.view(), counts, kCaller)
          .Wait());
  std::vector<T> expected;
  for (int r = 0; r < rank.size(); ++r) {
    const int64_t first = Begin(counts, r);
    for (const T x : Input<T>(r, first, first + counts[r])) {
      expected.push_back(x);
    }
  }
  EXPECT_EQ(recv.Values(), expected) << (in_place ? "in place" : "apart");
  return absl::OkStatus();
}

template <typename T>
absl::Status AllGatherCases(Rank& rank) {
  for (const std::vector<int64_t>& counts : Divisions(rank.size())) {
    SWITCHYARD_RETURN_IF_ERROR(AllGatherCase<T>(rank, counts, false));
    SWITCHYARD_RETURN_IF_ERROR(AllGatherCase<T>(rank, counts, true));
  }
  return absl::OkStatus();
}

TEST_P(MovementTest, AllGather) {
  OnEveryRank([](Rank& rank) -> absl::Status {
    SWITCHYARD_RETURN_IF_ERROR(AllGatherCases<float>(rank));
    SWITCHYARD_RETURN_IF_ERROR(AllGatherCases<BFloat16>(rank));
    SWITCHYARD_RETURN_IF_ERROR(AllGatherCases<double>(rank));
    SWITCHYARD_RETURN_IF_ERROR(AllGatherCases<int32_t>(rank));
    SWITCHYARD_RETURN_IF_ERROR(AllGatherCases<int64_t>(rank));
    return AllGatherCases<uint8_t>(rank);
  });
}

template <typename T>
absl::Status BroadcastCases(Rank& rank) {
  for (int root = 0; root < rank.size(); ++root) {
    for (const int64_t count : {0, 1, 5, 211}) {
      Buffer<T> buffer(rank, count);
      const std::vector<T> expected = Input<T>(root, 0, count);
      if (rank.rank() == root) {
        rank.stream.CopyToDevice(buffer.view(), expected.data());
      }
      SWITCHYARD_RETURN_IF_ERROR(
          rank.world.Broadcast(rank.stream, buffer.view(), root, kCaller)
              .Wait());
      EXPECT_EQ(buffer.Values(), expected) << "from " << root;
    }
  }
  return absl::OkStatus();
}

TEST_P(MovementTest, Broadcast) {
  OnEveryRank([](Rank& rank) -> absl::Status {
    SWITCHYARD_RETURN_IF_ERROR(BroadcastCases<float>(rank));
    SWITCHYARD_RETURN_IF_ERROR(BroadcastCases<BFloat16>(rank));
    return BroadcastCases<uint8_t>(rank);
  });
}

INSTANTIATE_TEST_SUITE_P(All, MovementTest,
                         ::testing::ValuesIn(Implementations()), NameOfParam);

}  // namespace
}  // namespace switchyard::comm
