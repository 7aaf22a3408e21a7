// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// A world of one rank fails as others do: with a report, and as a whole.
#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "switchyard/base/cpu/cpu_device.h"
#include "switchyard/base/storage.h"
#include "switchyard/comm/self/self_communicator.h"

namespace switchyard::comm {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(SelfFailureTest, BlocksThatDoNotMatchEndTheWorld) {
  const std::unique_ptr<Communicator> world = NewSelfCommunicator();
  const std::unique_ptr<Communicator> group = *world->Split(0, 0, "experts");
  CpuDevice device;
  const std::unique_ptr<Stream> stream = device.NewStream();
  Storage storage(device, DType::kFloat32, {8});
  const TensorView buffer = storage.View(DType::kFloat32, {8});
  const std::vector<Block> send = {{0, 0, 4}};
  const std::vector<Block> receive = {{0, 0, 3}};
  const absl::Status status =
      group
          ->AllToAllV(*stream, buffer.Rows(0, 4), send, buffer.Rows(4, 8),
                      receive, {2, "dispatch"})
          .Wait();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
  EXPECT_THAT(
      std::string(status.message()),
      AllOf(StartsWith("the ranks differ at call 1 of group experts"),
            HasSubstr("sends 16 bytes to rank 0"),
            HasSubstr("which expects 12"), HasSubstr("by layer 2, dispatch")));
  const absl::Status later = world->Barrier({-1, "later"}).Wait();
  EXPECT_EQ(later.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(later.message()),
              StartsWith("the ranks' communication failed before: "));
}

}  // namespace
}  // namespace switchyard::comm
