// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Streams that run in threads of their own, with delays: what is not ordered
// happens in another order sooner or later.
#include <atomic>
#include <chrono>
#include <thread>

#include "test_device.h"

namespace switchyard::emulation {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;

constexpr int kSeeds = 20;
constexpr size_t kCount = 256;

__global__ void Fill(int* out, int value) { out[threadIdx.x] = value; }

class StreamThreadsTest : public DeviceTest {
 protected:
  void SetUp() override {
    DeviceTest::SetUp();
    settings().streams = Streams::kThreads;
  }
};

// Two streams, made anew so that the seed's delays are theirs.
struct TwoStreams {
  cudaStream_t first = nullptr, second = nullptr;
  cudaEvent_t event = nullptr;

  explicit TwoStreams(uint64_t seed) {
    settings().seed = seed;
    for (cudaStream_t* const stream : {&first, &second}) {
      EXPECT_EQ(cudaStreamCreateWithFlags(stream, cudaStreamNonBlocking),
                cudaSuccess);
    }
    EXPECT_EQ(cudaEventCreateWithFlags(&event, cudaEventDisableTiming),
              cudaSuccess);
  }
  TwoStreams(const TwoStreams&) = delete;
  TwoStreams& operator=(const TwoStreams&) = delete;
  ~TwoStreams() {
    cudaStreamDestroy(first);
    cudaStreamDestroy(second);
    cudaEventDestroy(event);
  }
};

// How many of the runs end with wrong values: rounds in which one stream fills
// and another copies what it filled.
class PipelineTest : public StreamThreadsTest {
 protected:
  int WrongRuns(bool wait_for_fill, bool wait_for_host) {
    int wrong = 0;
    for (int seed = 1; seed <= kSeeds; ++seed) {
      wrong += !RunsRight(seed, wait_for_fill, wait_for_host);
    }
    return wrong;
  }

 private:
  bool RunsRight(uint64_t seed, bool wait_for_fill, bool wait_for_host) {
    int* const values = Upload(std::vector<int>(kCount, 0));
    int* host = nullptr;
    EXPECT_EQ(cudaMallocHost(&host, kCount * sizeof(int)), cudaSuccess);
    std::fill_n(host, kCount, -1);
    bool right = true;
    {
      TwoStreams streams(seed);
      for (int round = 1; round <= 10; ++round) {
        SWITCHYARD_LAUNCH(Fill, 1, kCount, 0, streams.first, values, round);
        cudaEventRecord(streams.event, streams.first);
        if (wait_for_fill) cudaStreamWaitEvent(streams.second, streams.event);
        cudaMemcpyAsync(host, values, kCount * sizeof(int),
                        cudaMemcpyDeviceToHost, streams.second);
        if (wait_for_host) cudaStreamSynchronize(streams.second);
        // Compiled so that it is read each time.
        right = right && static_cast<volatile int*>(host)[0] == round;
        cudaStreamSynchronize(streams.second);
      }
    }
    EXPECT_EQ(cudaFreeHost(host), cudaSuccess);
    return right;
  }
};

TEST_F(PipelineTest, OrderedStreamsAreRight) {
  EXPECT_EQ(WrongRuns(true, true), 0);
}

TEST_F(PipelineTest, AMissingEventWaitShows) {
  EXPECT_GE(WrongRuns(false, true), kSeeds / 2);
}

TEST_F(PipelineTest, AMissingHostWaitShows) {
  EXPECT_GE(WrongRuns(true, false), kSeeds / 2);
}

TEST_F(StreamThreadsTest, AStreamKeepsItsOrder) {
  TwoStreams streams(1);
  int* const values = Allocate<int>(kCount);
  int seen = 0;
  SWITCHYARD_LAUNCH(Fill, 1, kCount, 0, streams.first, values, 1);
  SWITCHYARD_LAUNCH(Fill, 1, kCount, 0, streams.first, values, 2);
  ASSERT_EQ(cudaLaunchHostFunc(
                streams.first, [](void* data) { *static_cast<int*>(data) = 5; },
                &seen),
            cudaSuccess);
  ASSERT_EQ(cudaMemsetAsync(values, 0, sizeof(int), streams.first),
            cudaSuccess);
  ASSERT_EQ(cudaStreamSynchronize(streams.first), cudaSuccess);
  EXPECT_EQ(seen, 5);
  EXPECT_THAT(Download(values, 3), ElementsAre(0, 2, 2));
}

// The caller may change pageable memory once a copy from it returned, and read
// it once a copy to it did.
TEST_F(StreamThreadsTest, PageableMemoryIsTheCallersAgain) {
  for (int seed = 1; seed <= kSeeds; ++seed) {
    TwoStreams streams(seed);
    int* const values = Allocate<int>(kCount);
    std::vector<int> host(kCount, seed);
    cudaMemcpyAsync(values, host.data(), kCount * sizeof(int),
                    cudaMemcpyHostToDevice, streams.first);
    std::fill(host.begin(), host.end(), -1);
    std::vector<int> back(kCount);
    cudaMemcpyAsync(back.data(), values, kCount * sizeof(int),
                    cudaMemcpyDeviceToHost, streams.first);
    EXPECT_THAT(back, Each(seed));
  }
}

void HoldUntilSet(void* flag) {
  while (!*static_cast<std::atomic<bool>*>(flag)) std::this_thread::yield();
}

TEST_F(StreamThreadsTest, WhatIsUnderWayIsNotReady) {
  TwoStreams streams(1);
  std::atomic<bool> go = false;
  ASSERT_EQ(cudaLaunchHostFunc(streams.first, HoldUntilSet, &go), cudaSuccess);
  ASSERT_EQ(cudaEventRecord(streams.event, streams.first), cudaSuccess);
  EXPECT_EQ(cudaStreamQuery(streams.first), cudaErrorNotReady);
  EXPECT_EQ(cudaEventQuery(streams.event), cudaErrorNotReady);
  cudaGetLastError();
  // An event that others wait for may be destroyed.
  cudaEvent_t passing = nullptr;
  ASSERT_EQ(cudaEventCreateWithFlags(&passing, cudaEventDisableTiming),
            cudaSuccess);
  ASSERT_EQ(cudaEventRecord(passing, streams.first), cudaSuccess);
  ASSERT_EQ(cudaStreamWaitEvent(streams.second, passing), cudaSuccess);
  ASSERT_EQ(cudaEventDestroy(passing), cudaSuccess);
  EXPECT_EQ(cudaStreamQuery(streams.second), cudaErrorNotReady);
  cudaGetLastError();
  go = true;
  EXPECT_EQ(cudaEventSynchronize(streams.event), cudaSuccess);
  EXPECT_EQ(cudaStreamSynchronize(streams.second), cudaSuccess);
  EXPECT_EQ(cudaStreamSynchronize(streams.first), cudaSuccess);
  EXPECT_EQ(cudaStreamQuery(streams.first), cudaSuccess);
}

// Freed memory stays until its stream gets there, but no call may name it.
TEST_F(StreamThreadsTest, FreeingIsInOrder) {
  TwoStreams streams(3);
  std::atomic<bool> go = false;
  int* values = nullptr;
  ASSERT_EQ(cudaMallocAsync(&values, kCount * sizeof(int), streams.first),
            cudaSuccess);
  ASSERT_EQ(cudaLaunchHostFunc(streams.first, HoldUntilSet, &go), cudaSuccess);
  SWITCHYARD_LAUNCH(Fill, 1, kCount, 0, streams.first, values, 1);
  ASSERT_EQ(cudaFreeAsync(values, streams.first), cudaSuccess);
  EXPECT_EQ(cudaMemsetAsync(values, 0, 4, streams.first),
            cudaErrorInvalidValue);
  cudaPointerAttributes attributes;
  ASSERT_EQ(cudaPointerGetAttributes(&attributes, values), cudaSuccess);
  EXPECT_EQ(attributes.type, cudaMemoryTypeDevice);
  go = true;
  ASSERT_EQ(cudaStreamSynchronize(streams.first), cudaSuccess);
  ASSERT_EQ(cudaPointerGetAttributes(&attributes, values), cudaSuccess);
  EXPECT_EQ(attributes.type, cudaMemoryTypeUnregistered);
  cudaGetLastError();
}

// A failure empties the streams and releases who waits for them.
TEST_F(StreamThreadsTest, AFailureDoesNotHang) {
  TwoStreams streams(1);
  int* const values = Allocate<int>(kCount);
  ASSERT_EQ(cudaMemsetAsync(values, 0, kCount * sizeof(int), streams.first),
            cudaSuccess);
  SWITCHYARD_LAUNCH((+[](int*) { FailKernel("on purpose"); }), 1, 1, 0,
                    streams.first, values);
  cudaEventRecord(streams.event, streams.first);
  cudaStreamWaitEvent(streams.second, streams.event);
  SWITCHYARD_LAUNCH(Fill, 1, kCount, 0, streams.second, values, 3);
  while (LastFailure().empty()) std::this_thread::yield();
  EXPECT_EQ(cudaStreamSynchronize(streams.second), cudaErrorLaunchFailure);
  EXPECT_EQ(cudaDeviceSynchronize(), cudaErrorLaunchFailure);
  ClearFailure();
  EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);
  EXPECT_THAT(Download(values, kCount), Each(0));
}

// Delays change no verdict of the race checker.
TEST_F(StreamThreadsTest, RacesAreFoundWhateverComesFirst) {
  for (int seed = 1; seed <= kSeeds; ++seed) {
    SetRaceChecks(true);
    TwoStreams streams(seed);
    int* const values = Upload(std::vector<int>(kCount, 0));
    ASSERT_EQ(cudaMemsetAsync(values, 1, 4, streams.first), cudaSuccess);
    ASSERT_EQ(cudaMemsetAsync(values, 2, 4, streams.second), cudaSuccess);
    cudaStreamSynchronize(streams.first);
    cudaStreamSynchronize(streams.second);
    EXPECT_THAT(LastFailure(), ::testing::HasSubstr("race: cudaMemsetAsync"));
    ClearFailure();
    ASSERT_EQ(cudaDeviceSynchronize(), cudaSuccess);
    ASSERT_EQ(cudaMemsetAsync(values, 1, 4, streams.first), cudaSuccess);
    ASSERT_EQ(cudaEventRecord(streams.event, streams.first), cudaSuccess);
    ASSERT_EQ(cudaStreamWaitEvent(streams.second, streams.event), cudaSuccess);
    ASSERT_EQ(cudaMemsetAsync(values, 2, 4, streams.second), cudaSuccess);
    cudaStreamSynchronize(streams.second);
    EXPECT_EQ(LastFailure(), "");
    SetRaceChecks(false);
  }
}

}  // namespace
}  // namespace switchyard::emulation
