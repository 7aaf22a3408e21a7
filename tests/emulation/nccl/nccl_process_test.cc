// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Ranks that are processes.
#include <unistd.h>

#include "gmock/gmock.h"
#include "nccl.h"
#include "nccl/test_ranks.h"

namespace switchyard::emulation {
namespace {

using ::testing::HasSubstr;

TEST(NcclProcesses, LargeValuesTravel) {
  RunProcesses(3, [](TestRank& self, const ncclUniqueId& id) {
    const ncclComm_t comm = self.Connect(id);
    constexpr size_t kCount = 3 << 20;
    int* const values =
        self.Upload(std::vector<int>(kCount, 1 << (8 * self.rank())));
    EXPECT_EQ(ncclAllReduce(values, values, kCount, ncclInt32, ncclSum, comm,
                            self.stream()),
              ncclSuccess);
    EXPECT_EQ(self.StateOf(comm), ncclSuccess);
    EXPECT_THAT(self.Download(values, kCount), ::testing::Each(0x010101));
    EXPECT_EQ(ncclCommDestroy(comm), ncclSuccess);
  });
}

TEST(NcclProcesses, AProcessThatEndsIsSeen) {
  RunProcesses(3, [](TestRank& self, const ncclUniqueId& id) {
    const ncclComm_t comm = self.Connect(id);
    if (self.rank() == 1) _exit(0);
    float* const buffer = self.Upload(std::vector<float>(8, 1));
    ncclAllReduce(buffer, buffer, 8, ncclFloat32, ncclSum, comm, self.stream());
    EXPECT_EQ(self.StateOf(comm), ncclRemoteError);
    EXPECT_THAT(ncclGetLastError(comm),
                HasSubstr("the process of rank 1 has ended"));
    EXPECT_EQ(ncclCommAbort(comm), ncclSuccess);
  });
}

}  // namespace
}  // namespace switchyard::emulation
