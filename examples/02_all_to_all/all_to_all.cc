// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The communication pattern of a mixture-of-experts layer: ranks send rows to
// the owners of the experts that the rows chose, in blocks of uneven size, one
// for each expert, some of them empty.
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
using switchyard::DType;

constexpr int kExpertsPerRank = 2;

// How many rows of rank `source` chose `expert`; known to all, so that the
// example can check itself. A layer exchanges these counts first.
int64_t RowsFor(int source, int expert) {
  return (3 * source + expert + source * expert) % 5;
}

// Where each row of a rank came from, and which expert it chose, in one number.
int32_t RowValue(int source, int expert, int64_t row) {
  return 10000 * source + 100 * expert + static_cast<int32_t>(row);
}

struct Exchange {
  std::vector<comm::Block> blocks;
  std::vector<int32_t> rows;  // one element a row
};

// This rank's rows, ordered by expert; a block for each.
Exchange RowsToSend(const comm::Communicator& world) {
  Exchange send;
  for (int expert = 0; expert < kExpertsPerRank * world.size(); ++expert) {
    const int64_t count = RowsFor(world.rank(), expert);
    send.blocks.push_back({/*peer=*/expert / kExpertsPerRank,
                           /*offset=*/static_cast<int64_t>(send.rows.size()),
                           count});
    for (int64_t row = 0; row < count; ++row) {
      send.rows.push_back(RowValue(world.rank(), expert, row));
    }
  }
  return send;
}

// The rows of this rank's experts, ordered by expert, then by source. Between
// two ranks the blocks are matched in list order: from every source the first
// expert's comes first, as it was sent.
Exchange RowsToReceive(const comm::Communicator& world) {
  Exchange recv;
  for (int e = 0; e < kExpertsPerRank; ++e) {
    const int expert = kExpertsPerRank * world.rank() + e;
    for (int source = 0; source < world.size(); ++source) {
      const int64_t count = RowsFor(source, expert);
      recv.blocks.push_back(
          {source, static_cast<int64_t>(recv.rows.size()), count});
      for (int64_t row = 0; row < count; ++row) {
        recv.rows.push_back(RowValue(source, expert, row));
      }
    }
  }
  return recv;
}

absl::Status Dispatch(comm::Communicator& world) {
  const Exchange send = RowsToSend(world);
  const Exchange expected = RowsToReceive(world);

  switchyard::CpuDevice device;
  const std::unique_ptr<switchyard::Stream> stream = device.NewStream();
  const int64_t send_count = static_cast<int64_t>(send.rows.size());
  const int64_t recv_count = static_cast<int64_t>(expected.rows.size());
  switchyard::Storage send_storage(device, DType::kInt32, {send_count});
  switchyard::Storage recv_storage(device, DType::kInt32, {recv_count});
  const auto send_view = send_storage.View(DType::kInt32, {send_count});
  const auto recv_view = recv_storage.View(DType::kInt32, {recv_count});
  stream->CopyToDevice(send_view, send.rows.data());

  SWITCHYARD_RETURN_IF_ERROR(world
                                 .AllToAllV(*stream, send_view, send.blocks,
                                            recv_view, expected.blocks,
                                            {/*layer=*/0, "dispatch"})
                                 .Wait());

  std::vector<int32_t> received(recv_count);
  stream->CopyToHost(received.data(), recv_view);
  stream->Wait();
  if (received != expected.rows) {
    return absl::InternalError("rows arrived in the wrong place");
  }
  std::printf(
      "rank %d: %ld rows for its experts, %ld bytes sent to other ranks\n",
      world.rank(), static_cast<long>(recv_count),
      static_cast<long>(world.all_to_all_sent_bytes()));
  return absl::OkStatus();
}

absl::Status Main() {
  if (!comm::StartedByLauncher()) {
    return Dispatch(*comm::NewSelfCommunicator());
  }
  SWITCHYARD_ASSIGN_OR_RETURN(const auto environment,
                              comm::MpiEnvironment::Start());
  SWITCHYARD_ASSIGN_OR_RETURN(const std::unique_ptr<comm::Communicator> world,
                              comm::NewMpiWorld({}));
  return Dispatch(*world);
}

}  // namespace

int main() {
  const absl::Status status = Main();
  if (status.ok()) return 0;
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return 1;
}
