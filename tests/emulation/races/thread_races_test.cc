// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Races of threads and blocks, and accesses that no kernel may make. This file
// is compiled to report its accesses, as kernels are.
#include "cuda_bf16.h"
#include "test_device.h"

namespace switchyard::emulation {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class ThreadRacesTest : public DeviceTest {
 protected:
  void SetUp() override {
    DeviceTest::SetUp();
    SetRaceChecks(true);
  }
  void TearDown() override {
    DeviceTest::TearDown();
    SetRaceChecks(false);
  }
  // What the launch made of the device; it is well again afterwards.
  std::string FailureOf(cudaError_t launched) {
    EXPECT_EQ(launched, cudaSuccess);
    const std::string text = LastFailure();
    ClearFailure();
    return text;
  }
};

// Bits of `barriers` say which of the two are there. The second warp reads what
// the first wrote, and then writes what the first read.
__global__ void Turn(int* out, int barriers) {
  SWITCHYARD_SHARED(int, tile, [64]);
  tile[threadIdx.x] = threadIdx.x;
  if (barriers & 1) __syncthreads();
  out[blockIdx.x * 64 + threadIdx.x] = tile[63 - threadIdx.x];
  if (barriers & 2) __syncthreads();
  if (threadIdx.x >= 32) tile[threadIdx.x] = 0;
}

TEST_F(ThreadRacesTest, BarriersOrderThreads) {
  int* const out = Allocate<int>(128);
  for (const Order order :
       {Order::kForward, Order::kReverse, Order::kRandom, Order::kSkew}) {
    settings().order = order;
    const auto run = [&](int barriers) {
      return FailureOf(
          SWITCHYARD_LAUNCH(Turn, 2, 64, 0, stream_, out, barriers));
    };
    EXPECT_THAT(run(3), IsEmpty());
    // Who comes first decides what is seen.
    EXPECT_THAT(run(1), HasSubstr("it, without __syncthreads between"));
    EXPECT_THAT(run(2),
                ::testing::AnyOf(HasSubstr("wrote it, without __syncthreads"),
                                 HasSubstr("which was never written")));
  }
}

TEST_F(ThreadRacesTest, WritesAfterReadsAreFound) {
  int* const out = Allocate<int>(64);
  EXPECT_THAT(FailureOf(SWITCHYARD_LAUNCH(Turn, 1, 64, 0, stream_, out, 1)),
              AllOf(HasSubstr("writes 4 bytes at thread_races_test.cc"),
                    HasSubstr("(switchyard::emulation::Turn)"),
                    HasSubstr("of the block read it, without __syncthreads")));
}

// 0: nothing between a lane's write and another's read; 1: a shuffle, which
// orders no memory; 2: __syncwarp.
__global__ void Neighbour(int* out, int between) {
  SWITCHYARD_SHARED(int, tile, [32]);
  tile[threadIdx.x] = threadIdx.x;
  int value = 0;
  if (between == 1) value = __shfl_xor_sync(0xffffffffu, value, 1);
  if (between == 2) __syncwarp();
  out[threadIdx.x] = value + tile[threadIdx.x ^ 1];
}

TEST_F(ThreadRacesTest, OnlySyncwarpOrdersLanes) {
  int* const out = Allocate<int>(32);
  const auto run = [&](int between) {
    return FailureOf(
        SWITCHYARD_LAUNCH(Neighbour, 1, 32, 0, stream_, out, between));
  };
  EXPECT_THAT(run(0), HasSubstr("never written"));
  EXPECT_THAT(run(1), AllOf(HasSubstr("shared memory 'tile'"),
                            HasSubstr("thread 1 of the same warp wrote it"),
                            HasSubstr("thread_races_test.cc")));
  EXPECT_THAT(run(2), IsEmpty());
}

// 0: plain updates by all blocks; 1: atomic ones; 2: atomic, then a plain read.
__global__ void Count(int* counter, int how) {
  if (how == 0) {
    *counter += 1;
  } else {
    atomicAdd(counter, 1);
  }
  if (how == 2 && *counter == 1000) atomicAdd(counter, 1);
}

TEST_F(ThreadRacesTest, BlocksAreNotOrdered) {
  int* const counter = Upload(std::vector<int>{0});
  const auto run = [&](int how) {
    return FailureOf(SWITCHYARD_LAUNCH(Count, 8, 1, 0, stream_, counter, how));
  };
  EXPECT_THAT(run(0), HasSubstr("nothing orders blocks of a launch"));
  EXPECT_THAT(run(1), IsEmpty());
  EXPECT_THAT(run(2), HasSubstr("nothing orders blocks of a launch"));
}

// Neighbouring halves and bytes of a word belong to neighbouring threads;
// `overlap` makes two threads write one.
template <typename T>
__global__ void WriteSmall(T* out, int overlap) {
  out[threadIdx.x / (1 + overlap)] = T{};
}

TEST_F(ThreadRacesTest, HalvesAndBytesAreTold) {
  auto* const halves = Allocate<unsigned short>(64);
  auto* const bytes = Allocate<unsigned char>(64);
  EXPECT_THAT(FailureOf(SWITCHYARD_LAUNCH((WriteSmall<unsigned short>), 1, 64,
                                          0, stream_, halves, 0)),
              IsEmpty());
  EXPECT_THAT(FailureOf(SWITCHYARD_LAUNCH((WriteSmall<unsigned short>), 1, 64,
                                          0, stream_, halves, 1)),
              HasSubstr("wrote it"));
  EXPECT_THAT(FailureOf(SWITCHYARD_LAUNCH((WriteSmall<unsigned char>), 1, 64, 0,
                                          stream_, bytes, 0)),
              IsEmpty());
  EXPECT_THAT(FailureOf(SWITCHYARD_LAUNCH((WriteSmall<unsigned char>), 1, 64, 0,
                                          stream_, bytes, 1)),
              HasSubstr("wrote it"));
}

__global__ void Read(const int* in, int* out) { out[0] = in[0] + 1; }

TEST_F(ThreadRacesTest, ForeignAndUnwrittenMemory) {
  int* const in = Upload(std::vector<int>{5});
  int* const out = Allocate<int>(1);
  std::vector<int> host = {1};
  int on_host_stack = 1;
  int* pinned = nullptr;
  ASSERT_EQ(cudaMallocHost(&pinned, 4), cudaSuccess);
  const auto run = [&](const int* from) {
    return FailureOf(SWITCHYARD_LAUNCH(Read, 1, 1, 0, stream_, from, out));
  };
  EXPECT_THAT(run(in), IsEmpty());
  EXPECT_THAT(run(Allocate<int>(1)), HasSubstr("never written"));
  EXPECT_THAT(run(in + 1), AllOf(HasSubstr("outside of any allocation"),
                                 HasSubstr("byte 4 of an allocation of 4")));
  EXPECT_THAT(run(in - 1), HasSubstr("outside of any allocation"));
  EXPECT_THAT(run(host.data()), HasSubstr("memory of the host"));
  EXPECT_THAT(run(&on_host_stack), HasSubstr("memory of the host"));
  EXPECT_THAT(run(pinned), HasSubstr("follows an address of the host"));
  int* freed = nullptr;
  ASSERT_EQ(cudaMalloc(&freed, 4), cudaSuccess);
  ASSERT_EQ(cudaFree(freed), cudaSuccess);
  EXPECT_THAT(run(freed), HasSubstr("outside of any allocation"));
  // A copy of what was never written still was not.
  ASSERT_EQ(cudaMemcpyAsync(in, Allocate<int>(1), 4, cudaMemcpyDeviceToDevice,
                            stream_),
            cudaSuccess);
  EXPECT_THAT(run(in), HasSubstr("never written"));
  EXPECT_EQ(cudaFreeHost(pinned), cudaSuccess);
}

__global__ void ReadBehindShared(int* out) {
  SWITCHYARD_SHARED(int, tile, [32]);
  tile[threadIdx.x] = 1;
  out[threadIdx.x] = tile[threadIdx.x + 1];
}

__global__ void ReadVector(const char* in, float* out) {
  *out = reinterpret_cast<const float2*>(in)->x;
  *reinterpret_cast<float2*>(out) = *reinterpret_cast<const float2*>(in);
}

TEST_F(ThreadRacesTest, SharedBoundsAndAlignment) {
  auto* const out = Allocate<float>(64);
  const auto* const in = Upload(std::vector<char>(64));
  EXPECT_THAT(FailureOf(SWITCHYARD_LAUNCH(ReadBehindShared, 1, 1, 0, stream_,
                                          reinterpret_cast<int*>(out))),
              HasSubstr("never written"));
  settings().order = Order::kReverse;
  EXPECT_THAT(FailureOf(SWITCHYARD_LAUNCH(ReadBehindShared, 1, 32, 0, stream_,
                                          reinterpret_cast<int*>(out))),
              AllOf(HasSubstr("outside of any allocation"),
                    HasSubstr("byte 128 of 128 of shared memory 'tile'")));
  EXPECT_THAT(
      FailureOf(SWITCHYARD_LAUNCH(ReadVector, 1, 1, 0, stream_, in, out)),
      IsEmpty());
  EXPECT_THAT(
      FailureOf(SWITCHYARD_LAUNCH(ReadVector, 1, 1, 0, stream_, in + 4, out)),
      HasSubstr("misaligned"));
}

// 0: as it should be; 1: others read before a barrier; 2: nobody waited.
__global__ void AsyncTile(const int4* in, int4* out, int fault) {
  SWITCHYARD_SHARED(int4, tile, [32]);
  AsyncCopy(&tile[threadIdx.x], &in[threadIdx.x], 16);
  AsyncCommit();
  if (fault != 2) AsyncWait(0);
  if (fault != 1) __syncthreads();
  out[threadIdx.x].x = tile[31 - threadIdx.x].x;
  if (fault == 2) AsyncWait(0);
}

TEST_F(ThreadRacesTest, AsyncCopiesAreWrites) {
  const int4* const in = Upload(std::vector<int4>(32));
  int4* const out = Allocate<int4>(32);
  settings().order = Order::kForward;
  const auto run = [&](int fault) {
    return FailureOf(
        SWITCHYARD_LAUNCH(AsyncTile, 1, 32, 0, stream_, in, out, fault));
  };
  EXPECT_THAT(run(0), IsEmpty());
  EXPECT_THAT(run(1), HasSubstr("never written"));
  EXPECT_THAT(run(2), HasSubstr("never written"));
  settings().order = Order::kReverse;
  EXPECT_THAT(run(0), IsEmpty());
  EXPECT_THAT(run(1), HasSubstr("never written"));
}

// Off, the same kernels run to their end.
TEST_F(ThreadRacesTest, OffMeansOff) {
  SetRaceChecks(false);
  int* const out = Allocate<int>(128);
  int* const counter = Upload(std::vector<int>{0});
  EXPECT_THAT(FailureOf(SWITCHYARD_LAUNCH(Turn, 1, 64, 0, stream_, out, 1)),
              IsEmpty());
  EXPECT_THAT(FailureOf(SWITCHYARD_LAUNCH(Count, 8, 1, 0, stream_, counter, 0)),
              IsEmpty());
  // What was written meanwhile is known to be.
  SetRaceChecks(true);
  EXPECT_THAT(
      FailureOf(SWITCHYARD_LAUNCH(Read, 1, 1, 0, stream_, counter, out)),
      IsEmpty());
}

}  // namespace
}  // namespace switchyard::emulation
