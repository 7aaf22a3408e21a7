// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// GPUs as devices: what the stream's own test (stream_test.cc) does not show.
#include "switchyard/base/cuda/cuda_device.h"

#include <cuda_runtime.h>

#include <memory>
#include <numeric>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "switchyard/base/cpu/cpu_device.h"
#include "switchyard/base/cuda/cuda_device_impl.h"
#include "switchyard/base/cuda/cuda_stream.h"
#include "switchyard/base/cuda/from_cuda.h"
#include "switchyard/base/storage.h"

namespace switchyard {
namespace {

using ::testing::HasSubstr;

class CudaDeviceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!CudaDeviceCount().ok()) GTEST_SKIP() << "no GPU";
    GTEST_FLAG_SET(death_test_style, "threadsafe");  // CUDA does not fork
    auto made = NewCudaDevice(0);
    ASSERT_TRUE(made.ok()) << made.status();
    device_ = *std::move(made);
  }
  std::unique_ptr<Device> device_;
};

using CudaDeviceDeathTest = CudaDeviceTest;

std::vector<int64_t> Counted(int64_t first, int64_t count) {
  std::vector<int64_t> values(static_cast<size_t>(count));
  std::iota(values.begin(), values.end(), first);
  return values;
}

TEST_F(CudaDeviceTest, IsOneOfThoseThatAreThere) {
  const int count = *CudaDeviceCount();
  for (const int index : {-1, count}) {
    const auto made = NewCudaDevice(index);
    EXPECT_EQ(made.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(made.status().message()),
                HasSubstr(absl::StrCat("expected a GPU from 0 to ", count - 1,
                                       ", found ", index)));
  }
  EXPECT_STREQ(device_->name(), "cuda:0");
  EXPECT_EQ(device_->threads(), 1);
}

TEST_F(CudaDeviceTest, IsTheSameGpuHoweverOftenItIsMade) {
  const auto again = NewCudaDevice(0);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(IdentityOf(*device_), IdentityOf(**again));
}

TEST_F(CudaDeviceTest, KnowsItsMemory) {
  const CudaMemory before = MemoryOf(*device_);
  EXPECT_GT(before.free, 0);
  EXPECT_LE(before.free, before.total);
  constexpr int64_t kBytes = 64 << 20;
  const Storage storage(*device_, kBytes);
  EXPECT_LE(MemoryOf(*device_).free, before.free - kBytes);
}

// Copies to the host arrive at Wait, whatever was in the pinned memory between.
TEST_F(CudaDeviceTest, StagesManyCopiesBothWays) {
  const auto stream = device_->NewStream();
  for (const int64_t count : {1, 100, 100000}) {
    constexpr int kCopies = 12;
    Storage storage(*device_, DType::kInt64, {kCopies, count});
    const TensorView view = storage.View(DType::kInt64, {kCopies, count});
    for (int i = 0; i < kCopies; ++i) {
      // The memory may be gone at once.
      stream->CopyToDevice(view.Rows(i, i + 1), Counted(i, count).data());
    }
    std::vector<std::vector<int64_t>> back(
        kCopies, std::vector<int64_t>(static_cast<size_t>(count), -1));
    for (int i = 0; i < kCopies; ++i) {
      stream->CopyToHost(back[i].data(), view.Rows(i, i + 1));
    }
    stream->Wait();
    for (int i = 0; i < kCopies; ++i) EXPECT_EQ(back[i], Counted(i, count));
  }
}

// In pieces, and in more of them than pinned memory is taken for.
TEST_F(CudaDeviceTest, CopiesLargeTensors) {
  for (const int64_t bytes : {9 << 20, 150 << 20}) {
    const int64_t count = bytes / static_cast<int64_t>(sizeof(int64_t));
    const auto stream = device_->NewStream();
    Storage storage(*device_, DType::kInt64, {count});
    const TensorView view = storage.View(DType::kInt64, {count});
    stream->CopyToDevice(view, Counted(7, count).data());
    std::vector<int64_t> back(static_cast<size_t>(count), -1);
    stream->CopyToHost(back.data(), view);
    stream->Wait();
    EXPECT_TRUE(back == Counted(7, count)) << bytes;
  }
}

// Copies that nobody waits for, as of a checkpoint that is read, do not pin
// more and more memory; those of a step wait for nothing.
TEST_F(CudaDeviceTest, WaitsOnlyWhenMuchIsUnderWay) {
  constexpr int64_t kCount = (4 << 20) / sizeof(int64_t);
  const auto& gpu = static_cast<const CudaDevice&>(*device_);
  const auto stream = device_->NewStream();
  Storage storage(*device_, DType::kInt64, {kCount});
  const TensorView view = storage.View(DType::kInt64, {kCount});
  const std::vector<int64_t> values = Counted(5, kCount);
  const int64_t before = gpu.waits();
  for (int i = 0; i < 16; ++i) stream->CopyToDevice(view, values.data());
  EXPECT_EQ(gpu.waits(), before);
  stream->CopyToDevice(view, values.data());
  EXPECT_EQ(gpu.waits(), before + 1);
}

TEST_F(CudaDeviceTest, TakesAStreamOfTheProgram) {
  cudaStream_t handle = nullptr;
  ASSERT_EQ(cudaStreamCreateWithFlags(&handle, cudaStreamNonBlocking),
            cudaSuccess);
  {
    const auto stream = StreamFromCuda(*device_, handle);
    EXPECT_EQ(CudaStreamOf(*stream).handle(), handle);
    Storage storage(*device_, DType::kInt64, {5});
    const TensorView view = storage.View(DType::kInt64, {5});
    stream->CopyToDevice(view, Counted(3, 5).data());
    // The program's own work on it comes after.
    std::vector<int64_t> back(5, -1);
    ASSERT_EQ(cudaMemcpyAsync(back.data(), view.raw(), 5 * sizeof(int64_t),
                              cudaMemcpyDeviceToHost, handle),
              cudaSuccess);
    stream->Wait();
    EXPECT_EQ(back, Counted(3, 5));
  }
  EXPECT_EQ(cudaStreamDestroy(handle), cudaSuccess);  // it stayed the program's
}

TEST_F(CudaDeviceDeathTest, MisuseIsABug) {
  EXPECT_DEATH(StreamFromCuda(*device_, nullptr), "the default stream waits");
  CpuDevice cpu;
  const auto host = cpu.NewStream();
  EXPECT_DEATH(CudaStreamOf(*host), "a stream of ");
  const auto stream = device_->NewStream();
  EXPECT_DEATH(stream->Enqueue([] {}), "work of the host on a stream of cuda");
}

TEST_F(CudaDeviceDeathTest, ErrorsNameTheCall) {
  EXPECT_DEATH(device_->Free(this, 1), "cudaFree.*invalid");
}

TEST_F(CudaDeviceDeathTest, TooMuchMemoryIsRefusedInASentence) {
  const size_t bytes = static_cast<size_t>(MemoryOf(*device_).total) + 1;
  EXPECT_DEATH(device_->Allocate(bytes),
               "expected .* GB more of memory on cuda:0, found .* free; use");
}

}  // namespace
}  // namespace switchyard
