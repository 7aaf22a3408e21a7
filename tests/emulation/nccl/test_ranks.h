// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Ranks for tests: threads of this process, or processes, each with a device of
// its own.
#ifndef SWITCHYARD_TESTS_EMULATION_NCCL_TEST_RANKS_H_
#define SWITCHYARD_TESTS_EMULATION_NCCL_TEST_RANKS_H_

#include <pthread.h>

#include <functional>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "nccl.h"

namespace switchyard::emulation {

// What a rank has: a stream, and buffers that are freed at its end.
class TestRank {
 public:
  // `connected` is of all ranks.
  TestRank(int rank, int size, pthread_barrier_t& connected);
  TestRank(const TestRank&) = delete;
  TestRank& operator=(const TestRank&) = delete;
  ~TestRank();

  int rank() const { return rank_; }
  int size() const { return size_; }
  cudaStream_t stream() const { return stream_; }
  cudaStream_t NewStream();

  // The communicator of all, ready everywhere.
  ncclComm_t Connect(const ncclUniqueId& id);
  // Waits for the stream, then returns the communicator's state.
  ncclResult_t StateOf(ncclComm_t comm);

  template <typename T>
  T* Upload(const std::vector<T>& values) {
    return static_cast<T*>(
        UploadBytes(values.data(), values.size() * sizeof(T)));
  }
  template <typename T>
  std::vector<T> Download(const T* address, size_t count) {
    std::vector<T> values(count);
    DownloadBytes(values.data(), address, count * sizeof(T));
    return values;
  }

 private:
  void* UploadBytes(const void* source, size_t bytes);
  void DownloadBytes(void* destination, const void* source, size_t bytes);

  const int rank_;
  const int size_;
  pthread_barrier_t& connected_;
  cudaStream_t stream_ = nullptr;
  std::vector<cudaStream_t> streams_;
  std::vector<void*> allocated_;
};

using RankBody = std::function<void(TestRank& rank, const ncclUniqueId& id)>;
void RunThreads(int size, const RankBody& body);
// This process must not have used NCCL. Expectations of the body that fail are
// printed, and make this test fail.
void RunProcesses(int size, const RankBody& body);

}  // namespace switchyard::emulation

#endif  // SWITCHYARD_TESTS_EMULATION_NCCL_TEST_RANKS_H_
