// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/base/out_of_memory.h"

#include <cstdio>
#include <string>

#include "gtest/gtest.h"
#include "switchyard/base/check.h"
#include "switchyard/base/cpu/cpu_device.h"

namespace switchyard {
namespace {

class OutOfMemoryDeathTest : public ::testing::Test {
 protected:
  OutOfMemoryDeathTest() { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

TEST_F(OutOfMemoryDeathTest, IsASentenceAndAnExitCode) {
  CpuDevice device;
  // More than any address space has.
  EXPECT_EXIT(
      device.Allocate(size_t{1} << 60), ::testing::ExitedWithCode(1),
      "(^|\n)switchyard: expected more memory .* \\(1152.9 PB\\), found");
}

TEST_F(OutOfMemoryDeathTest, CallsTheFatalHandler) {
  EXPECT_EXIT(
      {
        SetFatalHandler([](const std::string& message) {
          std::fprintf(stderr, "told: %s\n", message.c_str());
        });
        EndOutOfMemory(0);
      },
      ::testing::ExitedWithCode(1), "told: expected more memory");
}

}  // namespace
}  // namespace switchyard
