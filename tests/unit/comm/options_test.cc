// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/comm/options.h"

#include <cmath>
#include <limits>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "switchyard/comm/thread/thread_communicator.h"

namespace switchyard::comm {
namespace {

using ::testing::HasSubstr;

void ExpectRefused(const Options& options, const std::string& field) {
  const absl::Status status = CheckOptions(options);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(field + " is "));
  bool ran = false;
  EXPECT_EQ(RunRanks(1, options,
                     [&](Communicator&) {
                       ran = true;
                       return absl::OkStatus();
                     }),
            status);
  EXPECT_FALSE(ran);
}

TEST(OptionsTest, DefaultsAreInRange) { EXPECT_TRUE(CheckOptions({}).ok()); }

TEST(OptionsTest, TimeoutsAreFiniteAndAboveZero) {
  for (const double seconds : {0.0, -1.0, 2e9, HUGE_VAL, std::nan("")}) {
    Options options;
    options.timeout_seconds = seconds;
    ExpectRefused(options, "timeout_seconds");
  }
  Options options;
  options.timeout_seconds = kMaxTimeoutSeconds;
  EXPECT_TRUE(RunRanks(2, options, [](Communicator& world) {
                return world.Barrier({-1, "start"}).Wait();
              }).ok());
}

TEST(OptionsTest, CallsHoldAnElementAndAnIntsWorth) {
  for (const int64_t elements : {int64_t{0}, int64_t{-5}, int64_t{1} << 31,
                                 std::numeric_limits<int64_t>::max()}) {
    Options options;
    options.max_call_elements = elements;
    ExpectRefused(options, "max_call_elements");
  }
}

}  // namespace
}  // namespace switchyard::comm
