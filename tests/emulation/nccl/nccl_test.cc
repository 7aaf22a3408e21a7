// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// What calls of NCCL do. Ranks are threads.
#include "nccl.h"

#include <numeric>

#include "emulation/control.h"
#include "gmock/gmock.h"
#include "nccl/test_ranks.h"

namespace switchyard::emulation {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class NcclTest : public ::testing::TestWithParam<int> {};

TEST_P(NcclTest, AllReduce) {
  RunThreads(GetParam(), [](TestRank& self, const ncclUniqueId& id) {
    const ncclComm_t comm = self.Connect(id);
    const int n = self.size();
    const auto reduce = [&]<typename T>(T mine, ncclDataType_t type,
                                        ncclRedOp_t op) {
      T* const values = self.Upload(std::vector<T>(5, mine));
      EXPECT_EQ(ncclAllReduce(values, values, 5, type, op, comm, self.stream()),
                ncclSuccess);
      EXPECT_EQ(self.StateOf(comm), ncclSuccess);
      return self.Download(values, 5)[4];
    };
    const int r = self.rank() + 1;
    EXPECT_EQ(reduce(float(r), ncclFloat32, ncclSum), n * (n + 1) / 2);
    EXPECT_EQ(reduce(double(r), ncclFloat64, ncclMax), n);
    EXPECT_EQ(reduce(int32_t(r), ncclInt32, ncclMin), 1);
    EXPECT_EQ(reduce(int64_t{r} << 40, ncclInt64, ncclSum),
              int64_t{n} * (n + 1) / 2 << 40);
    EXPECT_EQ(reduce(uint8_t(r), ncclUint8, ncclMax), n);
    EXPECT_EQ(reduce(float(r), ncclFloat32, ncclAvg), (n + 1) / 2.0f);
    EXPECT_EQ(
        __bfloat162float(reduce(__float2bfloat16(r), ncclBfloat16, ncclSum)),
        n * (n + 1) / 2);
    EXPECT_EQ(ncclCommDestroy(comm), ncclSuccess);
  });
}

TEST_P(NcclTest, GatherScatterAndRoots) {
  RunThreads(GetParam(), [](TestRank& self, const ncclUniqueId& id) {
    const ncclComm_t comm = self.Connect(id);
    const int n = self.size();
    const int last = n - 1;
    int* const one = self.Upload(std::vector<int>{self.rank()});
    int* const all = self.Upload(std::vector<int>(n, -1));
    EXPECT_EQ(ncclAllGather(one, all, 1, ncclInt32, comm, self.stream()),
              ncclSuccess);
    EXPECT_EQ(self.StateOf(comm), ncclSuccess);
    std::vector<int> expected(n);
    std::iota(expected.begin(), expected.end(), 0);
    EXPECT_EQ(self.Download(all, n), expected);
    EXPECT_EQ(
        ncclReduceScatter(all, one, 1, ncclInt32, ncclSum, comm, self.stream()),
        ncclSuccess);
    EXPECT_EQ(self.StateOf(comm), ncclSuccess);
    EXPECT_EQ(self.Download(one, 1)[0], n * self.rank());
    EXPECT_EQ(ncclReduce(one, self.rank() == last ? all : nullptr, 1, ncclInt32,
                         ncclSum, last, comm, self.stream()),
              ncclSuccess);
    EXPECT_EQ(ncclBroadcast(self.rank() == last ? all : nullptr, one, 1,
                            ncclInt32, last, comm, self.stream()),
              ncclSuccess);
    EXPECT_EQ(self.StateOf(comm), ncclSuccess);
    EXPECT_EQ(self.Download(one, 1)[0], n * n * (n - 1) / 2);
    EXPECT_EQ(ncclCommDestroy(comm), ncclSuccess);
  });
}

// Rank r sends r + p + 1 values to rank p, itself included. Ranks call in
// different orders inside the group.
TEST_P(NcclTest, AllToAll) {
  RunThreads(GetParam(), [](TestRank& self, const ncclUniqueId& id) {
    const ncclComm_t comm = self.Connect(id);
    const int n = self.size();
    std::vector<float*> in, out;
    for (int p = 0; p < n; ++p) {
      const size_t count = self.rank() + p + 1;
      in.push_back(
          self.Upload(std::vector<float>(count, 100.0f * self.rank() + p)));
      out.push_back(self.Upload(std::vector<float>(count, -1)));
    }
    ncclGroupStart();
    for (int i = 0; i < n; ++i) {
      const int p = self.rank() % 2 == 0 ? i : n - 1 - i;
      const size_t count = self.rank() + p + 1;
      EXPECT_EQ(ncclRecv(out[p], count, ncclFloat32, p, comm, self.stream()),
                ncclSuccess);
      EXPECT_EQ(ncclSend(in[p], count, ncclFloat32, p, comm, self.stream()),
                ncclSuccess);
    }
    EXPECT_EQ(ncclGroupEnd(), ncclSuccess);
    EXPECT_EQ(self.StateOf(comm), ncclSuccess) << ncclGetLastError(comm);
    for (int p = 0; p < n; ++p) {
      EXPECT_THAT(self.Download(out[p], self.rank() + p + 1),
                  ::testing::Each(100.0f * p + self.rank()));
    }
    EXPECT_EQ(ncclCommDestroy(comm), ncclSuccess);
  });
}

// Even and odd ranks, the last first; those without a color have none.
TEST_P(NcclTest, Split) {
  RunThreads(GetParam(), [](TestRank& self, const ncclUniqueId& id) {
    const ncclComm_t comm = self.Connect(id);
    ncclComm_t part = nullptr;
    const int parity = self.rank() % 2;
    EXPECT_EQ(ncclCommSplit(comm, parity, -self.rank(), &part, nullptr),
              ncclSuccess);
    int size = 0, rank = -1;
    EXPECT_EQ(ncclCommCount(part, &size), ncclSuccess);
    EXPECT_EQ(ncclCommUserRank(part, &rank), ncclSuccess);
    EXPECT_EQ(size, (self.size() + 1 - parity) / 2);
    EXPECT_EQ(rank, size - 1 - self.rank() / 2);
    int* const value = self.Upload(std::vector<int>{self.rank()});
    EXPECT_EQ(
        ncclAllReduce(value, value, 1, ncclInt32, ncclMax, part, self.stream()),
        ncclSuccess);
    EXPECT_EQ(self.StateOf(part), ncclSuccess);
    EXPECT_EQ(self.Download(value, 1)[0], parity + 2 * (size - 1));
    ncclComm_t none = comm;
    const int color = self.rank() == 0 ? NCCL_SPLIT_NOCOLOR : 3;
    EXPECT_EQ(ncclCommSplit(comm, color, 0, &none, nullptr), ncclSuccess);
    EXPECT_EQ(none == nullptr, self.rank() == 0);
    EXPECT_EQ(ncclCommDestroy(part), ncclSuccess);
    if (none != nullptr) {
      EXPECT_EQ(ncclCommDestroy(none), ncclSuccess);
    }
    EXPECT_EQ(ncclCommDestroy(comm), ncclSuccess);
  });
}

INSTANTIATE_TEST_SUITE_P(Sizes, NcclTest, ::testing::Values(1, 2, 3, 4));

TEST(Nccl, CallsThatDoNotBlockAreOverLater) {
  RunThreads(2, [](TestRank& self, const ncclUniqueId& id) {
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    config.blocking = 0;
    ncclComm_t comm = nullptr;
    ncclResult_t state =
        ncclCommInitRankConfig(&comm, 2, id, self.rank(), &config);
    while (state == ncclInProgress) ncclCommGetAsyncError(comm, &state);
    ASSERT_EQ(state, ncclSuccess);
    float* const value = self.Upload(std::vector<float>{1});
    EXPECT_EQ(ncclAllReduce(value, value, 1, ncclFloat32, ncclSum, comm,
                            self.stream()),
              ncclSuccess);
    state = ncclCommFinalize(comm);
    while (state == ncclInProgress) ncclCommGetAsyncError(comm, &state);
    EXPECT_EQ(state, ncclSuccess);
    EXPECT_EQ(self.Download(value, 1)[0], 2);
    EXPECT_EQ(ncclCommDestroy(comm), ncclSuccess);
  });
}

// The host goes on while a call waits, and what is behind it waits too.
TEST(Nccl, StreamsWaitForCalls) {
  RunThreads(2, [](TestRank& self, const ncclUniqueId& id) {
    const ncclComm_t comm = self.Connect(id);
    const cudaStream_t other = self.NewStream();
    float* const value = self.Upload(std::vector<float>{1});
    float* const copy = self.Upload(std::vector<float>{-1});
    cudaEvent_t event = nullptr;
    ASSERT_EQ(cudaEventCreateWithFlags(&event, cudaEventDisableTiming),
              cudaSuccess);
    for (int i = 0; i < 20; ++i) {
      EXPECT_EQ(ncclAllReduce(value, value, 1, ncclFloat32, ncclSum, comm,
                              self.stream()),
                ncclSuccess);
    }
    ASSERT_EQ(cudaEventRecord(event, self.stream()), cudaSuccess);
    ASSERT_EQ(cudaStreamWaitEvent(other, event), cudaSuccess);
    ASSERT_EQ(cudaMemcpyAsync(copy, value, 4, cudaMemcpyDeviceToDevice, other),
              cudaSuccess);
    ASSERT_EQ(cudaStreamSynchronize(other), cudaSuccess);
    EXPECT_THAT(self.Download(copy, 1), ElementsAre(1 << 20));
    EXPECT_EQ(cudaEventDestroy(event), cudaSuccess);
    EXPECT_EQ(ncclCommDestroy(comm), ncclSuccess);
  });
}

// To the race checker a call reads and writes its buffers in its stream.
TEST(Nccl, CallsRaceWithOtherStreams) {
  SetRaceChecks(true);
  RunThreads(1, [](TestRank& self, const ncclUniqueId& id) {
    const ncclComm_t comm = self.Connect(id);
    const cudaStream_t other = self.NewStream();
    float* const values = self.Upload(std::vector<float>(8, 1));
    cudaEvent_t event = nullptr;
    ASSERT_EQ(cudaEventCreateWithFlags(&event, cudaEventDisableTiming),
              cudaSuccess);
    const auto reduce = [&] {
      EXPECT_EQ(ncclAllReduce(values, values, 8, ncclFloat32, ncclSum, comm,
                              self.stream()),
                ncclSuccess);
      ASSERT_EQ(cudaEventRecord(event, self.stream()), cudaSuccess);
    };
    reduce();
    ASSERT_EQ(cudaStreamWaitEvent(other, event), cudaSuccess);
    ASSERT_EQ(cudaMemsetAsync(values, 0, 32, other), cudaSuccess);
    EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);
    reduce();
    ASSERT_EQ(cudaMemsetAsync(values, 0, 32, other), cudaSuccess);
    EXPECT_EQ(cudaDeviceSynchronize(), cudaErrorLaunchFailure);
    EXPECT_THAT(LastFailure(),
                ::testing::AllOf(HasSubstr("ncclAllReduce(count 8"),
                                 HasSubstr("cudaMemsetAsync (operation")));
    ClearFailure();
    EXPECT_EQ(cudaEventDestroy(event), cudaSuccess);
    EXPECT_EQ(ncclCommDestroy(comm), ncclSuccess);
  });
  SetRaceChecks(false);
}

}  // namespace
}  // namespace switchyard::emulation
