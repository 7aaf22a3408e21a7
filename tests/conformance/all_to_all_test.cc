// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include <functional>
#include <vector>

#include "switchyard/base/status.h"
#include "switchyard/tests/conformance/buffer.h"
#include "switchyard/tests/conformance/implementation.h"
#include "switchyard/tests/conformance/values.h"

namespace switchyard::comm {
namespace {

constexpr Caller kCaller = {2, "dispatch"};
constexpr int kBlocks = 3;  // between each pair of ranks, as for three experts

// Elements of block `b` from `sender` to `receiver`.
using CountOf = std::function<int64_t(int sender, int receiver, int b)>;

constexpr int kMaxRanks = 9;

// Where the value of an element says where it came from: all of it in two
// bytes. Of the lowest byte, all that uint8 keeps, those of two elements differ
// if they lie at the same place of different blocks or at different places
// (fewer than 256 apart) of the same one.
template <typename T>
T ValueOf(int sender, int receiver, int b, int64_t i) {
  const int64_t block = (sender * kMaxRanks + receiver) * kBlocks + b;
  static_assert(kMaxRanks * kMaxRanks * kBlocks <= 256);
  return Cast<T>((block + 149 * i) % 256 + 256 * (i % 64));
}

template <typename T>
struct Lists {
  std::vector<Block> send_blocks;
  std::vector<Block> recv_blocks;
  std::vector<T> send;
  std::vector<T> expected;
  int64_t sent_bytes = 0;
};

// Sends are listed by block, then peer, as a dispatcher that orders rows by
// expert has them; receives by peer, then block. One element between two
// received blocks is never written.
template <typename T>
Lists<T> MakeLists(int rank, int ranks, const CountOf& count_of) {
  Lists<T> lists;
  for (int b = 0; b < kBlocks; ++b) {
    for (int peer = 0; peer < ranks; ++peer) {
      const int64_t count = count_of(rank, peer, b);
      lists.send_blocks.push_back(
          {peer, static_cast<int64_t>(lists.send.size()), count});
      for (int64_t i = 0; i < count; ++i) {
        lists.send.push_back(ValueOf<T>(rank, peer, b, i));
      }
      if (peer != rank) lists.sent_bytes += count * sizeof(T);
    }
  }
  for (int peer = 0; peer < ranks; ++peer) {
    for (int b = 0; b < kBlocks; ++b) {
      const int64_t count = count_of(peer, rank, b);
      lists.recv_blocks.push_back(
          {peer, static_cast<int64_t>(lists.expected.size()), count});
      for (int64_t i = 0; i < count; ++i) {
        lists.expected.push_back(ValueOf<T>(peer, rank, b, i));
      }
      lists.expected.push_back(Buffer<T>::Pattern());
    }
  }
  return lists;
}

class AllToAllTest : public ConformanceTest {
 protected:
  template <typename T>
  static absl::Status Case(Rank& rank, const CountOf& count_of) {
    const Lists<T> lists = MakeLists<T>(rank.rank(), rank.size(), count_of);
    Buffer<T> send(rank, lists.send);
    Buffer<T> recv(rank, static_cast<int64_t>(lists.expected.size()));
    const int64_t before = rank.world.all_to_all_sent_bytes();
    SWITCHYARD_RETURN_IF_ERROR(rank.world
                                   .AllToAllV(rank.stream, send.view(),
                                              lists.send_blocks, recv.view(),
                                              lists.recv_blocks, kCaller)
                                   .Wait());
    EXPECT_EQ(recv.Values(), lists.expected);
    EXPECT_EQ(send.Values(), lists.send) << "what is sent stays as it was";
    EXPECT_EQ(rank.world.all_to_all_sent_bytes() - before, lists.sent_bytes);
    return absl::OkStatus();
  }

  void RunAllDtypes(const CountOf& count_of) {
    ASSERT_LE(GetParam().ranks, kMaxRanks);
    OnEveryRank([&](Rank& rank) -> absl::Status {
      SWITCHYARD_RETURN_IF_ERROR(Case<float>(rank, count_of));
      SWITCHYARD_RETURN_IF_ERROR(Case<BFloat16>(rank, count_of));
      SWITCHYARD_RETURN_IF_ERROR(Case<double>(rank, count_of));
      SWITCHYARD_RETURN_IF_ERROR(Case<int32_t>(rank, count_of));
      SWITCHYARD_RETURN_IF_ERROR(Case<int64_t>(rank, count_of));
      return Case<uint8_t>(rank, count_of);
    });
  }
};

TEST_P(AllToAllTest, EvenBlocks) {
  RunAllDtypes([](int, int, int) { return 4; });
}

TEST_P(AllToAllTest, UnevenBlocksSomeEmpty) {
  RunAllDtypes([](int sender, int receiver, int b) {
    return (7 * sender + 3 * receiver + 5 * b) % 4 * 9;
  });
}

TEST_P(AllToAllTest, NothingAtAll) {
  RunAllDtypes([](int, int, int) { return 0; });
}

// One rank hosts the expert that everyone wants.
TEST_P(AllToAllTest, AllGoesToTheLastRank) {
  const int last = GetParam().ranks - 1;
  RunAllDtypes([last](int, int receiver, int b) {
    return receiver == last && b == 1 ? 300 : 0;
  });
}

TEST_P(AllToAllTest, OnlyTheFirstRankSends) {
  RunAllDtypes([](int sender, int, int b) { return sender == 0 ? 11 * b : 0; });
}

TEST_P(AllToAllTest, NothingCrosses) {
  RunAllDtypes([](int sender, int receiver, int b) {
    return sender == receiver ? 2 + b : 0;
  });
}

TEST_P(AllToAllTest, EmptyListsAreEnough) {
  OnEveryRank([](Rank& rank) -> absl::Status {
    Buffer<float> send(rank, 0);
    Buffer<float> recv(rank, 5);
    SWITCHYARD_RETURN_IF_ERROR(
        rank.world
            .AllToAllV(rank.stream, send.view(), {}, recv.view(), {}, kCaller)
            .Wait());
    EXPECT_EQ(recv.Values(), std::vector<float>(5, Buffer<float>::Pattern()));
    return absl::OkStatus();
  });
}

// Empty blocks take no part in the matching: the lists may differ in them.
TEST_P(AllToAllTest, EmptyBlocksMatchNothing) {
  OnEveryRank([](Rank& rank) -> absl::Status {
    const int next = (rank.rank() + 1) % rank.size();
    const int previous = (rank.rank() + rank.size() - 1) % rank.size();
    Buffer<int32_t> send(rank, {rank.rank(), rank.rank() + 100});
    Buffer<int32_t> recv(rank, 2);
    const std::vector<Block> send_blocks = {
        {next, 0, 0}, {next, 0, 1}, {next, 1, 0}, {next, 1, 1}};
    const std::vector<Block> recv_blocks = {{previous, 1, 1}, {previous, 0, 1}};
    SWITCHYARD_RETURN_IF_ERROR(rank.world
                                   .AllToAllV(rank.stream, send.view(),
                                              send_blocks, recv.view(),
                                              recv_blocks, kCaller)
                                   .Wait());
    EXPECT_EQ(recv.Values(), (std::vector<int32_t>{previous + 100, previous}));
    return absl::OkStatus();
  });
}

INSTANTIATE_TEST_SUITE_P(All, AllToAllTest,
                         ::testing::ValuesIn(Implementations()), NameOfParam);

}  // namespace
}  // namespace switchyard::comm
