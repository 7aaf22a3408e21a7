// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Ranks that are processes, over MPI. Internal to comm/mpi: programs use
// mpi_environment.h or from_mpi.h.
#ifndef SWITCHYARD_COMM_MPI_MPI_COMMUNICATOR_H_
#define SWITCHYARD_COMM_MPI_MPI_COMMUNICATOR_H_

#include <memory>
#include <string>
#include <vector>

#include "switchyard/comm/mpi/mpi_calls.h"
#include "switchyard/comm/mpi/mpi_failure.h"
#include "switchyard/comm/options.h"
#include "switchyard/comm/recorded_communicator.h"

namespace switchyard::comm {

class MpiCommunicator : public RecordedCommunicator {
 public:
  // Takes `comm`, in which this rank is `rank` and `members` describes all.
  MpiCommunicator(const Options& options,
                  std::shared_ptr<ledger::RankLedger> ledger,
                  const GroupIdentity& identity, MPI_Comm comm, int rank,
                  std::vector<Member> members);
  ~MpiCommunicator() override;

  [[noreturn]] void Abort(const std::string& message) override;

 protected:
  std::unique_ptr<Pending> NewPending() override;
  absl::Status Start(Pending& pending) override;
  absl::Status Finish(Pending& pending) override;
  bool Advance(Pending& pending) override;
  // What is under way moves in MPI calls only, and there are no more.
  void Settle(const Pending&) override {}
  absl::StatusOr<std::unique_ptr<Communicator>> MakeChild(
      const Pending& split, const GroupIdentity& identity) override;
  bool dead() const override { return MpiHasFailed(); }
  absl::Status failure() const override { return FirstMpiFailure(); }
  absl::Status Fail(const Pending& pending, const absl::Status& cause) override;

 private:
  struct MpiPending : Pending {
    MpiProgress progress;
  };

  absl::Status Poll(MpiPending& pending);

  const Options options_;
  MpiGroup group_;
};

}  // namespace switchyard::comm

#endif  // SWITCHYARD_COMM_MPI_MPI_COMMUNICATOR_H_
