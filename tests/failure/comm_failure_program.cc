// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// A job that goes wrong, for comm_failure_test: ranks of MPI that call a
// collective a step until the given thing happens. Each prints where it is, the
// error that ends it, and the report if it is told to end (SIGTERM).
//
//   comm_failure_program MODE TIMEOUT_SECONDS
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "switchyard/base/cpu/cpu_device.h"
#include "switchyard/base/status.h"
#include "switchyard/base/storage.h"
#include "switchyard/comm/mpi/mpi_environment.h"

namespace switchyard::comm {
namespace {

// One write for each text, so that those of ranks do not mix.
void Say(int rank, const std::string& text) {
  const std::string line = "[rank " + std::to_string(rank) + "] " + text + "\n";
  if (write(STDERR_FILENO, line.data(), line.size()) < 0) std::abort();
}

// mpirun sends SIGTERM to the ranks that are left when one has died, and kills
// them a second later: time for a report, by a thread that waits for the
// signal.
class TerminationReporter {
 public:
  explicit TerminationReporter(Communicator& world) : world_(&world) {
    std::thread([this] {
      sigset_t signals;
      sigemptyset(&signals);
      sigaddset(&signals, SIGTERM);
      int signal = 0;
      sigwait(&signals, &signal);
      std::lock_guard<std::mutex> lock(mutex_);
      if (world_ != nullptr) {
        Say(world_->rank(), "terminated: " + world_->ledger().Report());
      }
      _exit(EXIT_FAILURE);
    }).detach();
  }
  void Forget() {
    std::lock_guard<std::mutex> lock(mutex_);
    world_ = nullptr;
  }

 private:
  std::mutex mutex_;
  Communicator* world_;
};

struct Scene {
  Communicator& world;
  Stream& stream;
  TensorView buffer;  // 12 fp32
  bool odd_one() const { return world.rank() == 1; }
  absl::Status AllReduce(int64_t count) {
    return world
        .AllReduce(stream, buffer.Rows(0, count), ReduceOp::kSum,
                   {3, "backward"})
        .Wait();
  }
};

absl::Status OtherOperation(Scene& scene) {
  if (scene.odd_one()) return scene.world.Barrier({5, "optimizer"}).Wait();
  return scene.AllReduce(8);
}

absl::Status OtherCount(Scene& scene) {
  return scene.AllReduce(scene.odd_one() ? 7 : 8);
}

// Rank 1 expects `expected` elements of the 4 that rank 0 sends.
absl::Status OtherBlocks(Scene& scene, int64_t expected) {
  std::vector<Block> send_blocks;
  std::vector<Block> recv_blocks;
  if (scene.world.rank() == 0) send_blocks.push_back({1, 0, 4});
  if (scene.odd_one()) recv_blocks.push_back({0, 0, expected});
  return scene.world
      .AllToAllV(scene.stream, scene.buffer.Rows(0, 4), send_blocks,
                 scene.buffer.Rows(4, 12), recv_blocks, {2, "dispatch"})
      .Wait();
}

// One rank after the other, each done before the next one comes: the root does
// not wait for the others, and MPI lets rank 1 receive fewer elements than it
// asks for.
absl::Status InOrder(Scene& scene) {
  std::this_thread::sleep_for(std::chrono::seconds(scene.world.rank()));
  return scene.world
      .Broadcast(scene.stream, scene.buffer.Rows(0, scene.odd_one() ? 12 : 8),
                 0, {4, "weights"})
      .Wait();
}

absl::Status Late(Scene& scene) {
  if (scene.odd_one()) {
    scene.world.ledger().SetPosition(1, 7, "router");
    for (;;) pause();
  }
  return scene.AllReduce(8);
}

absl::Status Leave(Scene& scene) {
  if (scene.odd_one()) return absl::OkStatus();
  return scene.AllReduce(8);
}

// Until a signal ends it.
absl::Status Run(Scene& scene) {
  for (int64_t step = 1;; ++step) {
    scene.world.ledger().SetPosition(step, 3, "attention");
    SWITCHYARD_RETURN_IF_ERROR(scene.AllReduce(8));
    if (step == 10) {
      Say(scene.world.rank(), "running as process " + std::to_string(getpid()));
    }
  }
}

const std::map<std::string, std::function<absl::Status(Scene&)>>& Modes() {
  static const auto* modes =
      new std::map<std::string, std::function<absl::Status(Scene&)>>{
          {"other-operation", OtherOperation},
          {"other-count", OtherCount},
          {"more-than-expected",
           [](Scene& scene) { return OtherBlocks(scene, 3); }},
          {"less-than-expected",
           [](Scene& scene) { return OtherBlocks(scene, 6); }},
          {"in-order", InOrder},
          {"late", Late},
          {"leave", Leave},
          {"run", Run},
      };
  return *modes;
}

// Rank 1 of the launcher's does not come to where all ranks meet.
void StayAway() {
  const char* rank = std::getenv("OMPI_COMM_WORLD_RANK");
  if (rank == nullptr || std::string(rank) != "1") return;
  for (;;) pause();
}

absl::Status Main(const std::string& mode, double timeout_seconds) {
  SWITCHYARD_ASSIGN_OR_RETURN(const auto environment,
                              MpiEnvironment::Start(timeout_seconds));
  Options options;
  options.timeout_seconds = timeout_seconds;
  if (mode == "no-start") StayAway();
  absl::StatusOr<std::unique_ptr<Communicator>> made = NewMpiWorld(options);
  if (!made.ok()) {
    Say(-1, "no world: " + made.status().ToString());
    return made.status();
  }
  const std::unique_ptr<Communicator> world = *std::move(made);
  if (mode == "no-end") {
    StayAway();
    return absl::OkStatus();
  }
  auto* reporter = new TerminationReporter(*world);  // as long as its thread
  CpuDevice device;
  const std::unique_ptr<Stream> stream = device.NewStream();
  Storage storage(device, DType::kFloat32, {12});
  Scene scene{*world, *stream, storage.View(DType::kFloat32, {12})};
  stream->Zero(scene.buffer);
  const absl::Status status = Modes().at(mode)(scene);
  if (!status.ok()) {
    Say(world->rank(), "failed: " + status.ToString());
    const absl::Status later = world->Barrier({-1, "later"}).Wait();
    Say(world->rank(), "later: " + later.ToString());
    Say(world->rank(), "anew: " + NewMpiWorld(options).status().ToString());
  }
  reporter->Forget();
  return status;
}

}  // namespace
}  // namespace switchyard::comm

int main(int argc, char** argv) {
  if (argc != 3) return EXIT_FAILURE;
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  const absl::Status status =
      switchyard::comm::Main(argv[1], std::atof(argv[2]));
  return status.ok() ? EXIT_SUCCESS : EXIT_FAILURE;
}
