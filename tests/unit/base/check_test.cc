// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/base/check.h"

#include <csignal>
#include <cstdio>
#include <string>
#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace switchyard {
namespace {

using ::testing::HasSubstr;
using ::testing::KilledBySignal;
using ::testing::Not;

TEST(CheckTest, ACheckThatHoldsDoesNothing) {
  int evaluated = 0;
  int streamed = 0;
  SWITCHYARD_CHECK(++evaluated == 1) << ++streamed;
  EXPECT_EQ(evaluated, 1);
  EXPECT_EQ(streamed, 0);
}

TEST(CheckTest, IsOneStatement) {
  bool other = false;
  if (other)
    SWITCHYARD_CHECK(false);
  else
    other = true;
  EXPECT_TRUE(other);
}

TEST(CheckTest, TheRankBelongsToTheThread) {
  SetThreadRank(3);
  int seen = 0;
  std::thread([&seen] { seen = ThreadRank(); }).join();
  EXPECT_EQ(seen, -1);
  EXPECT_EQ(ThreadRank(), 3);
  SetThreadRank(-1);
}

void TellOnStderr(const std::string& message) {
  std::fprintf(stderr, "told: %s\n", message.c_str());
}

TEST(CheckDeathTest, SaysPlaceConditionAndValues) {
  const int found = 7;
  EXPECT_EXIT(SWITCHYARD_CHECK(found == 8) << "found " << found,
              KilledBySignal(SIGABRT),
              "check_test\\.cc:[0-9]+: check failed: found == 8 found 7\n");
  EXPECT_EXIT(SWITCHYARD_CHECK(found == 8), KilledBySignal(SIGABRT),
              Not(HasSubstr("rank ")))
      << "not known yet";
}

TEST(CheckDeathTest, SaysTheRankOfTheThread) {
  EXPECT_EXIT(
      {
        SetThreadRank(3);
        SWITCHYARD_CHECK(false);
      },
      KilledBySignal(SIGABRT), "^rank 3: [^ ]*check_test\\.cc");
}

TEST(CheckDeathTest, CallsTheHandlerWithTheWholeMessage) {
  EXPECT_EXIT(
      {
        SetThreadRank(5);
        SetFatalHandler(TellOnStderr);
        SWITCHYARD_CHECK(false) << "values";
      },
      KilledBySignal(SIGABRT),
      "told: rank 5: [^ ]*check_test\\.cc:[0-9]+: check failed: false values");
}

TEST(CheckDeathTest, AnEmptyHandlerRestoresTheDefault) {
  EXPECT_EXIT(
      {
        SetFatalHandler(TellOnStderr);
        SetFatalHandler({});
        SWITCHYARD_CHECK(false) << "values";
      },
      KilledBySignal(SIGABRT), Not(HasSubstr("told")));
}

// As when it checks something itself while it tells the other ranks.
TEST(CheckDeathTest, AHandlerMayReplaceItself) {
  EXPECT_EXIT(
      {
        SetFatalHandler([](const std::string& message) {
          SetFatalHandler({});
          TellOnStderr(message);
        });
        SWITCHYARD_CHECK(false) << "values";
      },
      KilledBySignal(SIGABRT), "told: ");
}

}  // namespace
}  // namespace switchyard
