// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// EXPECT_FAULT(statement): following an address in it ends the process. Nothing
// else will do: no check, no exit, no other signal.
#ifndef SWITCHYARD_TESTS_SUPPORT_FAULT_H_
#define SWITCHYARD_TESTS_SUPPORT_FAULT_H_

#include <csignal>

#include "gtest/gtest.h"

// Sanitizers catch the signal to print where it came from; the test wants it.
#define EXPECT_FAULT(statement)        \
  EXPECT_EXIT(                         \
      {                                \
        std::signal(SIGSEGV, SIG_DFL); \
        statement;                     \
      },                               \
      ::testing::KilledBySignal(SIGSEGV), "")

#endif  // SWITCHYARD_TESTS_SUPPORT_FAULT_H_
