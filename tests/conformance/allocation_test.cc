// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Starting and ending a collective allocates nothing once it has been done
// before. Counted are the calls of operator new of the rank's thread; what MPI,
// a C library, allocates for itself is not.
#include <memory>
#include <vector>

#include "switchyard/base/status.h"
#include "switchyard/tests/conformance/allocation_counter.h"
#include "switchyard/tests/conformance/buffer.h"
#include "switchyard/tests/conformance/implementation.h"

namespace switchyard::comm {
namespace {

class AllocationTest : public ConformanceTest {};

// What a training step does, several tickets in flight among it.
class Step {
 public:
  Step(Rank& rank, Communicator& group)
      : rank_(rank),
        group_(group),
        counts_(rank.size(), 3),
        gradients_(rank, std::vector<int64_t>(100)),
        weights_(rank, std::vector<float>(3 * rank.size())),
        send_(rank, std::vector<float>(4 * rank.size())),
        recv_(rank, std::vector<float>(4 * rank.size())) {
    for (int peer = 0; peer < rank.size(); ++peer) {
      blocks_.push_back({peer, 4 * peer, 1});
      blocks_.push_back({peer, 4 * peer + 1, 3});
    }
  }

  absl::Status Run() {
    Stream& stream = rank_.stream;
    Communicator& world = rank_.world;
    const int64_t begin = 3 * rank_.rank();
    const TensorView mine = weights_.view(begin, begin + 3);
    Ticket a = world.AllReduce(stream, gradients_.view(0, 50), ReduceOp::kSum,
                               {1, "backward"});
    Ticket b = world.AllReduce(stream, gradients_.view(50, 100), ReduceOp::kSum,
                               {0, "backward"});
    Ticket c = group_.AllToAllV(stream, send_.view(), blocks_, recv_.view(),
                                blocks_, {0, "dispatch"});
    SWITCHYARD_RETURN_IF_ERROR(c.Wait());
    SWITCHYARD_RETURN_IF_ERROR(a.Wait());
    SWITCHYARD_RETURN_IF_ERROR(b.Wait());
    SWITCHYARD_RETURN_IF_ERROR(world
                                   .ReduceScatter(stream, weights_.view(), mine,
                                                  counts_, ReduceOp::kSum,
                                                  {-1, "gradients"})
                                   .Wait());
    SWITCHYARD_RETURN_IF_ERROR(
        world.AllGather(stream, mine, weights_.view(), counts_, {-1, "weights"})
            .Wait());
    SWITCHYARD_RETURN_IF_ERROR(
        world.Broadcast(stream, weights_.view(), 0, {-1, "rate"}).Wait());
    return world.Barrier({-1, "end"}).Wait();
  }

 private:
  Rank& rank_;
  Communicator& group_;
  std::vector<int64_t> counts_;
  std::vector<Block> blocks_;
  Buffer<int64_t> gradients_;
  Buffer<float> weights_;
  Buffer<float> send_;
  Buffer<float> recv_;
};

TEST_P(AllocationTest, ASteadyStateAllocatesNothing) {
  if (GetParam().memory != Memory::kHost) GTEST_SKIP() << "its streams queue work, or allocate";
  OnEveryRank([](Rank& rank) -> absl::Status {
    SWITCHYARD_ASSIGN_OR_RETURN(const std::unique_ptr<Communicator> group,
                                rank.world.Split(0, rank.rank()));
    Step step(rank, *group);
    // A rank that runs ahead leaves more calls in flight: their number, and so
    // the memory they need, settles within a few steps.
    for (int i = 0; i < 20; ++i) {
      SWITCHYARD_RETURN_IF_ERROR(step.Run());
    }
    const int64_t before = AllocationCount();
    EXPECT_GT(before, 0) << "nothing is counted";
    for (int i = 0; i < 20; ++i) {
      SWITCHYARD_RETURN_IF_ERROR(step.Run());
    }
    EXPECT_EQ(AllocationCount(), before);
    return absl::OkStatus();
  });
}

INSTANTIATE_TEST_SUITE_P(All, AllocationTest,
                         ::testing::ValuesIn(Implementations()), NameOfParam);

}  // namespace
}  // namespace switchyard::comm
