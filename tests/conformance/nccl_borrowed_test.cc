// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// A program's own NCCL communicator under a world of Switchyard.
#include <cuda_runtime.h>
#include <mpi.h>
#include <nccl.h>

#include "gmock/gmock.h"
#include "switchyard/comm/nccl/from_nccl.h"
#include "switchyard/comm/nccl/use_nccl.h"
#include "switchyard/tests/conformance/buffer.h"
#include "switchyard/tests/conformance/nccl_gpu.h"

namespace switchyard::comm {
namespace {

using ::testing::HasSubstr;

constexpr double kTimeoutSeconds = 60;
constexpr Caller kCaller = {0, "borrowed"};

// The program's own, with this rank as `rank`.
ncclComm_t NewComm(int rank, int size) {
  ncclUniqueId id;
  int world_rank = -1;
  MPI_Comm_rank(MPI_COMM_WORLD, &world_rank);
  if (world_rank == 0) {
    EXPECT_EQ(ncclGetUniqueId(&id), ncclSuccess);
  }
  MPI_Bcast(&id, sizeof(id), MPI_BYTE, 0, MPI_COMM_WORLD);
  ncclComm_t comm = nullptr;
  EXPECT_EQ(ncclCommInitRank(&comm, size, id, rank), ncclSuccess);
  return comm;
}

int64_t SumOfOnes(Communicator& group, Rank& rank) {
  Buffer<int64_t> ones(rank, std::vector<int64_t>{1});
  const absl::Status status =
      group.AllReduce(rank.stream, ones.view(), ReduceOp::kSum, kCaller).Wait();
  EXPECT_TRUE(status.ok()) << status;
  return ones.Values()[0];
}

class NcclBorrowedTest : public NcclTest {
 protected:
  NcclBorrowedTest() : NcclTest(kTimeoutSeconds) {}
};

TEST_F(NcclBorrowedTest, CarriesAWorldAndItsGroupsAndStaysTheCallers) {
  const ncclComm_t comm = NewComm(world().rank(), world().size());
  const absl::Status status =
      UseNcclFrom(world(), device(), comm, kTimeoutSeconds);
  ASSERT_TRUE(status.ok()) << status;
  {
    const auto stream = device().NewStream();
    Rank rank{world(), device(), *stream};
    EXPECT_EQ(SumOfOnes(world(), rank), world().size());
    auto group = world().Split(world().rank() / 2, world().rank());
    ASSERT_TRUE(group.ok()) << group.status();
    EXPECT_EQ(SumOfOnes(**group, rank), (*group)->size());
  }
  LeaveNccl(world());
  int size = 0;
  EXPECT_EQ(ncclCommCount(comm, &size), ncclSuccess);
  EXPECT_EQ(size, world().size());
  MPI_Barrier(MPI_COMM_WORLD);
  EXPECT_EQ(ncclCommDestroy(comm), ncclSuccess);
}

TEST_F(NcclBorrowedTest, MustHaveTheWorldsRanks) {
  if (world().size() == 1) GTEST_SKIP() << "one order of one rank";
  const int rank = (world().rank() + 1) % world().size();
  const ncclComm_t comm = NewComm(rank, world().size());
  const absl::Status status =
      UseNcclFrom(world(), device(), comm, kTimeoutSeconds);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(
      status.message(),
      HasSubstr(absl::StrCat("expected NCCL's rank ", world().rank(), " of ",
                             world().size(), ", found ", rank, " of ")));
  MPI_Barrier(MPI_COMM_WORLD);
  EXPECT_EQ(ncclCommDestroy(comm), ncclSuccess);
}

}  // namespace
}  // namespace switchyard::comm
