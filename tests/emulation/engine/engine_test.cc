// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "test_device.h"

namespace switchyard::emulation {
namespace {

using ::testing::Each;

__global__ void WriteIndices(int* out) {
  const int block = blockIdx.x + gridDim.x * blockIdx.y;
  const int thread = threadIdx.x + blockDim.x * threadIdx.y;
  const int threads = blockDim.x * blockDim.y;
  out[block * threads + thread] = block * 1000 + thread;
}

__global__ void ReverseBlock(int* values) {
  SWITCHYARD_SHARED(int, tile, [1024]);
  tile[threadIdx.x] = values[threadIdx.x];
  __syncthreads();
  values[threadIdx.x] = tile[blockDim.x - 1 - threadIdx.x];
}

// A sum that is right only if shuffles, barriers and shared memory are.
__global__ void SumBlock(const int* in, int* out) {
  SWITCHYARD_SHARED(int, sums, [32]);
  int value = in[blockIdx.x * blockDim.x + threadIdx.x];
  for (int distance = 16; distance > 0; distance /= 2) {
    value += __shfl_xor_sync(0xffffffffu, value, distance);
  }
  if (threadIdx.x % 32 == 0) sums[threadIdx.x / 32] = value;
  __syncthreads();
  if (threadIdx.x == 0) {
    int sum = 0;
    for (unsigned i = 0; i < blockDim.x / 32; ++i) sum += sums[i];
    out[blockIdx.x] = sum;
  }
}

__global__ void Warps(long long* out) {
  const unsigned all = 0xffffffffu;
  const int lane = threadIdx.x;
  long long* const mine = out + lane * 12;
  mine[0] = __shfl_sync(all, lane * 10, 3);
  mine[1] = __shfl_up_sync(all, lane, 2);
  mine[2] = __shfl_down_sync(all, lane, 2);
  mine[3] = __shfl_xor_sync(all, lane, 1, 8);
  mine[4] = __ballot_sync(all, lane % 2);
  mine[5] = __any_sync(all, lane == 5);
  mine[6] = __all_sync(all, lane == 5);
  mine[7] = __reduce_add_sync(all, static_cast<unsigned>(lane));
  mine[8] = __reduce_min_sync(all, lane - 7);
  mine[9] = __match_any_sync(all, lane / 16);
  mine[10] = __shfl_xor_sync(all, 1ll << 40 | lane, 31);
  mine[11] = __syncthreads_count(lane < 9);
}

__global__ void DynamicTile(int* out) {
  int* const tile = SWITCHYARD_DYNAMIC_SHARED(int);
  out[threadIdx.x] = tile[threadIdx.x];
  tile[threadIdx.x] = 7;
}

__global__ void CopyLate(const int4* in, int4* out, int wait) {
  SWITCHYARD_SHARED(int4, tile, [32]);
  AsyncCopy(&tile[threadIdx.x], &in[threadIdx.x], 16);
  AsyncCommit();
  if (wait) AsyncWait(0);
  out[threadIdx.x] = tile[threadIdx.x];
  if (!wait) AsyncWait(0);
}

__global__ void ExchangeIndices(int* out) {
  const int lane = LaneIndex();
  for (int i = 0; i < 4; ++i) {
    const int mine = lane * 4 + i;
    const auto* const all =
        static_cast<const int*>(WarpExchange(&mine, sizeof mine));
    out[threadIdx.x * 4 + i] = all[(lane + i) % 32];
  }
}

__global__ void CountUp(int* counter, int* order) {
  order[atomicAdd(counter, 1)] = threadIdx.x;
}

class EngineTest : public DeviceTest {};

TEST_F(EngineTest, EveryThreadOfEveryBlockRuns) {
  int* const out = Allocate<int>(6 * 40);
  ASSERT_EQ(
      SWITCHYARD_LAUNCH(WriteIndices, dim3(2, 3), dim3(8, 5), 0, stream_, out),
      cudaSuccess);
  const std::vector<int> values = Download(out, 6 * 40);
  for (int i = 0; i < 6 * 40; ++i) EXPECT_EQ(values[i], i / 40 * 1000 + i % 40);
}

TEST_F(EngineTest, OrdersAgree) {
  std::vector<int> in(3 * 1024);
  for (int i = 0; i < 3 * 1024; ++i) in[i] = i * i % 1001;
  int expected[3] = {};
  for (int i = 0; i < 3 * 1024; ++i) expected[i / 1024] += in[i];
  int* const values = Upload(in);
  int* const out = Allocate<int>(3);
  for (const Order order :
       {Order::kForward, Order::kReverse, Order::kRandom, Order::kSkew}) {
    for (uint64_t seed = 1; seed <= 3; ++seed) {
      settings().order = order;
      settings().seed = seed;
      ASSERT_EQ(cudaMemsetAsync(out, 0, sizeof expected, stream_), cudaSuccess);
      ASSERT_EQ(SWITCHYARD_LAUNCH(SumBlock, 3, 1024, 0, stream_, values, out),
                cudaSuccess);
      EXPECT_THAT(Download(out, 3), ::testing::ElementsAreArray(expected));
    }
  }
}

// The first thread and block to run are those that the order names.
TEST_F(EngineTest, OrdersDiffer) {
  const auto run = [this](Order order) {
    settings().order = order;
    int* const counter = Upload(std::vector<int>{0});
    int* const sequence = Allocate<int>(128);
    SWITCHYARD_LAUNCH(CountUp, 1, 128, 0, stream_, counter, sequence);
    return Download(sequence, 128);
  };
  std::vector<int> forward(128);
  for (int i = 0; i < 128; ++i) forward[i] = i;
  const std::vector<int> backward(forward.rbegin(), forward.rend());
  EXPECT_EQ(run(Order::kForward), forward);
  EXPECT_EQ(run(Order::kReverse), backward);
  const std::vector<int> random = run(Order::kRandom);
  EXPECT_NE(random, forward);
  EXPECT_THAT(random, ::testing::UnorderedElementsAreArray(forward));
  EXPECT_THAT(run(Order::kSkew), ::testing::UnorderedElementsAreArray(forward));
}

TEST_F(EngineTest, BarrierOrdersSharedMemory) {
  std::vector<int> in(1024);
  for (int i = 0; i < 1024; ++i) in[i] = i;
  int* const values = Upload(in);
  ASSERT_EQ(SWITCHYARD_LAUNCH(ReverseBlock, 1, 1024, 0, stream_, values),
            cudaSuccess);
  const std::vector<int> out = Download(values, 1024);
  for (int i = 0; i < 1024; ++i) EXPECT_EQ(out[i], 1023 - i);
}

TEST_F(EngineTest, WarpOperations) {
  auto* const out = Allocate<long long>(32 * 12);
  ASSERT_EQ(SWITCHYARD_LAUNCH(Warps, 1, 32, 0, stream_, out), cudaSuccess);
  const std::vector<long long> values = Download(out, 32 * 12);
  for (int lane = 0; lane < 32; ++lane) {
    const long long* const got = &values[lane * 12];
    EXPECT_EQ(got[0], 30);
    EXPECT_EQ(got[1], lane < 2 ? lane : lane - 2);
    EXPECT_EQ(got[2], lane > 29 ? lane : lane + 2);
    EXPECT_EQ(got[3], lane ^ 1);
    EXPECT_EQ(got[4], 0xaaaaaaaall);
    EXPECT_EQ(got[5], 1);
    EXPECT_EQ(got[6], 0);
    EXPECT_EQ(got[7], 31 * 32 / 2);
    EXPECT_EQ(got[8], -7);
    EXPECT_EQ(got[9], lane < 16 ? 0x0000ffffll : 0xffff0000ll);
    EXPECT_EQ(got[10], (1ll << 40) + (31 - lane));
    EXPECT_EQ(got[11], 9);
  }
}

// Each block starts from poison, whatever the one before left.
TEST_F(EngineTest, SharedMemoryIsPoisoned) {
  int* const out = Allocate<int>(32);
  ASSERT_EQ(SWITCHYARD_LAUNCH(DynamicTile, 2, 32, 128, stream_, out),
            cudaSuccess);
  EXPECT_THAT(Download(out, 32), Each(-1));
}

TEST_F(EngineTest, AsyncCopiesArriveWhenWaitedFor) {
  const int4* const in = Upload(std::vector<int4>(32, int4{1, 2, 3, 4}));
  int4* const out = Allocate<int4>(32);
  ASSERT_EQ(SWITCHYARD_LAUNCH(CopyLate, 1, 32, 0, stream_, in, out, 1),
            cudaSuccess);
  EXPECT_EQ(Download(out, 32)[31].w, 4);
  ASSERT_EQ(SWITCHYARD_LAUNCH(CopyLate, 1, 32, 0, stream_, in, out, 0),
            cudaSuccess);
  EXPECT_EQ(Download(out, 32)[31].w, -1);
}

TEST_F(EngineTest, ExchangesStayReadable) {
  settings().order = Order::kSkew;
  int* const out = Allocate<int>(64 * 4);
  ASSERT_EQ(SWITCHYARD_LAUNCH(ExchangeIndices, 1, 64, 0, stream_, out),
            cudaSuccess);
  const std::vector<int> values = Download(out, 64 * 4);
  for (int thread = 0; thread < 64; ++thread) {
    for (int i = 0; i < 4; ++i) {
      EXPECT_EQ(values[thread * 4 + i], (thread % 32 + i) % 32 * 4 + i);
    }
  }
}

TEST_F(EngineTest, CountersCount) {
  int* const out = Allocate<int>(1024);
  ResetCounters();
  ASSERT_EQ(SWITCHYARD_LAUNCH(ReverseBlock, 1, 1024, 0, stream_, out),
            cudaSuccess);
  EXPECT_EQ(counters().launches, 1u);
  EXPECT_EQ(counters().threads, 1024u);
  EXPECT_EQ(counters().barriers, 1u);
}

}  // namespace
}  // namespace switchyard::emulation
