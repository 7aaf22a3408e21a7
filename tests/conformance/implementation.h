// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// What the conformance suite runs on: an implementation of Communicator with a
// number of ranks, a device, and a limit on the elements of one call. Each
// program that holds the suite says which there are.
#ifndef SWITCHYARD_TESTS_CONFORMANCE_IMPLEMENTATION_H_
#define SWITCHYARD_TESTS_CONFORMANCE_IMPLEMENTATION_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "gtest/gtest.h"
#include "switchyard/base/device.h"
#include "switchyard/base/stream.h"
#include "switchyard/comm/communicator.h"
#include "switchyard/comm/options.h"

namespace switchyard::comm {

// One rank of a running test: its world, and a device of its own.
struct Rank {
  Communicator& world;
  Device& device;
  Stream& stream;
  int rank() const { return world.rank(); }
  int size() const { return world.size(); }
};

using RankMain = std::function<absl::Status(Communicator& world)>;

// Where buffers are.
enum class Memory { kHost, kGuarded, kGpu };

struct Implementation {
  std::string name;
  int ranks = 1;
  // Runs a function on every rank (of this process) and gives its first error.
  std::function<absl::Status(const Options&, const RankMain&)> run;
  Memory memory = Memory::kHost;
  int64_t max_call_elements = 0;  // 0: the default
  bool nccl = false;              // carries a GPU's memory
};

std::ostream& operator<<(std::ostream& out, const Implementation& it);

// Defined by each program.
std::vector<Implementation> Implementations();

// Every implementation on the CPU, on the guarded CPU and, if there is one, on
// a GPU.
std::vector<Implementation> WithDevices(std::vector<Implementation> list);

std::string NameOfParam(const ::testing::TestParamInfo<Implementation>& info);

class ConformanceTest : public ::testing::TestWithParam<Implementation> {
 protected:
  // Runs the test's body on every rank; an error is a failure.
  void OnEveryRank(const std::function<absl::Status(Rank&)>& body,
                   double timeout_seconds = 60);

 private:
  absl::Status OnRank(Communicator& world, double timeout_seconds,
                      const std::function<absl::Status(Rank&)>& body);
};

}  // namespace switchyard::comm

#endif  // SWITCHYARD_TESTS_CONFORMANCE_IMPLEMENTATION_H_
