// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Calls on GPUs that fail: the host learns of it when it waits for its stream,
// which then ends, or by its next call, and the report names who did what.
// Nothing of NCCL can be used afterwards, so each test is a job of its own.
#include <mpi.h>
#include <nccl.h>

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "gmock/gmock.h"
#include "switchyard/base/cpu/cpu_device.h"
#include "switchyard/comm/nccl/use_nccl.h"
#include "switchyard/tests/conformance/buffer.h"
#include "switchyard/tests/conformance/nccl_gpu.h"

namespace switchyard::comm {
namespace {

constexpr double kTimeoutSeconds = 3;  // enough for the ranks to begin
constexpr double kBeyond = 20;         // on a busy machine

double Now() {
  return std::chrono::duration<double>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

class NcclFailureTest : public NcclTest {
 protected:
  NcclFailureTest() : NcclTest(kTimeoutSeconds) {}

  void SetUp() override {
    NcclTest::SetUp();
    if (!ready()) return;
    const absl::Status status = UseNccl(world(), device(), kTimeoutSeconds);
    ASSERT_TRUE(status.ok()) << status;
    // NCCL would tell a rank that is not there yet of another's failure.
    MPI_Barrier(MPI_COMM_WORLD);
    stream_ = device().NewStream();
    storage_ = std::make_unique<Storage>(device(), DType::kFloat32, Shape{16});
    stream_->Zero(Floats(16));
    stream_->Wait();
  }

  bool last() { return world().rank() == world().size() - 1; }
  TensorView Floats(int64_t count) {
    return storage_->View(DType::kFloat32, {count});
  }

  // The call was enqueued; it will not be complete, and waiting ends in time.
  void ExpectDeath(Ticket ticket, const std::string& words) {
    const double begin = Now();
    const absl::Status enqueued = ticket.Wait();
    absl::Status known = WaitForResults(*stream_, world());
    // All ranks ask, so it would succeed otherwise.
    if (known.ok()) known = world().Barrier({7, "afterwards"}).Wait();
    EXPECT_LT(Now() - begin, kTimeoutSeconds + kBeyond);
    EXPECT_FALSE(known.ok());
    ExpectNothingWorks();
    // Some rank gives the reason in words.
    int named = absl::StrContains(known.message(), words) ||
                absl::StrContains(enqueued.message(), words);
    MPI_Allreduce(MPI_IN_PLACE, &named, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
    EXPECT_GE(named, 1) << enqueued << "\n" << known;
  }

  absl::Status Sum() {
    return world()
        .AllReduce(*stream_, Floats(8), ReduceOp::kSum, {4, "backward"})
        .Wait();
  }

  // `calls` of all ranks but the last one, which comes when they have failed.
  void WithoutTheLastRank(const std::function<absl::Status()>& calls) {
    if (!last()) {
      const double begin = Now();
      absl::Status known = calls();
      if (known.ok()) known = world().Health();
      EXPECT_GE(Now() - begin, kTimeoutSeconds);
      EXPECT_LT(Now() - begin, kTimeoutSeconds + kBeyond);
      EXPECT_EQ(known.code(), absl::StatusCode::kDeadlineExceeded) << known;
      EXPECT_THAT(std::string(known.message()),
                  ::testing::HasSubstr("all-reduce (sum, 8 fp32)"));
    }
    MPI_Barrier(MPI_COMM_WORLD);
    ExpectNothingWorks();
  }

  void ExpectNothingWorks() {
    const absl::Status later =
        world()
            .AllReduce(*stream_, Floats(8), ReduceOp::kSum, {8, "later"})
            .Wait();
    EXPECT_FALSE(later.ok());
    stream_->Wait();
    EXPECT_FALSE(world().Split(0, 0).ok());
  }

  void TearDown() override {
    if (storage_ != nullptr) LeaveNccl(world());
  }

  std::unique_ptr<Stream> stream_;
  std::unique_ptr<Storage> storage_;
};

TEST_F(NcclFailureTest, AnotherCount) {
  ExpectDeath(world().AllReduce(*stream_, Floats(last() ? 7 : 8),
                                ReduceOp::kSum, {0, "f"}),
              "all-reduce (sum, 7 fp32)");
}

TEST_F(NcclFailureTest, AnotherOperation) {
  ExpectDeath(
      last() ? world().Broadcast(*stream_, Floats(8), 0, {5, "optimizer"})
             : world().AllReduce(*stream_, Floats(8), ReduceOp::kSum, {4, "b"}),
      "by layer 5, optimizer");
}

// The last rank makes its call when all others have given up.
TEST_F(NcclFailureTest, ALateRankIsNamedAtTheDeadline) {
  WithoutTheLastRank([&] {
    EXPECT_TRUE(Sum().ok());
    return WaitForResults(*stream_, world());
  });
}

// The driver takes some 1000 kernels behind a call that waits: who gives more
// is not held up inside it.
TEST_F(NcclFailureTest, ALateRankIsNamedWhileMoreWorkIsGiven) {
  WithoutTheLastRank([&] {
    EXPECT_TRUE(Sum().ok());
    for (int i = 0; i < 3000; ++i) stream_->Zero(Floats(8));
    return absl::OkStatus();
  });
}

// So may it wait where memory is asked for.
TEST_F(NcclFailureTest, ALateRankIsNamedWhileMemoryIsAllocated) {
  WithoutTheLastRank([&] {
    EXPECT_TRUE(Sum().ok());
    const Storage more(device(), DType::kFloat32, Shape{16});
    return absl::OkStatus();
  });
}

TEST_F(NcclFailureTest, ALateRankIsNamedWhileAStreamEnds) {
  std::vector<float> values(8);
  WithoutTheLastRank([&] {
    const auto stream = device().NewStream();
    stream->CopyToHost(values.data(), Floats(8));  // takes pinned memory
    stream->Wait();
    EXPECT_TRUE(
        world()
            .AllReduce(*stream, Floats(8), ReduceOp::kSum, {4, "backward"})
            .Wait()
            .ok());
    stream->CopyToHost(values.data(), Floats(8));
    return absl::OkStatus();
  });
}

TEST_F(NcclFailureTest, ALateRankIsNamedWhileMoreCallsAreMade) {
  WithoutTheLastRank([&] {
    absl::Status known = Sum();
    for (int i = 0; i < 3000 && known.ok(); ++i) known = Sum();
    return known;
  });
}

// What a rank does not give itself is seen before NCCL is asked.
TEST_F(NcclFailureTest, BlocksThatARankItselfDoesNotExpect) {
  const Block send = {world().rank(), 0, 4};
  const Block recv = {world().rank(), 8, 3};
  const absl::Status status =
      world()
          .AllToAllV(*stream_, Floats(16), {&send, 1}, Floats(16), {&recv, 1},
                     {6, "dispatch"})
          .Wait();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
  ExpectNothingWorks();
}

class NcclStartTest : public NcclTest {
 protected:
  NcclStartTest() : NcclTest(kTimeoutSeconds) {}

  // What UseNccl does first.
  absl::Status TakePartInTheId() {
    struct Message {
      ncclUniqueId id;
      ncclResult_t result;
    };
    CpuDevice host;
    const auto stream = host.NewStream();
    Storage message(host, DType::kUInt8, Shape{sizeof(Message)});
    return world()
        .Broadcast(*stream, message.View(DType::kUInt8, {sizeof(Message)}), 0,
                   {-1, "NCCL's id"})
        .Wait();
  }
};

TEST_F(NcclStartTest, ARankThatDoesNotComeIsMissedAtTheDeadline) {
  if (world().rank() == world().size() - 1) {
    EXPECT_TRUE(TakePartInTheId().ok());
  } else {
    const absl::Status used = UseNccl(world(), device(), /*seconds=*/1.5);
    EXPECT_EQ(used.code(), absl::StatusCode::kDeadlineExceeded) << used;
    EXPECT_EQ(used.message(),
              "NCCL's communicator is not complete after 1.5 s; look at "
              "NCCL_DEBUG=INFO, or use --transport mpi");
  }
  MPI_Barrier(MPI_COMM_WORLD);
}

}  // namespace
}  // namespace switchyard::comm
