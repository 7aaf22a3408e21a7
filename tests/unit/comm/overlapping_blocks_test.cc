// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// All-to-all-v refuses blocks that would overwrite each other. The checks are
// the same for every implementation; here with one rank.
#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "switchyard/base/cpu/cpu_device.h"
#include "switchyard/base/storage.h"
#include "switchyard/base/stream.h"
#include "switchyard/comm/self/self_communicator.h"

namespace switchyard::comm {
namespace {

class OverlappingBlocksTest : public ::testing::Test {
 protected:
  static constexpr int64_t kCount = 16;
  using Blocks = std::vector<Block>;

  OverlappingBlocksTest()
      : stream_(device_.NewStream()),
        world_(NewSelfCommunicator()),
        storage_(device_, DType::kInt32, {2 * kCount}),
        all_(storage_.View(DType::kInt32, {2 * kCount})) {
    stream_->Zero(all_);
  }

  absl::Status Exchange(const TensorView& send, const Blocks& send_blocks,
                        const TensorView& recv, const Blocks& recv_blocks) {
    return world_
        ->AllToAllV(*stream_, send, send_blocks, recv, recv_blocks, {0, "test"})
        .Wait();
  }
  // From one half to the other.
  absl::Status Receive(const Blocks& send_blocks, const Blocks& recv_blocks) {
    return Exchange(all_.Rows(0, kCount), send_blocks,
                    all_.Rows(kCount, 2 * kCount), recv_blocks);
  }

  CpuDevice device_;
  std::unique_ptr<Stream> stream_;
  std::unique_ptr<Communicator> world_;
  Storage storage_;
  TensorView all_;
};

using OverlappingBlocksDeathTest = OverlappingBlocksTest;

TEST_F(OverlappingBlocksTest, BlocksMayTouchInAnyOrder) {
  const Blocks sent = {{0, 0, 3}, {0, 3, 2}, {0, 9, 5}};
  EXPECT_TRUE(Receive(sent, {{0, 0, 3}, {0, 3, 2}, {0, 5, 5}}).ok());
  EXPECT_TRUE(Receive(sent, {{0, 7, 3}, {0, 5, 2}, {0, 0, 5}}).ok());
}

TEST_F(OverlappingBlocksTest, EmptyBlocksMayLieAnywhere) {
  EXPECT_TRUE(
      Receive({{0, 0, 8}}, {{0, 4, 0}, {0, 0, 8}, {0, 0, 0}, {0, 7, 0}}).ok());
}

TEST_F(OverlappingBlocksTest, OneElementMayBeSentTwice) {
  EXPECT_TRUE(Receive({{0, 0, 4}, {0, 2, 4}}, {{0, 0, 4}, {0, 4, 4}}).ok());
}

TEST_F(OverlappingBlocksTest, OneBufferMayBeSentFromAndReceivedInto) {
  EXPECT_TRUE(
      Exchange(all_, {{0, 0, 4}, {0, 8, 4}}, all_, {{0, 12, 4}, {0, 4, 4}})
          .ok());
  EXPECT_TRUE(
      Exchange(all_.Rows(2, 20), {{0, 0, 4}}, all_.Rows(6, 20), {{0, 0, 4}})
          .ok());
}

TEST_F(OverlappingBlocksDeathTest, AmongThoseThatAreReceived) {
  const Blocks sent = {{0, 0, 4}, {0, 4, 4}};
  EXPECT_DEATH(Receive(sent, {{0, 0, 4}, {0, 3, 4}}).IgnoreError(),
               "from rank 0 at 3 overlaps what comes from rank 0 at 0 \\+ 4");
  EXPECT_DEATH(Receive(sent, {{0, 3, 4}, {0, 0, 4}}).IgnoreError(), "overlaps");
  EXPECT_DEATH(Receive(sent, {{0, 5, 4}, {0, 5, 4}}).IgnoreError(), "overlaps");
}

TEST_F(OverlappingBlocksDeathTest, WithOneThatIsSent) {
  EXPECT_DEATH(
      Exchange(all_, {{0, 0, 4}}, all_, {{0, 3, 4}}).IgnoreError(),
      "to rank 0 at 0 \\+ 4 is overwritten by what comes from rank 0 at 3");
  EXPECT_DEATH(
      Exchange(all_, {{0, 8, 2}, {0, 14, 1}}, all_, {{0, 0, 2}, {0, 14, 1}})
          .IgnoreError(),
      "overwritten");
  // The same elements, seen from views that begin elsewhere.
  EXPECT_DEATH(
      Exchange(all_.Rows(2, 20), {{0, 4, 4}}, all_.Rows(4, 20), {{0, 5, 4}})
          .IgnoreError(),
      "at 2 \\+ 4 is overwritten");
}

}  // namespace
}  // namespace switchyard::comm
