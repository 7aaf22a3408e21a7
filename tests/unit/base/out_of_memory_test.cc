// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/base/out_of_memory.h"

#include <sys/resource.h>

#include <cstdio>
#include <cstdlib>
#include <new>
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

// Sanitizers need memory of their own.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
void AllocateUntilTheEnd() {
  static void* volatile taken;
  SetFatalHandler([](const std::string&) { taken = new char[1 << 20]; });
  std::set_new_handler([] { EndOutOfMemory(0); });
  const rlimit limit = {0, RLIM_INFINITY};
  setrlimit(RLIMIT_AS, &limit);
  // The heap has free blocks of many sizes: all are taken.
  for (size_t size = size_t{1} << 20; size >= 16; size /= 2) {
    do {
      taken = std::malloc(size);
    } while (taken != nullptr);
  }
  taken = new char[64];
}

// The sentence is said, and said once, where nothing can be allocated: not for
// the text, and not by what the fatal handler does.
TEST_F(OutOfMemoryDeathTest, NeedsNoMemoryItself) {
  EXPECT_EXIT(
      AllocateUntilTheEnd(), ::testing::ExitedWithCode(1),
      "^switchyard: expected more memory for the process, found [^\n]*\n$");
}
#endif

}  // namespace
}  // namespace switchyard
