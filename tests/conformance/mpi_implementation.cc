// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The MPI implementation, and a main function that runs the suite on all ranks
// of an mpirun: each runs every test, says its rank on every line, and fails if
// any rank fails.
#include <mpi.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include "switchyard/comm/mpi/mpi_environment.h"
#include "switchyard/tests/conformance/implementation.h"

namespace switchyard::comm {
namespace {

absl::Status RunOnMpi(const Options& options, const RankMain& rank_main) {
  absl::StatusOr<std::unique_ptr<Communicator>> world = NewMpiWorld(options);
  if (!world.ok()) return world.status();
  return rank_main(**world);
}

int WorldSize() {
  int size = 0;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  return size;
}

}  // namespace

std::vector<Implementation> Implementations() {
  const int ranks = WorldSize();
  return WithDevices({{"Mpi", ranks, RunOnMpi},
                      {"Mpi", ranks, RunOnMpi, /*guarded=*/false,
                       /*max_call_elements=*/5}});
}

namespace {

// Writes a rank's failures; nobody needs R times the list of what passed.
class FailurePrinter : public ::testing::EmptyTestEventListener {
 public:
  explicit FailurePrinter(int rank) : rank_(rank) {}
  void OnTestPartResult(const ::testing::TestPartResult& result) override {
    if (!result.failed()) return;
    std::fprintf(stderr, "[rank %d] %s:%d: %s\n", rank_, result.file_name(),
                 result.line_number(), result.message());
  }

 private:
  const int rank_;
};

// Whether the test that just ended failed on any rank: ranks must not run
// apart.
class Agreement : public ::testing::EmptyTestEventListener {
 public:
  void OnTestEnd(const ::testing::TestInfo& info) override {
    int failed = info.result()->Failed() ? 1 : 0;
    MPI_Allreduce(MPI_IN_PLACE, &failed, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD);
    any_failed_ = any_failed_ || failed != 0;
    ++ran_;
  }
  int exit_code() const { return any_failed_ || ran_ == 0 ? 1 : 0; }

 private:
  bool any_failed_ = false;
  int ran_ = 0;
};

int RunAllTests(int argc, char** argv) {
  // Before the tests are named: their names hold the number of ranks.
  const auto environment = MpiEnvironment::Start();
  if (!environment.ok()) {
    std::fprintf(stderr, "%s\n", environment.status().ToString().c_str());
    return EXIT_FAILURE;
  }
  ::testing::InitGoogleTest(&argc, argv);
  int rank = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  ::testing::TestEventListeners& listeners =
      ::testing::UnitTest::GetInstance()->listeners();
  if (rank != 0) {
    delete listeners.Release(listeners.default_result_printer());
    listeners.Append(new FailurePrinter(rank));
  }
  auto* agreement = new Agreement;
  listeners.Append(agreement);
  const int own = RUN_ALL_TESTS();
  return own != 0 ? own : agreement->exit_code();
}

}  // namespace
}  // namespace switchyard::comm

int main(int argc, char** argv) {
  return switchyard::comm::RunAllTests(argc, argv);
}
