// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// A stream and device arrays for tests of the emulation.
#ifndef SWITCHYARD_TESTS_EMULATION_TEST_DEVICE_H_
#define SWITCHYARD_TESTS_EMULATION_TEST_DEVICE_H_

#include <vector>

#include "cuda_runtime.h"
#include "emulation/control.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace switchyard::emulation {

class DeviceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    saved_ = settings();
    ClearFailure();
    cudaGetLastError();
    ASSERT_EQ(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking),
              cudaSuccess);
  }
  void TearDown() override {
    ClearFailure();
    cudaStreamDestroy(stream_);
    for (void* address : allocated_) cudaFree(address);
    settings() = saved_;
  }

  // Poisoned, as all fresh memory is.
  template <typename T>
  T* Allocate(size_t count) {
    T* address = nullptr;
    EXPECT_EQ(cudaMalloc(&address, count * sizeof(T)), cudaSuccess);
    allocated_.push_back(address);
    return address;
  }
  template <typename T>
  T* Upload(const std::vector<T>& values) {
    T* const address = Allocate<T>(values.size());
    EXPECT_EQ(cudaMemcpyAsync(address, values.data(), values.size() * sizeof(T),
                              cudaMemcpyHostToDevice, stream_),
              cudaSuccess);
    EXPECT_EQ(cudaStreamSynchronize(stream_), cudaSuccess);
    return address;
  }
  template <typename T>
  std::vector<T> Download(const T* address, size_t count) {
    std::vector<T> values(count);
    EXPECT_EQ(cudaMemcpyAsync(values.data(), address, count * sizeof(T),
                              cudaMemcpyDeviceToHost, stream_),
              cudaSuccess);
    EXPECT_EQ(cudaStreamSynchronize(stream_), cudaSuccess);
    return values;
  }

  cudaStream_t stream_ = nullptr;

 private:
  Settings saved_;
  std::vector<void*> allocated_;
};

}  // namespace switchyard::emulation

#endif  // SWITCHYARD_TESTS_EMULATION_TEST_DEVICE_H_
