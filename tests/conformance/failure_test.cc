// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// What every implementation answers when the ranks' calls do not meet: an error
// that says why, on some rank at once and on all by their next call, and errors
// ever after. How well the words explain it is in tests/unit/comm.
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "switchyard/base/cpu/cpu_device.h"
#include "switchyard/base/status.h"
#include "switchyard/base/storage.h"
#include "switchyard/tests/conformance/implementation.h"
#include "switchyard/tests/conformance/shared_counters.h"

namespace switchyard::comm {
namespace {

// One rank's buffers in a call that fails.
struct Scene {
  static constexpr int64_t kCount = 64;

  Scene()
      : stream(device.NewStream()),
        storage(device, DType::kFloat32, {2 * kCount}),
        view(storage.View(DType::kFloat32, {kCount})),
        apart(storage.View(DType::kFloat32, {kCount}, kCount * sizeof(float))) {
    stream->Zero(storage.View(DType::kFloat32, {2 * kCount}));
  }

  CpuDevice device;
  std::unique_ptr<Stream> stream;
  Storage storage;
  TensorView view;
  TensorView apart;
  std::vector<Block> send_blocks;
  std::vector<Block> recv_blocks;
};

// Kept until the program ends: MPI cannot take back a call that failed, and may
// still write into its buffers when the host calls it.
Scene& NewScene() {
  static auto* mutex = new std::mutex;
  static auto* scenes = new std::vector<std::unique_ptr<Scene>>;
  std::lock_guard<std::mutex> lock(*mutex);
  scenes->push_back(std::make_unique<Scene>());
  return *scenes->back();
}

// What the ranks count.
enum Counter { kBegun, kExplained, kFailed };

// A rank that was told nothing by a call that failed learns of it by its next
// one. From then on nothing works, and nothing waits: all ranks make these
// calls, so an attempt would succeed.
void ExpectDead(Communicator& world, Scene& scene, const absl::Status& first) {
  const absl::Status known =
      first.ok() ? world.Barrier({-1, "next"}).Wait() : first;
  EXPECT_FALSE(known.ok());
  EXPECT_EQ(world.Barrier({-1, "later"}).Wait().code(), known.code());
  const absl::Status later =
      world.AllReduce(*scene.stream, scene.view, ReduceOp::kSum, {-1, "later"})
          .Wait();
  EXPECT_EQ(later.code(), known.code()) << later;
  EXPECT_EQ(world.Split(0, 0).status().code(), known.code());
}

// All ranks are in the call before one waits for it: MPI may let the first go
// before the last has come, and then nobody could know.
absl::Status StatusOnceAllHaveBegun(Ticket ticket, SharedCounters& counters,
                                    int ranks) {
  counters.Add(kBegun);
  const absl::Status begun = counters.AwaitAtLeast(kBegun, ranks);
  const absl::Status status = ticket.Wait();
  return begun.ok() ? status : begun;
}

// Nobody leaves before all have seen the failure: that would be another one.
absl::Status LeaveTogether(SharedCounters& counters, int ranks) {
  counters.Add(kFailed);
  return counters.AwaitAtLeast(kFailed, ranks);
}

class FailureTest : public ConformanceTest {
 protected:
  // Makes the call; the last rank's is twisted.
  using Twist = std::function<Ticket(Communicator&, Scene&, bool twisted)>;

  // Some rank gives the reason, in `words` too.
  void ExpectMismatch(const Twist& twist, const std::string& words) {
    if (GetParam().ranks == 1) GTEST_SKIP() << "one rank agrees with itself";
    OnEveryRank([&](Rank& rank) -> absl::Status {
      SWITCHYARD_ASSIGN_OR_RETURN(const auto counters,
                                  SharedCounters::Open(rank));
      Scene& scene = NewScene();
      const bool twisted = rank.rank() == rank.size() - 1;
      const absl::Status status = StatusOnceAllHaveBegun(
          twist(rank.world, scene, twisted), *counters, rank.size());
      if (absl::IsFailedPrecondition(status) &&
          absl::StrContains(status.message(), words)) {
        counters->Add(kExplained);
      }
      ExpectDead(rank.world, scene, status);
      SWITCHYARD_RETURN_IF_ERROR(LeaveTogether(*counters, rank.size()));
      EXPECT_GE(counters->Get(kExplained), 1) << status;
      return absl::OkStatus();
    });
  }
};

TEST_P(FailureTest, AnotherOperation) {
  ExpectMismatch(
      [](Communicator& world, Scene& scene, bool twisted) {
        if (twisted) return world.Barrier({5, "optimizer"});
        return world.AllReduce(*scene.stream, scene.view, ReduceOp::kSum,
                               {4, "backward"});
      },
      "barrier by layer 5, optimizer");
}

TEST_P(FailureTest, AnotherCount) {
  ExpectMismatch(
      [](Communicator& world, Scene& scene, bool twisted) {
        return world.AllReduce(*scene.stream,
                               scene.view.Rows(0, twisted ? 7 : 8),
                               ReduceOp::kSum, {0, "f"});
      },
      "all-reduce (sum, 7 fp32)");
}

TEST_P(FailureTest, AnotherReduction) {
  ExpectMismatch(
      [](Communicator& world, Scene& scene, bool twisted) {
        return world.AllReduce(*scene.stream, scene.view.Rows(0, 8),
                               twisted ? ReduceOp::kMax : ReduceOp::kSum,
                               {0, "f"});
      },
      "all-reduce (max, 8 fp32)");
}

TEST_P(FailureTest, AnotherDtype) {
  ExpectMismatch(
      [](Communicator& world, Scene& scene, bool twisted) {
        const TensorView ints(scene.view.raw(), DType::kInt32, {8});
        return world.Broadcast(
            *scene.stream, twisted ? ints : scene.view.Rows(0, 8), 0, {0, "f"});
      },
      "broadcast (from rank 0, 8 int32)");
}

TEST_P(FailureTest, AnotherRoot) {
  ExpectMismatch(
      [](Communicator& world, Scene& scene, bool twisted) {
        return world.Broadcast(*scene.stream, scene.view.Rows(0, 8),
                               twisted ? 1 : 0, {0, "f"});
      },
      "broadcast (from rank 1, 8 fp32)");
}

// Each rank's own counts add up: nothing wrong can be seen from one.
TEST_P(FailureTest, OtherCountsForEachRank) {
  ExpectMismatch(
      [](Communicator& world, Scene& scene, bool twisted) {
        std::vector<int64_t> counts(world.size(), 4);
        if (twisted) counts[0] = 3;
        const int64_t total = 4 * world.size() - (twisted ? 1 : 0);
        return world.AllGather(*scene.stream, scene.apart.Rows(0, 4),
                               scene.view.Rows(0, total), counts, {0, "f"});
      },
      "differ at call 2");
}

TEST_P(FailureTest, BlocksThatAPeerDoesNotExpect) {
  ExpectMismatch(
      [](Communicator& world, Scene& scene, bool twisted) {
        for (int peer = 0; peer < world.size(); ++peer) {
          if (peer == world.rank()) continue;
          const int64_t expected = twisted && peer == 0 ? 3 : 4;
          scene.send_blocks.push_back({peer, 4 * peer, 4});
          scene.recv_blocks.push_back({peer, 4 * peer, expected});
        }
        return world.AllToAllV(*scene.stream, scene.apart, scene.send_blocks,
                               scene.view, scene.recv_blocks, {6, "dispatch"});
      },
      "which expects 12");
}

TEST_P(FailureTest, BlocksThatARankItselfDoesNotExpect) {
  OnEveryRank([](Rank& rank) -> absl::Status {
    SWITCHYARD_ASSIGN_OR_RETURN(const auto counters,
                                SharedCounters::Open(rank));
    Scene& scene = NewScene();
    scene.send_blocks = {{rank.rank(), 0, 4}};
    scene.recv_blocks = {{rank.rank(), 0, 3}};
    const absl::Status status = StatusOnceAllHaveBegun(
        rank.world.AllToAllV(*scene.stream, scene.apart, scene.send_blocks,
                             scene.view, scene.recv_blocks, {6, "dispatch"}),
        *counters, rank.size());
    EXPECT_FALSE(status.ok());
    ExpectDead(rank.world, scene, status);
    return LeaveTogether(*counters, rank.size());
  });
}

// The groups of a world die with it, though all their calls were met.
TEST_P(FailureTest, EveryGroupIsDead) {
  if (GetParam().ranks == 1) GTEST_SKIP() << "one rank agrees with itself";
  OnEveryRank([](Rank& rank) -> absl::Status {
    SWITCHYARD_ASSIGN_OR_RETURN(const auto counters,
                                SharedCounters::Open(rank));
    SWITCHYARD_ASSIGN_OR_RETURN(const auto group,
                                rank.world.Split(0, rank.rank(), "group"));
    Scene& scene = NewScene();
    const absl::Status status = StatusOnceAllHaveBegun(
        rank.rank() == 0
            ? rank.world.Barrier({0, "b"})
            : rank.world.Broadcast(*scene.stream, scene.view, 0, {0, "c"}),
        *counters, rank.size());
    ExpectDead(rank.world, scene, status);
    EXPECT_FALSE(group->Barrier({1, "later"}).Wait().ok());
    EXPECT_FALSE(group->Split(0, 0).ok());
    return LeaveTogether(*counters, rank.size());
  });
}

// The last rank makes its call when all others have given up.
TEST_P(FailureTest, ALateRankIsNamedAtTheDeadline) {
  if (GetParam().ranks == 1) GTEST_SKIP() << "nobody to wait for";
  constexpr double kTimeoutSeconds = 3;  // enough for the ranks to begin
  OnEveryRank(
      [](Rank& rank) -> absl::Status {
        SWITCHYARD_ASSIGN_OR_RETURN(const auto counters,
                                    SharedCounters::Open(rank));
        Scene& scene = NewScene();
        const int last = rank.size() - 1;
        if (rank.rank() == last) {
          SWITCHYARD_RETURN_IF_ERROR(counters->AwaitAtLeast(kFailed, last));
        }
        const absl::Status status = StatusOnceAllHaveBegun(
            rank.world.AllReduce(*scene.stream, scene.view, ReduceOp::kSum,
                                 {4, "backward"}),
            *counters, last);
        if (absl::IsDeadlineExceeded(status) &&
            absl::StrContains(status.message(), "has not made it")) {
          counters->Add(kExplained);
        }
        ExpectDead(rank.world, scene, status);
        SWITCHYARD_RETURN_IF_ERROR(LeaveTogether(*counters, rank.size()));
        EXPECT_GE(counters->Get(kExplained), 1) << status;
        return absl::OkStatus();
      },
      kTimeoutSeconds);
}

// What fails does not depend on the device, nor on how calls are cut.
std::vector<Implementation> PlainImplementations() {
  std::vector<Implementation> plain;
  for (const Implementation& it : Implementations()) {
    if (it.memory == Memory::kHost && it.max_call_elements == 0)
      plain.push_back(it);
  }
  return plain;
}

INSTANTIATE_TEST_SUITE_P(All, FailureTest,
                         ::testing::ValuesIn(PlainImplementations()),
                         NameOfParam);

}  // namespace
}  // namespace switchyard::comm
