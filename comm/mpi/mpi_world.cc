// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/comm/mpi/mpi_world.h"

#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "switchyard/base/check.h"
#include "switchyard/base/status.h"
#include "switchyard/comm/failure.h"
#include "switchyard/comm/host.h"
#include "switchyard/comm/ledger/process_state.h"
#include "switchyard/comm/ledger/rank_ledger.h"
#include "switchyard/comm/mpi/mpi_communicator.h"
#include "switchyard/comm/mpi/mpi_environment.h"
#include "switchyard/comm/mpi/mpi_failure.h"
#include "switchyard/comm/mpi/mpi_status.h"
#include "switchyard/comm/mpi/wait_for_all.h"
#include "switchyard/comm/node_order.h"

namespace switchyard::comm {
namespace {

// What a rank tells the others about itself, as it lies in a message.
struct Introduction {
  char host[256];
  char node[320];
  int64_t process;
  int64_t process_start;
  uint64_t nonce;  // rank 0's names the job
};

Introduction Introduce() {
  Introduction self = {};
  std::strncpy(self.host, HostName().c_str(), sizeof(self.host) - 1);
  std::strncpy(self.node, NodeIdentity().c_str(), sizeof(self.node) - 1);
  self.process = getpid();
  self.process_start = ledger::ProcessStart(self.process);
  std::random_device random;
  self.nonce = (uint64_t{random()} << 32) | random();
  return self;
}

// Where a rank keeps its ledger, or why it has none.
struct LedgerNotice {
  char path[512];
  char error[512];
};

// Opens this rank's ledger and those of the other ranks of its host. `ranks` is
// ordered as `members`.
absl::StatusOr<std::shared_ptr<ledger::RankLedger>> OpenLedgers(
    MPI_Comm comm, int rank, const std::vector<Member>& members,
    const std::vector<Introduction>& ranks, const std::string& job,
    const Options& options) {
  const int size = static_cast<int>(members.size());
  absl::StatusOr<std::shared_ptr<ledger::RankLedger>> own =
      ledger::RankLedger::InFile(members[rank], size, job,
                                 options.ledger_directory);
  std::vector<LedgerNotice> notices(size);
  LedgerNotice& notice = notices[rank];
  notice = {};
  if (own.ok()) {
    std::strncpy(notice.path, (*own)->path().c_str(), sizeof(notice.path) - 1);
  } else {
    const std::string message(own.status().message());
    std::strncpy(notice.error, message.c_str(), sizeof(notice.error) - 1);
  }
  SWITCHYARD_RETURN_IF_ERROR(
      GatherFromAll(comm, notices, options.timeout_seconds));
  std::vector<ledger::Peer> peers;
  for (int r = 0; r < size; ++r) {
    if (notices[r].error[0] != '\0') {  // on every rank the same error
      return absl::UnavailableError(
          absl::StrCat("rank ", r, ": ", notices[r].error));
    }
    const bool near = members[r].node == members[rank].node;
    peers.push_back({members[r], near ? notices[r].path : "", nullptr,
                     near ? ranks[r].process_start : 0});
  }
  (*own)->SetPeers(std::move(peers));
  // A rank that leaves removes its file: not before all have opened it.
  MPI_Request all_opened = MPI_REQUEST_NULL;
  SWITCHYARD_RETURN_IF_MPI_ERROR(MPI_Ibarrier(comm, &all_opened));
  SWITCHYARD_RETURN_IF_ERROR(WaitForAll(all_opened, options.timeout_seconds));
  return own;
}

}  // namespace

absl::Status CheckMpiThread() {
  int initialized = 0;
  MPI_Initialized(&initialized);
  if (initialized == 0) {
    return absl::FailedPreconditionError(
        "MPI is not up; keep an MpiEnvironment, or call MPI_Init_thread");
  }
  int level = 0;
  int main_thread = 0;
  SWITCHYARD_RETURN_IF_MPI_ERROR(MPI_Query_thread(&level));
  if (level < MPI_THREAD_FUNNELED) {
    return absl::FailedPreconditionError(
        "MPI is up with MPI_THREAD_SINGLE, but ranks have threads of their "
        "own; start it with MPI_Init_thread and MPI_THREAD_FUNNELED");
  }
  SWITCHYARD_RETURN_IF_MPI_ERROR(MPI_Is_thread_main(&main_thread));
  if (level == MPI_THREAD_FUNNELED && main_thread == 0) {
    return absl::FailedPreconditionError(
        "with MPI_THREAD_FUNNELED only the thread that started MPI may use a "
        "communicator; call from that thread, or start MPI with "
        "MPI_THREAD_SERIALIZED");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Communicator>> MakeMpiWorld(
    MPI_Comm user_comm, const Options& options) {
  SWITCHYARD_RETURN_IF_ERROR(CheckOptions(options));
  SWITCHYARD_RETURN_IF_ERROR(CheckMpiThread());
  if (MpiHasFailed()) return LaterFailure(FirstMpiFailure());
  int rank = 0;
  int size = 0;
  SWITCHYARD_RETURN_IF_MPI_ERROR(MPI_Comm_rank(user_comm, &rank));
  SWITCHYARD_RETURN_IF_MPI_ERROR(MPI_Comm_size(user_comm, &size));
  std::vector<Introduction> ranks(size);
  ranks[rank] = Introduce();
  SWITCHYARD_RETURN_IF_ERROR(
      GatherFromAll(user_comm, ranks, options.timeout_seconds));
  const std::string job = absl::StrCat(absl::Hex(ranks[0].nonce));

  std::vector<std::string> identities;
  for (const Introduction& r : ranks) identities.push_back(r.node);
  const std::vector<int> nodes = NumberNodes(identities);
  const std::vector<int> order = OrderByNode(nodes);
  std::vector<Member> members;
  std::vector<Introduction> ordered;
  int new_rank = 0;
  for (int i = 0; i < size; ++i) {
    const int old_rank = order[i];
    ordered.push_back(ranks[old_rank]);
    members.push_back({ordered[i].host, ordered[i].process, nodes[old_rank],
                       /*world_rank=*/i});
    if (old_rank == rank) new_rank = i;
  }
  // Blocks, but all ranks have just been there.
  MPI_Comm comm = MPI_COMM_NULL;
  SWITCHYARD_RETURN_IF_MPI_ERROR(
      MPI_Comm_split(user_comm, /*color=*/0, new_rank, &comm));
  MPI_Comm_set_errhandler(comm, MPI_ERRORS_RETURN);
  SetThreadRank(new_rank);
  SetProcessRank(new_rank);
  absl::StatusOr<std::shared_ptr<ledger::RankLedger>> ledger =
      OpenLedgers(comm, new_rank, members, ordered, job, options);
  if (!ledger.ok()) {
    if (!MpiHasFailed()) MPI_Comm_free(&comm);
    return ledger.status();
  }
  return std::make_unique<MpiCommunicator>(options, *std::move(ledger),
                                           GroupIdentity(), comm, new_rank,
                                           std::move(members));
}

absl::StatusOr<std::unique_ptr<Communicator>> NewMpiWorld(
    const Options& options) {
  return MakeMpiWorld(MPI_COMM_WORLD, options);
}

}  // namespace switchyard::comm
