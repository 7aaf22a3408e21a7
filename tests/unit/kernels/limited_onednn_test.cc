// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// A program of its own: oneDNN takes one limit a process, here the host
// program's.
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "oneapi/dnnl/dnnl.h"
#include "switchyard/base/cpu/cpu_device.h"
#include "switchyard/kernels/instruction_set.h"
#include "switchyard/kernels/matmul.h"
#include "switchyard/tests/support/test_tensor.h"

#if defined(__linux__) && defined(__x86_64__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace switchyard::kernels {
namespace {

using switchyard::testing::TestTensor;

// State components of the processor that the system lets this process use.
unsigned long Permissions() {
  unsigned long permitted = 0;
#if defined(__linux__) && defined(__x86_64__)
  constexpr int kGetPermitted = 0x1022;  // ARCH_GET_XCOMP_PERM
  syscall(SYS_arch_prctl, kGetPermitted, &permitted);
#endif
  return permitted;
}

TEST(LimitedOneDnnTest, TheHostsLimitIsFollowed) {
  const unsigned long permissions = Permissions();
  const InstructionSet best = BestInstructionSet();
  EXPECT_EQ(Permissions(), permissions) << "a query asked for AMX";

  if (dnnl_set_max_cpu_isa(dnnl_cpu_isa_sse41) != dnnl_success) {
    GTEST_SKIP() << "this oneDNN cannot be limited";
  }
  if (best == InstructionSet::kBaseline) GTEST_SKIP() << "nothing to limit";
  const absl::Status wider = SetInstructionSet(best);
  EXPECT_EQ(wider.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(wider.message()),
              ::testing::HasSubstr("fixed it to baseline before"));
  EXPECT_EQ(CurrentInstructionSet(), InstructionSet::kBaseline);
  EXPECT_TRUE(SetInstructionSet(InstructionSet::kBaseline).ok());
  EXPECT_FALSE(HasBFloat16Products());

  CpuDevice device;
  const auto stream = device.NewStream();
  const TestTensor a(device, DType::kBFloat16, {1, 2}, {2, 3});
  TestTensor c(device, DType::kFloat32, {1, 1});
  MatMul(*stream, {a, Transpose::kNo, a, Transpose::kYes, c});
  stream->Wait();
  EXPECT_EQ(c.Read()[0], 13);
}

}  // namespace
}  // namespace switchyard::kernels
