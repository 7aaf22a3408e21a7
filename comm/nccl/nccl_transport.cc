// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/comm/nccl/nccl_transport.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "switchyard/base/cuda/cuda_event.h"
#include "switchyard/base/cuda/cuda_stream.h"
#include "switchyard/base/status.h"
#include "switchyard/comm/nccl/nccl_calls.h"

namespace switchyard::comm {
namespace {

class NcclFlight : public DeviceTransport::Flight {
 public:
  bool Landed() override { return end_.Reached(); }
  void HoldBack(Stream& stream) override {
    CudaStream& held = CudaStreamOf(stream);
    end_.HoldBack(held.handle());
    held.CountWork(1);
  }

  CudaEvent& begin() { return begin_; }
  CudaEvent& end() { return end_; }

 private:
  CudaEvent begin_;  // the caller's work is done
  CudaEvent end_;    // the collective is
};

// What a call gives the group's queue: two events, a kernel, and copies of what
// stays on the rank.
int WorkOf(const Call& call, int rank) {
  return 3 + static_cast<int>(std::count_if(
                 call.send_blocks.begin(), call.send_blocks.end(),
                 [rank](const Block& block) { return block.peer == rank; }));
}

}  // namespace

NcclTransport::NcclTransport(std::shared_ptr<NcclProcess> process,
                             std::unique_ptr<NcclComm> comm, int rank)
    : process_(std::move(process)),
      group_(process_->Join(std::move(comm))),
      rank_(rank) {}

std::unique_ptr<DeviceTransport::Flight> NcclTransport::NewFlight() {
  CudaStreamOf(group_.queue);  // events belong to the current GPU
  return std::make_unique<NcclFlight>();
}

void NcclTransport::MakeRoom() { CudaStreamOf(group_.queue).MakeRoom(); }

absl::Status NcclTransport::Start(const Call& call, Flight& flight, Look look) {
  const NcclComm& comm = group_.comm;
  if (comm.get() == nullptr) return comm.Health();
  CudaStream& stream = CudaStreamOf(group_.queue);
  NcclFlight& mine = static_cast<NcclFlight&>(flight);
  CudaStream& caller = CudaStreamOf(*call.stream);
  mine.begin().Record(caller.handle());
  mine.begin().HoldBack(stream.handle());
  caller.CountWork(1);
  stream.CountWork(WorkOf(call, rank_));
  ncclResult_t result = ncclSuccess;
  SWITCHYARD_RETURN_IF_ERROR(
      EnqueueNcclCall({comm.get(), rank_, stream.handle()}, call, result));
  SWITCHYARD_RETURN_IF_ERROR(comm.Taken(result, NameOf(call.kind), look));
  mine.end().Record(stream.handle());
  return absl::OkStatus();
}

absl::Status NcclTransport::Health() {
  for (const auto& comm : process_->comms()) {
    SWITCHYARD_RETURN_IF_ERROR(comm->Health());
  }
  return absl::OkStatus();
}

// Each by a thread of its own: to abort one may mean to wait for the device,
// where another's call stands in the way.
bool NcclTransport::Abort(double seconds) {
  struct State {
    std::mutex mutex;
    std::condition_variable changed;
    size_t left;
  };
  const auto state = std::make_shared<State>();
  std::vector<ncclComm_t> comms;
  for (const auto& comm : process_->comms()) {
    const ncclComm_t taken = comm->TakeToAbort();
    if (taken != nullptr) comms.push_back(taken);
  }
  state->left = comms.size();
  for (const ncclComm_t comm : comms) {
    std::thread([state, comm] {
      ncclCommAbort(comm);
      const std::lock_guard<std::mutex> lock(state->mutex);
      --state->left;
      state->changed.notify_all();
    }).detach();
  }
  std::unique_lock<std::mutex> lock(state->mutex);
  return state->changed.wait_for(lock, std::chrono::duration<double>(seconds),
                                 [&] { return state->left == 0; });
}

absl::StatusOr<std::unique_ptr<DeviceTransport>> NcclTransport::Split(
    int color, int key, Look look) {
  CudaStreamOf(group_.queue);  // the new one is for the current GPU
  SWITCHYARD_ASSIGN_OR_RETURN(std::unique_ptr<NcclComm> comm,
                              group_.comm.Split(color, key, look));
  return std::make_unique<NcclTransport>(process_, std::move(comm), key);
}

}  // namespace switchyard::comm
