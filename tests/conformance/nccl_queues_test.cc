// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Calls of several groups on one GPU (docs/adr/0008). An emulated GPU needs a
// thread for each stream.
#include <cuda_runtime.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "switchyard/base/cuda/cuda_stream.h"
#include "switchyard/comm/nccl/nccl_comm.h"
#include "switchyard/comm/nccl/nccl_process.h"
#include "switchyard/comm/nccl/use_nccl.h"
#include "switchyard/tests/conformance/buffer.h"
#include "switchyard/tests/conformance/nccl_gpu.h"

namespace switchyard::comm {
namespace {

constexpr double kTimeoutSeconds = 20;
constexpr Caller kCaller = {0, "queues"};

class NcclQueuesTest : public NcclTest {
 protected:
  NcclQueuesTest() : NcclTest(kTimeoutSeconds) {}
  void SetUp() override {
    NcclTest::SetUp();
    if (!ready()) return;
    const absl::Status used = UseNccl(world(), device(), kTimeoutSeconds);
    ASSERT_TRUE(used.ok()) << used;
    used_ = true;
  }
  void TearDown() override { Leave(); }

  void Leave() {
    if (std::exchange(used_, false)) LeaveNccl(world());
  }

  std::unique_ptr<Communicator> NewGroup() {
    auto group = world().Split(/*color=*/0, /*key=*/world().rank());
    EXPECT_TRUE(group.ok()) << group.status();
    return *std::move(group);
  }
  static void Sum(Communicator& group, Stream& stream, Buffer<int64_t>& ones) {
    const absl::Status status =
        group.AllReduce(stream, ones.view(), ReduceOp::kSum, kCaller).Wait();
    EXPECT_TRUE(status.ok()) << status;
  }

 private:
  bool used_ = false;
};

// Holds a stream until it is destroyed.
class Held {
 public:
  explicit Held(Stream& stream) {
    EXPECT_EQ(cudaLaunchHostFunc(CudaStreamOf(stream).handle(), WaitFor,
                                 new Flag(go_)),
              cudaSuccess);
  }
  ~Held() { *go_ = true; }

 private:
  using Flag = std::shared_ptr<std::atomic<bool>>;
  // Shared: the stream may look once more when this is gone.
  static void WaitFor(void* data) {
    const std::unique_ptr<Flag> go(static_cast<Flag*>(data));
    while (!**go) std::this_thread::yield();
  }
  const Flag go_ = std::make_shared<std::atomic<bool>>(false);
};

// As rows that must not wait for gradients, whose reduction was asked for
// first.
TEST_F(NcclQueuesTest, AGroupsCallPassesAnotherGroupsThatIsHeldUp) {
  const auto group = NewGroup();
  const auto slow = device().NewStream();
  const auto fast = device().NewStream();
  Rank on_slow{world(), device(), *slow}, on_fast{world(), device(), *fast};
  Buffer<int64_t> first(on_slow, std::vector<int64_t>{1});
  Buffer<int64_t> second(on_fast, std::vector<int64_t>{1});
  slow->Wait();
  {
    const Held held(*slow);
    Sum(world(), *slow, first);
    Sum(*group, *fast, second);
    EXPECT_EQ(second.Values()[0], world().size());
    EXPECT_TRUE(group->Health().ok()) << group->Health();
  }
  EXPECT_EQ(first.Values()[0], world().size());
}

TEST_F(NcclQueuesTest, LeavingWaitsForCallsUnderWay) {
  const auto stream = device().NewStream();
  Rank rank{world(), device(), *stream};
  Buffer<int64_t> ones(rank, std::vector<int64_t>{1});
  stream->Wait();
  auto held = std::make_unique<Held>(*stream);
  Sum(world(), *stream, ones);
  std::atomic<bool> released = false;
  std::thread release([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    released = true;
    held.reset();
  });
  Leave();
  EXPECT_TRUE(released);
  release.join();
  EXPECT_EQ(ones.Values()[0], world().size());
}

// Of one rank.
std::unique_ptr<NcclComm> NewComm() {
  ncclUniqueId id;
  EXPECT_EQ(ncclGetUniqueId(&id), ncclSuccess);
  auto comm = NcclComm::Create(id, /*rank=*/0, /*size=*/1, kTimeoutSeconds);
  EXPECT_TRUE(comm.ok()) << comm.status();
  return *std::move(comm);
}

std::set<Stream*> QueuesOf(NcclProcess& process, int groups) {
  std::set<Stream*> queues;
  for (int i = 0; i < groups; ++i) {
    queues.insert(&process.Join(NewComm()).queue);
  }
  return queues;
}

// The calls of those for which there is no room go on in the last queue.
TEST_F(NcclQueuesTest, GroupsHaveQueuesOfTheirOwnWhileTheirBlocksFit) {
  int multiprocessors = 0;
  ASSERT_EQ(cudaDeviceGetAttribute(&multiprocessors,
                                   cudaDevAttrMultiProcessorCount, 0),
            cudaSuccess);
  const int fit = multiprocessors / NcclComm::kMostBlocks;
  NcclProcess process(device());
  const std::set<Stream*> queues = QueuesOf(process, fit);
  EXPECT_EQ(queues.size(), fit);
  Stream* last = &process.Join(NewComm()).queue;
  EXPECT_TRUE(queues.contains(last));
  EXPECT_EQ(&process.Join(NewComm()).queue, last);
}

TEST_F(NcclQueuesTest, AllShareOneIfTheUserLetsNcclHaveMoreBlocks) {
  for (const char* name : {"NCCL_MAX_CTAS", "NCCL_MIN_CTAS",
                           "NCCL_MIN_NCHANNELS", "NCCL_MIN_P2P_NCHANNELS"}) {
    setenv(name, "33", 1);
    NcclProcess more(device());
    EXPECT_EQ(QueuesOf(more, 3).size(), 1) << name;
    setenv(name, "32", 1);
    NcclProcess as_many(device());
    EXPECT_GT(QueuesOf(as_many, 3).size(), 1) << name;
    unsetenv(name);
  }
}

TEST_F(NcclQueuesTest, ManyGroupsWork) {
  constexpr int kGroups = 12;
  const auto stream = device().NewStream();
  Rank rank{world(), device(), *stream};
  std::vector<std::unique_ptr<Communicator>> groups;
  for (int i = 0; i < kGroups; ++i) groups.push_back(NewGroup());
  Buffer<int64_t> ones(rank, std::vector<int64_t>{1});
  int64_t expected = 1;
  for (const auto& group : groups) {
    Sum(*group, *stream, ones);
    expected *= world().size();
  }
  EXPECT_EQ(ones.Values()[0], expected);
}

}  // namespace
}  // namespace switchyard::comm
