// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Kernels and launches that a device refuses, or would hang on.
#include "test_device.h"

namespace switchyard::emulation {
namespace {

using ::testing::HasSubstr;

__global__ void DynamicTile(int* out) {
  int* const tile = SWITCHYARD_DYNAMIC_SHARED(int);
  out[threadIdx.x] = tile[threadIdx.x];
  tile[threadIdx.x] = 7;
}

__global__ void BigStatic() {
  SWITCHYARD_SHARED(char, tile, [49 * 1024]);
  tile[0] = 1;
}

__global__ void DivergentBarrier() {
  if (threadIdx.x < 32) {
    __syncthreads();
  } else {
    __syncthreads();
  }
}

__global__ void EarlyReturn() {
  if (threadIdx.x >= 40) return;
  __syncthreads();
}

__global__ void BarrierAgainstShuffle() {
  if (threadIdx.x < 5) {
    __syncthreads();
  } else {
    __syncwarp();
  }
}

__global__ void TwoSites() {
  if (threadIdx.x % 2 == 0) {
    __syncwarp();
  } else {
    __syncwarp();
  }
}

__global__ void ForeignMask() { __shfl_sync(0x0000ffffu, 1, 0); }

__global__ void OutsideMask(int* out) {
  if (threadIdx.x < 16) out[threadIdx.x] = __shfl_xor_sync(0xffffu, 1, 16);
}

__global__ void NeverWaits(const int4* in) {
  SWITCHYARD_SHARED(int4, tile, [32]);
  AsyncCopy(&tile[threadIdx.x], &in[threadIdx.x], 16);
}

class EngineMistakesTest : public DeviceTest {};

TEST_F(EngineMistakesTest, FailuresAreNamedAndStick) {
  int* const out = Allocate<int>(64);
  const int4* const in = Upload(std::vector<int4>(32));
  const auto failure = [this](cudaError_t launched) {
    EXPECT_EQ(launched, cudaSuccess);
    EXPECT_EQ(cudaStreamSynchronize(stream_), cudaErrorLaunchFailure);
    EXPECT_EQ(cudaGetLastError(), cudaErrorLaunchFailure);
    EXPECT_EQ(cudaGetLastError(), cudaErrorLaunchFailure);
    const std::string text = LastFailure();
    EXPECT_THAT(cudaGetErrorString(cudaErrorLaunchFailure), HasSubstr(text));
    ClearFailure();
    return text;
  };
  EXPECT_THAT(failure(SWITCHYARD_LAUNCH(DivergentBarrier, 1, 64, 0, stream_)),
              HasSubstr("divergent __syncthreads"));
  EXPECT_THAT(failure(SWITCHYARD_LAUNCH(EarlyReturn, 1, 64, 0, stream_)),
              HasSubstr("24 of 64 threads already returned"));
  EXPECT_THAT(
      failure(SWITCHYARD_LAUNCH(BarrierAgainstShuffle, 1, 32, 0, stream_)),
      HasSubstr("wait for each other in different places"));
  EXPECT_THAT(failure(SWITCHYARD_LAUNCH(TwoSites, 1, 32, 0, stream_)),
              HasSubstr("met in different calls"));
  EXPECT_THAT(failure(SWITCHYARD_LAUNCH(ForeignMask, 1, 32, 0, stream_)),
              HasSubstr("is not in its own mask"));
  EXPECT_THAT(failure(SWITCHYARD_LAUNCH(OutsideMask, 1, 32, 0, stream_, out)),
              HasSubstr("reads lane 16, which is not in mask"));
  EXPECT_THAT(failure(SWITCHYARD_LAUNCH(BigStatic, 1, 32, 0, stream_)),
              HasSubstr("shared memory 'tile'"));
  EXPECT_THAT(failure(SWITCHYARD_LAUNCH(DynamicTile, 1, 32, 0, stream_, out)),
              HasSubstr("was launched without"));
  EXPECT_THAT(failure(SWITCHYARD_LAUNCH(NeverWaits, 1, 32, 0, stream_, in)),
              HasSubstr("without waiting for its asynchronous copies"));
  // And a device that recovered works.
  ASSERT_EQ(SWITCHYARD_LAUNCH(DynamicTile, 1, 32, 128, stream_, out),
            cudaSuccess);
  EXPECT_EQ(cudaStreamSynchronize(stream_), cudaSuccess);
}

TEST_F(EngineMistakesTest, IllegalLaunchesAreRefused) {
  int* const out = Allocate<int>(1024);
  EXPECT_EQ(SWITCHYARD_LAUNCH(DynamicTile, 1, 1025, 128, stream_, out),
            cudaErrorInvalidConfiguration);
  EXPECT_EQ(cudaGetLastError(), cudaErrorInvalidConfiguration);
  EXPECT_EQ(cudaGetLastError(), cudaSuccess);
  EXPECT_EQ(SWITCHYARD_LAUNCH(DynamicTile, 0, 32, 128, stream_, out),
            cudaErrorInvalidConfiguration);
  EXPECT_EQ(SWITCHYARD_LAUNCH(DynamicTile, 1, 32, 128, nullptr, out),
            cudaErrorInvalidResourceHandle);
  const int more = 50 * 1024;
  EXPECT_EQ(SWITCHYARD_LAUNCH(DynamicTile, 1, 32, more, stream_, out),
            cudaErrorInvalidValue);
  EXPECT_EQ(cudaFuncSetAttribute(
                DynamicTile, cudaFuncAttributeMaxDynamicSharedMemorySize, more),
            cudaSuccess);
  EXPECT_EQ(SWITCHYARD_LAUNCH(DynamicTile, 1, 32, more, stream_, out),
            cudaSuccess);
  EXPECT_EQ(
      cudaFuncSetAttribute(
          DynamicTile, cudaFuncAttributeMaxDynamicSharedMemorySize, 164 * 1024),
      cudaErrorInvalidValue);
}

}  // namespace
}  // namespace switchyard::emulation
