// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Switchyard as a guest in a program that runs MPI itself, through the header
// for such programs. Runs under mpirun.
#include <mpi.h>

#include <filesystem>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "switchyard/base/cpu/cpu_device.h"
#include "switchyard/base/storage.h"
#include "switchyard/comm/mpi/from_mpi.h"
#include "switchyard/comm/mpi/mpi_environment.h"
#include "switchyard/tests/support/temporary_folder.h"

namespace switchyard::comm {
namespace {

using ::testing::HasSubstr;

int WorldRank() {
  int rank = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  return rank;
}

int WorldSize() {
  int size = 0;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  return size;
}

// The sum of `value` over the ranks of a communicator.
int64_t Sum(Communicator& group, int64_t value) {
  CpuDevice device;
  const std::unique_ptr<Stream> stream = device.NewStream();
  Storage storage(device, DType::kInt64, {1});
  const TensorView view = storage.View(DType::kInt64, {1});
  stream->CopyToDevice(view, &value);
  const absl::Status status =
      group.AllReduce(*stream, view, ReduceOp::kSum, {-1, "sum"}).Wait();
  EXPECT_TRUE(status.ok()) << status;
  int64_t result = -1;
  stream->CopyToHost(&result, view);
  stream->Wait();
  return result;
}

TEST(MpiHostTest, TheHostsMpiIsLeftUp) {
  {
    const auto environment = MpiEnvironment::Start();
    ASSERT_TRUE(environment.ok()) << environment.status();
  }
  int finalized = 1;
  MPI_Finalized(&finalized);
  EXPECT_EQ(finalized, 0);
}

TEST(MpiHostTest, ACommunicatorOfTheHostMayBeFreedAtOnce) {
  MPI_Comm reversed = MPI_COMM_NULL;
  MPI_Comm_split(MPI_COMM_WORLD, 0, -WorldRank(), &reversed);
  const auto world = NewMpiCommunicator(reversed, {});
  MPI_Comm_free(&reversed);
  ASSERT_TRUE(world.ok()) << world.status();
  EXPECT_EQ((*world)->size(), WorldSize());
  EXPECT_EQ((*world)->rank(), WorldSize() - 1 - WorldRank());
  EXPECT_EQ(Sum(**world, 1), WorldSize());
}

TEST(MpiHostTest, APartOfTheRanksIsAWorldOfItsOwn) {
  MPI_Comm part = MPI_COMM_NULL;
  MPI_Comm_split(MPI_COMM_WORLD, WorldRank() % 2, WorldRank(), &part);
  const auto world = NewMpiCommunicator(part, {});
  MPI_Comm_free(&part);
  ASSERT_TRUE(world.ok()) << world.status();
  EXPECT_EQ((*world)->rank(), WorldRank() / 2);
  EXPECT_EQ((*world)->members()[(*world)->rank()].world_rank, (*world)->rank());
  int64_t expected = 0;
  for (int r = WorldRank() % 2; r < WorldSize(); r += 2) expected += r;
  EXPECT_EQ(Sum(**world, WorldRank()), expected);
}

TEST(MpiHostTest, TwoWorldsAtOnce) {
  const auto a = NewMpiWorld({});
  const auto b = NewMpiWorld({});
  ASSERT_TRUE(a.ok() && b.ok());
  EXPECT_EQ(Sum(**a, 1), WorldSize());
  EXPECT_EQ(Sum(**b, 2), 2 * WorldSize());
  EXPECT_EQ(Sum(**a, 3), 3 * WorldSize());
}

// FUNNELED is what the host asked for.
TEST(MpiHostTest, AnotherThreadIsRefused) {
  absl::Status status;
  std::thread([&] { status = NewMpiWorld({}).status(); }).join();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("MPI_THREAD_FUNNELED"));
}

TEST(MpiHostTest, AllRanksLearnThatOneCannotKeepALedger) {
  const testing::TemporaryFolder folder;
  const bool bad = WorldRank() == WorldSize() - 1;
  Options options;
  options.ledger_directory =
      bad ? "/nonexistent/folder" : folder.path().string();
  const absl::Status status = NewMpiWorld(options).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("rank " + std::to_string(WorldSize() - 1) +
                        ": the ledger needs a directory that can be written: "
                        "/nonexistent/folder"));
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(MpiHostTest, LedgersAreFilesOnlyWhileTheWorldLives) {
  const testing::TemporaryFolder folder;
  Options options;
  options.ledger_directory = folder.path().string();
  auto world = NewMpiWorld(options);
  ASSERT_TRUE(world.ok()) << world.status();
  auto group = (*world)->Split(WorldRank() % 2, 0);
  ASSERT_TRUE(group.ok()) << group.status();
  (*world)->ledger().SetPosition(4, 1, "router");
  EXPECT_THAT((*world)->ledger().Report(),
              HasSubstr("step 4, layer 1, router"));
  EXPECT_FALSE(std::filesystem::is_empty(folder.path()));
  (*world).reset();
  EXPECT_FALSE(std::filesystem::is_empty(folder.path()))
      << "the group still needs it";
  (*group).reset();
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

}  // namespace
}  // namespace switchyard::comm
