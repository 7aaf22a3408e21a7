// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// A program that started MPI itself lends a communicator to Switchyard and goes
// on with MPI afterwards. With the argument "single" it starts MPI for one
// thread only, which Switchyard must refuse.
#include <mpi.h>

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>

#include "switchyard/base/cpu/cpu_device.h"
#include "switchyard/base/status.h"
#include "switchyard/base/storage.h"
#include "switchyard/base/stream.h"
#include "switchyard/comm/mpi/from_mpi.h"
#include "switchyard/comm/mpi/mpi_environment.h"

namespace {

namespace comm = switchyard::comm;

int RankIn(MPI_Comm group) {
  int rank = -1;
  MPI_Comm_rank(group, &rank);
  return rank;
}

int SizeOf(MPI_Comm group) {
  int size = -1;
  MPI_Comm_size(group, &size);
  return size;
}

// The sum of `mine` over the ranks of `world`.
absl::StatusOr<int64_t> Sum(comm::Communicator& world, int64_t mine) {
  switchyard::CpuDevice device;
  const std::unique_ptr<switchyard::Stream> stream = device.NewStream();
  switchyard::Storage storage(device, switchyard::DType::kInt64, {1});
  const switchyard::TensorView sum =
      storage.View(switchyard::DType::kInt64, {1});
  stream->CopyToDevice(sum, &mine);
  SWITCHYARD_RETURN_IF_ERROR(
      world.AllReduce(*stream, sum, comm::ReduceOp::kSum, {-1, "test"}).Wait());
  int64_t total = -1;
  stream->CopyToHost(&total, sum);
  stream->Wait();
  return total;
}

// Splits the ranks by parity with MPI and adds up world ranks in each half.
absl::Status Lend() {
  const int world_rank = RankIn(MPI_COMM_WORLD);
  const int parity = world_rank % 2;
  MPI_Comm half;
  MPI_Comm_split(MPI_COMM_WORLD, parity, world_rank, &half);
  const int half_size = SizeOf(half);
  {
    SWITCHYARD_ASSIGN_OR_RETURN(const auto environment,
                                comm::MpiEnvironment::Start());
    SWITCHYARD_ASSIGN_OR_RETURN(const std::unique_ptr<comm::Communicator> world,
                                comm::NewMpiCommunicator(half, {}));
    MPI_Comm_free(&half);  // the library has a copy
    if (world->size() != half_size) {
      return absl::InternalError("the size is not the communicator's");
    }
    int64_t expected = 0;
    for (int rank = parity; rank < SizeOf(MPI_COMM_WORLD); rank += 2) {
      expected += rank;
    }
    SWITCHYARD_ASSIGN_OR_RETURN(const int64_t sum, Sum(*world, world_rank));
    if (sum != expected) return absl::InternalError("the sum is wrong");
  }
  // MPI is the program's: still up, and usable.
  int finalized = 1;
  MPI_Finalized(&finalized);
  if (finalized != 0) return absl::InternalError("MPI was finalised");
  int one = 1, total = 0;
  MPI_Allreduce(&one, &total, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
  if (total != SizeOf(MPI_COMM_WORLD)) {
    return absl::InternalError("MPI does not work any more");
  }
  return absl::OkStatus();
}

absl::Status MustBeRefused() {
  const auto world = comm::NewMpiCommunicator(MPI_COMM_WORLD, {});
  if (world.ok()) return absl::InternalError("one thread was accepted");
  std::printf("refused: %s\n", std::string(world.status().message()).c_str());
  return absl::OkStatus();
}

}  // namespace

int main(int argc, char** argv) {
  const bool single = argc > 1 && std::strcmp(argv[1], "single") == 0;
  int provided = 0;
  MPI_Init_thread(&argc, &argv,
                  single ? MPI_THREAD_SINGLE : MPI_THREAD_FUNNELED, &provided);
  const absl::Status status = single ? MustBeRefused() : Lend();
  if (!status.ok()) {
    std::fprintf(stderr, "from_mpi: %s\n", status.ToString().c_str());
    MPI_Abort(MPI_COMM_WORLD, 1);
  }
  if (RankIn(MPI_COMM_WORLD) == 0) std::printf("from_mpi: passed\n");
  MPI_Finalize();
  return 0;
}
