// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "nccl/test_ranks.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <thread>

namespace switchyard::emulation {

TestRank::TestRank(int rank, int size, pthread_barrier_t& connected)
    : rank_(rank), size_(size), connected_(connected) {
  EXPECT_EQ(cudaSetDevice(rank), cudaSuccess);
  stream_ = NewStream();
}

TestRank::~TestRank() {
  for (const cudaStream_t stream : streams_) cudaStreamDestroy(stream);
  for (void* const address : allocated_) cudaFree(address);
}

cudaStream_t TestRank::NewStream() {
  cudaStream_t stream = nullptr;
  EXPECT_EQ(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking),
            cudaSuccess);
  streams_.push_back(stream);
  return stream;
}

ncclComm_t TestRank::Connect(const ncclUniqueId& id) {
  ncclComm_t comm = nullptr;
  EXPECT_EQ(ncclCommInitRank(&comm, size_, id, rank_), ncclSuccess)
      << ncclGetLastError(comm);
  pthread_barrier_wait(&connected_);
  return comm;
}

ncclResult_t TestRank::StateOf(ncclComm_t comm) {
  EXPECT_EQ(cudaStreamSynchronize(stream_), cudaSuccess);
  ncclResult_t state = ncclInProgress;
  EXPECT_EQ(ncclCommGetAsyncError(comm, &state), ncclSuccess);
  return state;
}

void* TestRank::UploadBytes(const void* source, size_t bytes) {
  void* address = nullptr;
  EXPECT_EQ(cudaMalloc(&address, bytes), cudaSuccess);
  allocated_.push_back(address);
  EXPECT_EQ(
      cudaMemcpyAsync(address, source, bytes, cudaMemcpyHostToDevice, stream_),
      cudaSuccess);
  EXPECT_EQ(cudaStreamSynchronize(stream_), cudaSuccess);
  return address;
}

void TestRank::DownloadBytes(void* destination, const void* source,
                             size_t bytes) {
  EXPECT_EQ(cudaMemcpyAsync(destination, source, bytes, cudaMemcpyDeviceToHost,
                            stream_),
            cudaSuccess);
}

void RunThreads(int size, const RankBody& body) {
  ncclUniqueId id;
  ASSERT_EQ(ncclGetUniqueId(&id), ncclSuccess);
  pthread_barrier_t connected;
  pthread_barrier_init(&connected, nullptr, size);
  std::vector<std::thread> threads;
  for (int i = 0; i < size; ++i) {
    threads.emplace_back([i, size, &connected, &id, &body] {
      TestRank rank(i, size, connected);
      body(rank, id);
    });
  }
  for (std::thread& thread : threads) thread.join();
  pthread_barrier_destroy(&connected);
}

void RunProcesses(int size, const RankBody& body) {
  struct Shared {
    ncclUniqueId id;
    std::atomic<bool> there;
    pthread_barrier_t connected;
  };
  void* const memory = mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(memory, MAP_FAILED);
  auto* const shared = new (memory) Shared;
  pthread_barrierattr_t of_processes;
  pthread_barrierattr_init(&of_processes);
  pthread_barrierattr_setpshared(&of_processes, PTHREAD_PROCESS_SHARED);
  pthread_barrier_init(&shared->connected, &of_processes, size);
  std::vector<pid_t> children;
  for (int i = 0; i < size; ++i) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      if (i == 0) {
        EXPECT_EQ(ncclGetUniqueId(&shared->id), ncclSuccess);
        shared->there = true;
      }
      while (!shared->there) usleep(1000);
      {
        TestRank rank(i, size, shared->connected);
        body(rank, shared->id);
      }
      std::fflush(stdout);
      _exit(::testing::Test::HasFailure() ? 1 : 0);
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0) << "a rank failed";
  }
  munmap(memory, sizeof(Shared));
}

}  // namespace switchyard::emulation
