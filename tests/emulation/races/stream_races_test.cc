// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Races of operations of several streams, and of the host. This file is
// compiled to report its accesses.
#include "test_device.h"

namespace switchyard::emulation {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

__global__ void Write(int* out) { out[threadIdx.x] = threadIdx.x; }
__global__ void Copy(const int* in, int* out) {
  out[threadIdx.x] = in[threadIdx.x];
}

class StreamRacesTest : public DeviceTest {
 protected:
  void SetUp() override {
    DeviceTest::SetUp();
    SetRaceChecks(true);
    ASSERT_EQ(cudaStreamCreateWithFlags(&other_, cudaStreamNonBlocking),
              cudaSuccess);
    ASSERT_EQ(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming),
              cudaSuccess);
    data_ = Allocate<int>(64);
    out_ = Allocate<int>(64);
  }
  void TearDown() override {
    ClearFailure();
    cudaEventDestroy(event_);
    cudaStreamDestroy(other_);
    DeviceTest::TearDown();
    SetRaceChecks(false);
  }
  // What is wrong up to here; the device is well again afterwards.
  std::string Failure() {
    const std::string text = LastFailure();
    ClearFailure();
    return text;
  }
  void WriteIn(cudaStream_t stream) {
    SWITCHYARD_LAUNCH(Write, 1, 64, 0, stream, data_);
  }
  void ReadIn(cudaStream_t stream) {
    SWITCHYARD_LAUNCH(Copy, 1, 64, 0, stream, data_, out_);
  }
  void Record(cudaStream_t stream) {
    ASSERT_EQ(cudaEventRecord(event_, stream), cudaSuccess);
  }
  void Wait(cudaStream_t stream) {
    ASSERT_EQ(cudaStreamWaitEvent(stream, event_), cudaSuccess);
  }

  cudaStream_t other_ = nullptr;
  cudaEvent_t event_ = nullptr;
  int* data_ = nullptr;
  int* out_ = nullptr;
};

TEST_F(StreamRacesTest, EventsOrderStreams) {
  WriteIn(stream_);
  Record(stream_);
  Wait(other_);
  ReadIn(other_);
  Record(other_);
  Wait(stream_);
  WriteIn(stream_);
  EXPECT_THAT(Failure(), IsEmpty());
}

TEST_F(StreamRacesTest, AReadWithoutAWaitIsFound) {
  WriteIn(stream_);
  Record(stream_);
  ReadIn(other_);
  EXPECT_THAT(Failure(), AllOf(HasSubstr("kernel Copy"), HasSubstr("Write (op"),
                               HasSubstr("wrote it, and nothing orders that")));
}

TEST_F(StreamRacesTest, AnEventThatIsRecordedTooEarlyIsFound) {
  Record(stream_);
  WriteIn(stream_);
  Wait(other_);
  ReadIn(other_);
  EXPECT_THAT(Failure(), HasSubstr("Write (op"));
}

TEST_F(StreamRacesTest, AWriteAfterAnotherStreamsReadIsFound) {
  WriteIn(stream_);
  Record(stream_);
  Wait(other_);
  ReadIn(other_);
  ReadIn(stream_);  // its read does not hide the other's
  WriteIn(stream_);
  EXPECT_THAT(Failure(), AllOf(HasSubstr("Copy (op"), HasSubstr("it, and")));
}

TEST_F(StreamRacesTest, TheHostsWaitingOrdersStreams) {
  WriteIn(stream_);
  ASSERT_EQ(cudaStreamSynchronize(stream_), cudaSuccess);
  ReadIn(other_);
  Record(other_);
  ASSERT_EQ(cudaEventSynchronize(event_), cudaSuccess);
  WriteIn(stream_);
  ASSERT_EQ(cudaDeviceSynchronize(), cudaSuccess);
  ASSERT_EQ(cudaMemsetAsync(data_, 0, 256, other_), cudaSuccess);
  EXPECT_THAT(Failure(), IsEmpty());
}

TEST_F(StreamRacesTest, CopiesAndFillsAreOperations) {
  WriteIn(stream_);
  ASSERT_EQ(cudaMemcpyAsync(out_, data_, 256, cudaMemcpyDeviceToDevice, other_),
            cudaSuccess);
  EXPECT_THAT(Failure(),
              AllOf(HasSubstr("cudaMemcpyAsync (operation"),
                    HasSubstr("reads byte 0 of 256"), HasSubstr("Write (op")));
  ASSERT_EQ(cudaMemsetAsync(data_ + 63, 0, 4, other_), cudaSuccess);
  EXPECT_THAT(Failure(), HasSubstr("writes byte 252 of 256"));
}

TEST_F(StreamRacesTest, FreeingIsAWrite) {
  void* memory = nullptr;
  ASSERT_EQ(cudaMallocAsync(&memory, 64, stream_), cudaSuccess);
  ASSERT_EQ(cudaMemsetAsync(memory, 0, 64, stream_), cudaSuccess);
  ASSERT_EQ(cudaFreeAsync(memory, other_), cudaSuccess);
  EXPECT_THAT(Failure(), AllOf(HasSubstr("cudaFreeAsync (op"),
                               HasSubstr("cudaMemsetAsync (op")));
}

TEST_F(StreamRacesTest, MemoryExistsInTheOrderOfItsStream) {
  void* memory = nullptr;
  ASSERT_EQ(cudaMallocAsync(&memory, 64, stream_), cudaSuccess);
  ASSERT_EQ(cudaMemsetAsync(memory, 0, 64, other_), cudaSuccess);
  EXPECT_THAT(Failure(), HasSubstr("cudaMallocAsync (op"));
  ASSERT_EQ(cudaFreeAsync(memory, stream_), cudaSuccess);
  Failure();
}

TEST_F(StreamRacesTest, PinnedBuffersAreGuarded) {
  int* pinned = nullptr;
  ASSERT_EQ(cudaMallocHost(&pinned, 256), cudaSuccess);
  WriteIn(stream_);
  ASSERT_EQ(
      cudaMemcpyAsync(pinned, data_, 256, cudaMemcpyDeviceToHost, stream_),
      cudaSuccess);
  // The next copy goes through the same buffer before the first is over.
  ASSERT_EQ(cudaMemcpyAsync(out_, pinned, 256, cudaMemcpyHostToDevice, other_),
            cudaSuccess);
  EXPECT_THAT(Failure(), HasSubstr("of pinned memory"));
  // The host looks before it waited.
  volatile int seen = pinned[5];
  EXPECT_THAT(Failure(), AllOf(HasSubstr("host code reads 4 bytes at "),
                               HasSubstr("stream_races_test.cc"),
                               HasSubstr("cudaMemcpyAsync (op")));
  ASSERT_EQ(cudaStreamSynchronize(stream_), cudaSuccess);
  ASSERT_EQ(cudaStreamSynchronize(other_), cudaSuccess);
  seen = pinned[6];
  pinned[6] = seen + 1;
  EXPECT_THAT(Failure(), IsEmpty());
  ASSERT_EQ(cudaFreeHost(pinned), cudaSuccess);
}

TEST_F(StreamRacesTest, HostCodeCannotFollowDeviceAddresses) {
  volatile int seen = *data_;
  (void)seen;
  EXPECT_THAT(Failure(), HasSubstr("which only the device can reach"));
}

}  // namespace
}  // namespace switchyard::emulation
