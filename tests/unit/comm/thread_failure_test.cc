// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// What ranks that are threads are told when their calls do not meet, word by
// word, and what happens when a rank leaves. That they are told, for all that
// must agree, is in tests/conformance. Every test would hang, not fail, if the
// errors did not arrive: hence the timeouts of CTest.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <latch>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "switchyard/base/cpu/cpu_device.h"
#include "switchyard/base/status.h"
#include "switchyard/base/storage.h"
#include "switchyard/comm/host.h"
#include "switchyard/comm/thread/thread_communicator.h"

namespace switchyard::comm {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

Options WithTimeout(double seconds) {
  Options options;
  options.timeout_seconds = seconds;
  return options;
}

std::string Message(const absl::Status& status) {
  return std::string(status.message());
}

// A rank's device and one buffer on it.
struct Scene {
  explicit Scene(int64_t count = 8)
      : stream(device.NewStream()),
        storage(device, DType::kFloat32, {count}),
        view(storage.View(DType::kFloat32, {count})) {
    stream->Zero(view);
  }
  CpuDevice device;
  std::unique_ptr<Stream> stream;
  Storage storage;
  TensorView view;
};

// Runs the ranks and keeps what each of them returned.
std::vector<absl::Status> StatusOfEach(
    int ranks, const Options& options,
    const std::function<absl::Status(Communicator&)>& rank_main) {
  std::vector<absl::Status> statuses(ranks);
  RunRanks(ranks, options, [&](Communicator& world) {
    return statuses[world.rank()] = rank_main(world);
  }).IgnoreError();
  return statuses;
}

TEST(ThreadFailureTest, AnotherOperationIsReportedAtOnce) {
  const auto start = std::chrono::steady_clock::now();
  const std::vector<absl::Status> statuses =
      StatusOfEach(3, WithTimeout(60), [](Communicator& world) -> absl::Status {
        Scene scene;
        SWITCHYARD_RETURN_IF_ERROR(world.Barrier({-1, "start"}).Wait());
        if (world.rank() == 1) return world.Barrier({5, "backward"}).Wait();
        return world
            .AllReduce(*scene.stream, scene.view, ReduceOp::kSum,
                       {4, "forward"})
            .Wait();
      });
  for (const absl::Status& status : statuses) {
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
  }
  // Whoever came last made the report; the others may have been told later.
  const std::string host = HostName();
  EXPECT_THAT(Message(statuses[0]),
              AllOf(HasSubstr("differ at call 2 of group world (ranks 0-2)"),
                    HasSubstr("all-reduce (sum, 8 fp32) by layer 4, forward"),
                    HasSubstr("barrier by layer 5, backward"),
                    HasSubstr("rank 1 (host " + host)));
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(30))
      << "a mismatch must not wait for the deadline";
}

TEST(ThreadFailureTest, BlocksThatDoNotMatch) {
  const std::vector<absl::Status> statuses =
      StatusOfEach(2, WithTimeout(60), [&](Communicator& world) {
        Scene send;
        Scene recv;
        const int peer = 1 - world.rank();
        const std::vector<Block> send_blocks = {{peer, 0, 4}};
        const std::vector<Block> recv_blocks = {
            {peer, 0, world.rank() == 0 ? 3 : 4}};
        return world
            .AllToAllV(*send.stream, send.view, send_blocks, recv.view,
                       recv_blocks, {6, "dispatch"})
            .Wait();
      });
  for (const absl::Status& status : statuses) {
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
    EXPECT_THAT(Message(status),
                AllOf(HasSubstr("sends 16 bytes to rank 0"),
                      HasSubstr("which expects 12"),
                      HasSubstr("all-to-all-v (4 fp32) by layer 6, dispatch")));
  }
}

TEST(ThreadFailureTest, ARankThatNeverCallsIsNamedAtTheDeadline) {
  std::atomic<int> failed{0};
  const std::vector<absl::Status> statuses = StatusOfEach(
      3, WithTimeout(0.3), [&](Communicator& world) -> absl::Status {
        Scene scene;
        world.ledger().SetPosition(17, world.rank(), "attention");
        SWITCHYARD_RETURN_IF_ERROR(world.Barrier({-1, "start"}).Wait());
        if (world.rank() == 2) {
          world.ledger().SetPosition(18, 9, "router");
          while (failed < 2) std::this_thread::yield();
          return absl::OkStatus();
        }
        const absl::Status status =
            world
                .AllReduce(*scene.stream, scene.view, ReduceOp::kSum,
                           {4, "backward"})
                .Wait();
        ++failed;
        return status;
      });
  for (const int r : {0, 1}) {
    EXPECT_EQ(statuses[r].code(), absl::StatusCode::kDeadlineExceeded);
    EXPECT_THAT(
        Message(statuses[r]),
        AllOf(StartsWith("call 2 of group world (ranks 0-2), all-reduce (sum, "
                         "8 fp32) by layer 4, backward, is not complete after "
                         "0.3 s: rank 2 (host " +
                         HostName() + ", process "),
              HasSubstr("running) has not made it"),
              HasSubstr("step 18, layer 9, router"),
              HasSubstr("after call 1 of group world (ranks 0-2): barrier by "
                        "start"),
              HasSubstr("step 17, layer 0, attention"),
              HasSubstr("in call 2 of group world (ranks 0-2): all-reduce")));
  }
}

TEST(ThreadFailureTest, ARankThatLeavesIsNamedAtOnce) {
  const std::vector<absl::Status> statuses =
      StatusOfEach(4, WithTimeout(60), [](Communicator& world) -> absl::Status {
        SWITCHYARD_RETURN_IF_ERROR(world.Barrier({-1, "start"}).Wait());
        if (world.rank() == 2) return absl::DataLossError("its file is bad");
        return world.Barrier({1, "step"}).Wait();
      });
  EXPECT_EQ(statuses[2].code(), absl::StatusCode::kDataLoss);
  for (const int r : {0, 1, 3}) {
    EXPECT_EQ(statuses[r].code(), absl::StatusCode::kUnavailable);
    EXPECT_THAT(Message(statuses[r]), HasSubstr("rank 2 left"));
  }
}

// The leaver's own error is the cause, whichever rank returns first.
TEST(ThreadFailureTest, RunRanksGivesTheCause) {
  for (int i = 0; i < 20; ++i) {
    const absl::Status status =
        RunRanks(3, WithTimeout(60), [](Communicator& world) -> absl::Status {
          if (world.rank() == 1) return absl::DataLossError("its file is bad");
          return world.Barrier({1, "step"}).Wait();
        });
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
  }
}

// A rank that has done all that others wait for may go.
TEST(ThreadFailureTest, LeavingAfterTheLastCallHarmsNobody) {
  for (int i = 0; i < 20; ++i) {
    const absl::Status status =
        RunRanks(3, WithTimeout(60), [](Communicator& world) -> absl::Status {
          Ticket ticket = world.Barrier({1, "step"});
          if (world.rank() == 0) {
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
          }
          return ticket.Wait();
        });
    EXPECT_TRUE(status.ok()) << status;
  }
}

TEST(ThreadFailureTest, EveryGroupIsDeadAfterAFailure) {
  const std::vector<absl::Status> statuses =
      StatusOfEach(2, WithTimeout(60), [](Communicator& world) -> absl::Status {
        SWITCHYARD_ASSIGN_OR_RETURN(
            const std::unique_ptr<Communicator> group,
            world.Split(0, world.rank(), "expert-parallel"));
        Scene scene;
        // A ticket that an error path drops.
        Ticket dropped = group->AllReduce(*scene.stream, scene.view,
                                          ReduceOp::kSum, {0, "dropped"});
        const absl::Status first =
            world.rank() == 0
                ? world.Barrier({0, "b"}).Wait()
                : world.Broadcast(*scene.stream, scene.view, 0, {0, "c"})
                      .Wait();
        EXPECT_EQ(first.code(), absl::StatusCode::kFailedPrecondition);
        const absl::Status later = group->Barrier({1, "later"}).Wait();
        EXPECT_THAT(Message(later),
                    AllOf(StartsWith("the ranks' communication failed before:"),
                          HasSubstr("differ at call 2"), Not(HasSubstr("\n"))));
        EXPECT_FALSE(world.Split(0, 0).ok());
        return later;
      });
  for (const absl::Status& status : statuses) EXPECT_FALSE(status.ok());
}

// Rank 1 adds up both ranks' buffers, which takes a while, when rank 2 ends the
// job. Rank 0 may drop its ticket then, but its buffer must be its own again.
TEST(ThreadFailureTest, ADroppedTicketsBufferIsNotWrittenAnyMore) {
  constexpr int64_t kCount = int64_t{1} << 24;
  std::latch rank_0_is_there(1);
  std::latch about_to_add(1);
  const std::vector<absl::Status> statuses =
      StatusOfEach(3, WithTimeout(60), [&](Communicator& world) {
        const std::unique_ptr<Communicator> pair =
            *world.Split(world.rank() / 2, 0, "pair");
        const std::unique_ptr<Communicator> alone =
            *world.Split(world.rank(), 0, "alone");
        if (world.rank() == 2) {
          about_to_add.wait();
          std::this_thread::sleep_for(std::chrono::milliseconds(5));
          Scene scene;
          const std::vector<Block> send = {{0, 0, 4}};
          return alone
              ->AllToAllV(*scene.stream, scene.view.Rows(0, 4), send,
                          scene.view.Rows(4, 8), {}, {0, "odd"})
              .Wait();
        }
        Scene scene(kCount);
        float* values = scene.view.data<float>();
        if (world.rank() == 1) {
          std::fill_n(values, kCount, 1.0f);
          rank_0_is_there.wait();
          about_to_add.count_down();
          return pair
              ->AllReduce(*scene.stream, scene.view, ReduceOp::kSum, {0, "sum"})
              .Wait();
        }
        Ticket ticket = pair->AllReduce(*scene.stream, scene.view,
                                        ReduceOp::kSum, {0, "sum"});
        rank_0_is_there.count_down();
        absl::Status status;
        while (status.ok()) status = alone->Barrier({0, "alive"}).Wait();
        ticket = Ticket();  // dropped
        std::fill_n(values, kCount, 7.0f);
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
        EXPECT_EQ(std::count(values, values + kCount, 7.0f), kCount);
        return status;
      });
  EXPECT_FALSE(statuses[0].ok());
  EXPECT_EQ(statuses[2].code(), absl::StatusCode::kFailedPrecondition);
}

TEST(ThreadFailureTest, ReportsNameTheGroup) {
  std::latch reported(1);  // nobody leaves before: that would be another cause
  const std::vector<absl::Status> statuses = StatusOfEach(
      4, WithTimeout(0.3), [&](Communicator& world) -> absl::Status {
        SWITCHYARD_ASSIGN_OR_RETURN(
            const std::unique_ptr<Communicator> group,
            world.Split(world.rank() % 2, world.rank(), "expert-data"));
        absl::Status status;
        if (world.rank() != 3) status = group->Barrier({2, "backward"}).Wait();
        if (world.rank() == 1) reported.count_down();
        reported.wait();
        return status;
      });
  EXPECT_THAT(Message(statuses[1]),
              HasSubstr("group expert-data (ranks 1, 3)"));
}

TEST(ThreadFailureDeathTest, ALostTicketOfALivingGroupIsABug) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(RunRanks(1, {},
                        [](Communicator& world) {
                          { Ticket ticket = world.Barrier({0, "lost"}); }
                          return absl::OkStatus();
                        })
                   .IgnoreError(),
               "a ticket was never waited for");
}

TEST(ThreadFailureTest, ReportOfAHealthyJob) {
  const absl::Status status =
      RunRanks(2, WithTimeout(60), [](Communicator& world) -> absl::Status {
        world.ledger().SetPosition(3, -1, "optimizer");
        SWITCHYARD_RETURN_IF_ERROR(world.Barrier({-1, "a"}).Wait());
        EXPECT_THAT(
            world.ledger().Report(),
            AllOf(HasSubstr("no rank is known to be dead or stopped"),
                  HasSubstr("step 3, optimizer"),
                  HasSubstr("after call 1 of group world (ranks 0-1)")));
        return world.Barrier({-1, "b"}).Wait();
      });
  EXPECT_TRUE(status.ok()) << status;
}

}  // namespace
}  // namespace switchyard::comm
