// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The suite on MPI, as many ranks as mpirun started.
#include <mpi.h>

#include <memory>

#include "switchyard/base/cuda/cuda_device.h"
#include "switchyard/comm/mpi/mpi_environment.h"
#include "switchyard/tests/conformance/implementation.h"

namespace switchyard::comm {
namespace {

absl::Status RunOnMpi(const Options& options, const RankMain& rank_main) {
  absl::StatusOr<std::unique_ptr<Communicator>> world = NewMpiWorld(options);
  if (!world.ok()) return world.status();
  return rank_main(**world);
}

}  // namespace

std::vector<Implementation> Implementations() {
  int ranks = 0;
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  std::vector<Implementation> list = WithDevices(
      {{"Mpi", ranks, RunOnMpi},
       {"Mpi", ranks, RunOnMpi, Memory::kHost, /*max_call_elements=*/5}});
  const absl::StatusOr<int> gpus = CudaDeviceCount();
  if (gpus.ok() && *gpus >= ranks) {
    list.push_back({"Nccl", ranks, RunOnMpi, Memory::kGpu,
                    /*max_call_elements=*/0, /*nccl=*/true});
  }
  return list;
}

}  // namespace switchyard::comm
