// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Caps the instruction set of a test program to SWITCHYARD_TEST_ISA, which
// CTest sets for one of several runs of the same program: the instruction set
// is fixed once a process. A processor that lacks it skips the run.
#include <cstdio>
#include <cstdlib>

#include "gtest/gtest.h"
#include "switchyard/kernels/instruction_set.h"

namespace switchyard::testing {
namespace {

constexpr int kSkipped = 77;  // SKIP_RETURN_CODE of the CTest entry

class IsaEnvironment : public ::testing::Environment {
 public:
  void SetUp() override {
    const char* name = std::getenv("SWITCHYARD_TEST_ISA");
    if (name == nullptr) return;
    const auto isa = kernels::ParseInstructionSet(name);
    ASSERT_TRUE(isa.ok()) << isa.status();
    if (*isa > kernels::BestInstructionSet()) {
      std::printf("skipped: this processor lacks %s\n", name);
      std::fflush(stdout);
      std::_Exit(kSkipped);
    }
    const absl::Status set = kernels::SetInstructionSet(*isa);
    ASSERT_TRUE(set.ok()) << set;
  }
};

const ::testing::Environment* const registered =
    ::testing::AddGlobalTestEnvironment(new IsaEnvironment);

}  // namespace
}  // namespace switchyard::testing
