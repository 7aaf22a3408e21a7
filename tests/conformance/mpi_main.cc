// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/tests/conformance/mpi_main.h"

#include <mpi.h>

#include <cstdio>
#include <sstream>
#include <string>

#include "gtest/gtest.h"

namespace switchyard::comm {
namespace {

// Writes a rank's failures; nobody needs R times the list of what passed.
class FailurePrinter : public ::testing::EmptyTestEventListener {
 public:
  explicit FailurePrinter(int rank) : rank_(rank) {}
  void OnTestPartResult(const ::testing::TestPartResult& result) override {
    if (!result.failed()) return;
    std::fprintf(stderr, "[rank %d] %s:%d:\n", rank_, result.file_name(),
                 result.line_number());
    std::istringstream lines(result.message());
    for (std::string line; std::getline(lines, line);) {
      std::fprintf(stderr, "[rank %d] %s\n", rank_, line.c_str());
    }
  }

 private:
  const int rank_;
};

// After each test the ranks tell each other whether it failed anywhere.
class Agreement : public ::testing::EmptyTestEventListener {
 public:
  void OnTestEnd(const ::testing::TestInfo& info) override {
    int failed = info.result()->Failed() ? 1 : 0;
    MPI_Allreduce(MPI_IN_PLACE, &failed, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD);
    any_failed_ = any_failed_ || failed != 0;
    if (!info.result()->Skipped()) ++ran_count_;
  }
  bool failed() const { return any_failed_ || ran_count_ == 0; }

 private:
  bool any_failed_ = false;
  int ran_count_ = 0;
};

}  // namespace

int RunTestsOnAllRanks(int argc, char** argv) {
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
  const int result = RUN_ALL_TESTS();
  return result != 0 || agreement->failed() ? 1 : 0;
}

}  // namespace switchyard::comm
