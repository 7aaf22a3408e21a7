// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Each rank learns who the others are, and all of them add up their ranks.
#include <cstdio>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "switchyard/base/cpu/cpu_device.h"
#include "switchyard/base/status.h"
#include "switchyard/base/storage.h"
#include "switchyard/base/stream.h"
#include "switchyard/comm/mpi/launcher.h"
#include "switchyard/comm/mpi/mpi_environment.h"
#include "switchyard/comm/self/self_communicator.h"

namespace {

namespace comm = switchyard::comm;

absl::Status Hello(comm::Communicator& world) {
  const comm::Member& self = world.members()[world.rank()];
  std::printf("rank %d of %d: process %ld on host %s, node %d\n", world.rank(),
              world.size(), static_cast<long>(self.process), self.host.c_str(),
              self.node);

  // A tensor of one element. Only operators and collectives touch its memory:
  // the host sends and fetches copies, in order with the work of a stream.
  switchyard::CpuDevice device;
  const std::unique_ptr<switchyard::Stream> stream = device.NewStream();
  switchyard::Storage storage(device, switchyard::DType::kInt64, {1});
  const switchyard::TensorView sum =
      storage.View(switchyard::DType::kInt64, {1});
  const int64_t mine = world.rank();
  stream->CopyToDevice(sum, &mine);

  comm::Ticket ticket = world.AllReduce(*stream, sum, comm::ReduceOp::kSum,
                                        {/*layer=*/-1, "hello"});
  // Here a program would compute something that does not touch `sum`.
  SWITCHYARD_RETURN_IF_ERROR(ticket.Wait());

  int64_t total = 0;
  stream->CopyToHost(&total, sum);
  stream->Wait();
  const int64_t expected = int64_t{world.size()} * (world.size() - 1) / 2;
  if (total != expected) return absl::InternalError("the sum is wrong");
  if (world.rank() == 0) {
    std::printf("the ranks add up to %ld\n", static_cast<long>(total));
  }
  return absl::OkStatus();
}

// Alone: one rank, and no MPI. Under mpirun or srun: as many as were started.
absl::Status Main() {
  if (!comm::StartedByLauncher()) return Hello(*comm::NewSelfCommunicator());
  SWITCHYARD_ASSIGN_OR_RETURN(const auto environment,
                              comm::MpiEnvironment::Start());
  SWITCHYARD_ASSIGN_OR_RETURN(const std::unique_ptr<comm::Communicator> world,
                              comm::NewMpiWorld({}));
  return Hello(*world);
}

}  // namespace

int main() {
  const absl::Status status = Main();
  if (status.ok()) return 0;
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return 1;
}
