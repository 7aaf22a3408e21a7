// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Mistakes that real ranks would answer with a hang or with garbage. Ranks are
// threads.
#include <atomic>
#include <cstdlib>
#include <thread>

#include "emulation/control.h"
#include "gmock/gmock.h"
#include "nccl.h"
#include "nccl/test_ranks.h"

namespace switchyard::emulation {
namespace {

using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::HasSubstr;

// What each of two ranks does with a communicator, a buffer of 64 floats and a
// stream; and the error that both must see.
using Call = std::function<void(TestRank&, ncclComm_t, float*)>;
void ExpectError(const Call& call, const std::string& text) {
  RunThreads(2, [&](TestRank& self, const ncclUniqueId& id) {
    const ncclComm_t comm = self.Connect(id);
    float* const buffer = self.Upload(std::vector<float>(64, 1));
    call(self, comm, buffer);
    cudaStreamSynchronize(self.stream());
    ncclResult_t state = ncclSuccess;
    for (int i = 0; i < 500 && state == ncclSuccess; ++i) {
      ncclCommGetAsyncError(comm, &state);
      timespec pause = {0, 10000000};
      nanosleep(&pause, nullptr);
    }
    EXPECT_THAT(state,
                AnyOf(ncclInvalidUsage, ncclRemoteError, ncclInternalError));
    EXPECT_THAT(
        ncclGetLastError(comm),
        AllOf(HasSubstr("rank 0"), HasSubstr("rank 1"), HasSubstr(text)));
    EXPECT_EQ(ncclCommAbort(comm), ncclSuccess);
  });
}

TEST(NcclMistakes, Counts) {
  ExpectError(
      [](TestRank& self, ncclComm_t comm, float* buffer) {
        ncclAllReduce(buffer, buffer, 8 + self.rank(), ncclFloat32, ncclSum,
                      comm, self.stream());
      },
      "ncclAllReduce(count 9, float32, sum)");
}

TEST(NcclMistakes, Types) {
  ExpectError(
      [](TestRank& self, ncclComm_t comm, float* buffer) {
        ncclAllReduce(buffer, buffer, 8,
                      self.rank() == 0 ? ncclFloat32 : ncclInt32, ncclSum, comm,
                      self.stream());
      },
      "ncclAllReduce(count 8, int32, sum)");
}

TEST(NcclMistakes, Operators) {
  ExpectError(
      [](TestRank& self, ncclComm_t comm, float* buffer) {
        ncclReduce(buffer, buffer, 8, ncclFloat32,
                   self.rank() == 0 ? ncclSum : ncclMax, 0, comm,
                   self.stream());
      },
      "ncclReduce(count 8, float32, max, root 0)");
}

TEST(NcclMistakes, Roots) {
  ExpectError(
      [](TestRank& self, ncclComm_t comm, float* buffer) {
        ncclBroadcast(buffer, buffer, 8, ncclFloat32, self.rank(), comm,
                      self.stream());
      },
      "root 1");
}

TEST(NcclMistakes, DifferentCalls) {
  ExpectError(
      [](TestRank& self, ncclComm_t comm, float* buffer) {
        if (self.rank() == 0) {
          ncclAllGather(buffer, buffer, 8, ncclFloat32, comm, self.stream());
        } else {
          ncclBroadcast(buffer, buffer, 8, ncclFloat32, 1, comm, self.stream());
        }
      },
      "ncclAllGather(count 8, float32)");
}

TEST(NcclMistakes, SendsAndReceivesOfDifferentSizes) {
  ExpectError(
      [](TestRank& self, ncclComm_t comm, float* buffer) {
        if (self.rank() == 0) {
          ncclSend(buffer, 8, ncclFloat32, 1, comm, self.stream());
        } else {
          ncclRecv(buffer, 9, ncclFloat32, 0, comm, self.stream());
        }
      },
      "ncclRecv(count 9, float32)");
}

// Each waits for the other to receive.
TEST(NcclMistakes, TwoSendsOutsideOfAGroup) {
  ExpectError(
      [](TestRank& self, ncclComm_t comm, float* buffer) {
        const int peer = 1 - self.rank();
        ncclSend(buffer, 8, ncclFloat32, peer, comm, self.stream());
        ncclRecv(buffer + 8, 8, ncclFloat32, peer, comm, self.stream());
      },
      "ncclSend(count 8, float32)");
}

TEST(NcclMistakes, OrderAcrossCommunicators) {
  ExpectError(
      [](TestRank& self, ncclComm_t comm, float* buffer) {
        ncclComm_t second = nullptr;
        ASSERT_EQ(ncclCommSplit(comm, 0, self.rank(), &second, nullptr),
                  ncclSuccess);
        // On streams of their own, each would find its partner.
        const cudaStream_t other = self.NewStream();
        const auto reduce = [&](ncclComm_t which, cudaStream_t stream) {
          ncclAllReduce(buffer, buffer, 8, ncclFloat32, ncclSum, which, stream);
        };
        if (self.rank() == 0) {
          reduce(comm, self.stream());
          reduce(second, other);
        } else {
          reduce(second, other);
          reduce(comm, self.stream());
        }
        cudaStreamSynchronize(other);
        ncclCommAbort(second);
      },
      "need one order on all ranks");
}

TEST(NcclMistakes, ACallThatNobodyJoins) {
  setenv("SWITCHYARD_EMULATION_NCCL_TIMEOUT", "1", 1);
  ExpectError(
      [](TestRank& self, ncclComm_t comm, float* buffer) {
        if (self.rank() == 0) {
          ncclAllReduce(buffer, buffer, 8, ncclFloat32, ncclSum, comm,
                        self.stream());
        }
      },
      "for more than 1 s; the last call that rank announced here is ");
  unsetenv("SWITCHYARD_EMULATION_NCCL_TIMEOUT");
}

TEST(NcclMistakes, ARankThatLeaves) {
  RunThreads(2, [](TestRank& self, const ncclUniqueId& id) {
    const ncclComm_t comm = self.Connect(id);
    if (self.rank() == 1) {
      EXPECT_EQ(ncclCommDestroy(comm), ncclSuccess);
      return;
    }
    float* const buffer = self.Upload(std::vector<float>(8, 1));
    ncclAllReduce(buffer, buffer, 8, ncclFloat32, ncclSum, comm, self.stream());
    EXPECT_EQ(self.StateOf(comm), ncclInvalidUsage);
    EXPECT_THAT(ncclGetLastError(comm),
                AllOf(HasSubstr("rank 0"), HasSubstr("rank 1"),
                      HasSubstr("destroyed")));
    EXPECT_EQ(ncclCommAbort(comm), ncclSuccess);
  });
}

TEST(NcclMistakes, AnAbortIsSeenByTheOthers) {
  RunThreads(3, [](TestRank& self, const ncclUniqueId& id) {
    const ncclComm_t comm = self.Connect(id);
    if (self.rank() == 2) {
      EXPECT_EQ(ncclCommAbort(comm), ncclSuccess);
      return;
    }
    float* const buffer = self.Upload(std::vector<float>(8, 1));
    ncclAllReduce(buffer, buffer, 8, ncclFloat32, ncclSum, comm, self.stream());
    EXPECT_EQ(self.StateOf(comm), ncclRemoteError);
    EXPECT_THAT(ncclGetLastError(comm), HasSubstr("rank 2 aborted"));
    EXPECT_EQ(ncclCommAbort(comm), ncclSuccess);
  });
}

// The caller's own deadline comes first: what waits ends at once.
TEST(NcclMistakes, AbortEndsWhatWaits) {
  std::atomic<bool> waits = false;
  RunThreads(2, [&waits](TestRank& self, const ncclUniqueId& id) {
    const ncclComm_t comm = self.Connect(id);
    float* const buffer = self.Upload(std::vector<float>(8, 1));
    if (self.rank() == 0) {
      ncclAllReduce(buffer, buffer, 8, ncclFloat32, ncclSum, comm,
                    self.stream());
      EXPECT_EQ(cudaStreamQuery(self.stream()), cudaErrorNotReady);
      waits = true;
    }
    while (!waits) {
      std::this_thread::yield();
    }
    EXPECT_EQ(ncclCommAbort(comm), ncclSuccess);
    EXPECT_EQ(cudaStreamSynchronize(self.stream()), cudaSuccess);
  });
}

TEST(NcclMistakes, BuffersOfTheHost) {
  RunThreads(1, [](TestRank& self, const ncclUniqueId& id) {
    const ncclComm_t comm = self.Connect(id);
    float host[8] = {};
    float* const buffer = self.Upload(std::vector<float>(8, 1));
    EXPECT_EQ(ncclAllReduce(host, buffer, 8, ncclFloat32, ncclSum, comm,
                            self.stream()),
              ncclInvalidArgument);
    EXPECT_THAT(ncclGetLastError(nullptr),
                HasSubstr("the send buffer is not memory of a device"));
    EXPECT_EQ(ncclAllReduce(buffer, buffer, 9, ncclFloat32, ncclSum, comm,
                            self.stream()),
              ncclInvalidArgument);
    EXPECT_EQ(ncclAllReduce(buffer, buffer + 1, 4, ncclFloat32, ncclSum, comm,
                            self.stream()),
              ncclInvalidArgument);
    EXPECT_THAT(ncclGetLastError(nullptr), HasSubstr("overlap"));
    EXPECT_EQ(
        ncclBroadcast(buffer, buffer, 8, ncclFloat32, 1, comm, self.stream()),
        ncclInvalidArgument);
    EXPECT_EQ(ncclCommDestroy(comm), ncclSuccess);
    EXPECT_EQ(ncclCommDestroy(comm), ncclInvalidArgument);
  });
}

TEST(NcclMistakes, OneDeviceForTwoRanks) {
  RunThreads(2, [](TestRank& self, const ncclUniqueId& id) {
    ASSERT_EQ(cudaSetDevice(0), cudaSuccess);
    ncclComm_t comm = nullptr;
    EXPECT_EQ(ncclCommInitRank(&comm, 2, id, self.rank()), ncclInvalidUsage);
    EXPECT_THAT(ncclGetLastError(comm), HasSubstr("both have device 0"));
    EXPECT_EQ(ncclCommAbort(comm), ncclSuccess);
    ASSERT_EQ(cudaSetDevice(self.rank()), cudaSuccess);
  });
}

}  // namespace
}  // namespace switchyard::emulation
