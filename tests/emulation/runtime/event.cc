// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <condition_variable>
#include <map>
#include <memory>

#include "emulation/control.h"
#include "emulation/runtime_api.h"
#include "runtime/errors.h"
#include "runtime/stream.h"

namespace switchyard::emulation {
namespace {

// Kept by the operations that record it and wait for it, too: an event may be
// destroyed before they ran.
struct Event {
  int device = 0;
  bool timed = false;

  std::mutex mutex;
  std::condition_variable changed;
  uint64_t recorded = 0;  // times, by the host
  uint64_t reached = 0;   // of those, by the stream
  std::chrono::steady_clock::time_point time;
  VectorClock clock;  // of the stream when it was recorded last

  bool Reached() {
    const std::lock_guard lock(mutex);
    return reached == recorded;
  }
  void Reach(uint64_t record) {
    {
      const std::lock_guard lock(mutex);
      reached = record;
      time = std::chrono::steady_clock::now();
    }
    changed.notify_all();
  }
  void Wait(uint64_t record) {
    std::unique_lock lock(mutex);
    changed.wait(lock, [this, record] { return reached >= record; });
  }
};

std::mutex g_mutex;

std::map<cudaEvent_t, std::shared_ptr<Event>>& Events() {
  static auto* const events = new std::map<cudaEvent_t, std::shared_ptr<Event>>;
  return *events;
}

// Null, with the thread's last error set, where the device failed or there is
// no such event.
std::shared_ptr<Event> Find(const char* call, cudaEvent_t handle,
                            cudaError_t& error) {
  error = DeviceState();
  if (error != cudaSuccess) return nullptr;
  const std::lock_guard lock(g_mutex);
  const auto found = Events().find(handle);
  if (found != Events().end()) return found->second;
  error = Error(cudaErrorInvalidResourceHandle,
                std::string(call) + ": no such event");
  return nullptr;
}

// The host saw it reached.
cudaError_t Known(Event& event) {
  VectorClock clock;
  {
    const std::lock_guard lock(event.mutex);
    clock = event.clock;
  }
  HostKnows(clock);
  return DeviceState();
}

}  // namespace
}  // namespace switchyard::emulation

using switchyard::emulation::CheckStream;
using switchyard::emulation::Error;
using switchyard::emulation::Event;
using switchyard::emulation::Find;

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags) {
  SWITCHYARD_EMULATION_RETURN_IF_ERROR(switchyard::emulation::DeviceState());
  constexpr unsigned kKnown = cudaEventBlockingSync | cudaEventDisableTiming;
  if (event == nullptr || (flags & ~kKnown) != 0) {
    return Error(cudaErrorInvalidValue, "cudaEventCreateWithFlags: flags");
  }
  auto created = std::make_shared<Event>();
  created->device = switchyard::emulation::CurrentDevice();
  created->timed = (flags & cudaEventDisableTiming) == 0;
  *event = reinterpret_cast<cudaEvent_t>(created.get());
  const std::lock_guard lock(switchyard::emulation::g_mutex);
  switchyard::emulation::Events()[*event] = std::move(created);
  return cudaSuccess;
}

cudaError_t cudaEventCreate(cudaEvent_t* event) {
  return cudaEventCreateWithFlags(event, cudaEventDefault);
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  const std::lock_guard lock(switchyard::emulation::g_mutex);
  if (switchyard::emulation::Events().erase(event) == 0) {
    return Error(cudaErrorInvalidResourceHandle,
                 "cudaEventDestroy: no such event");
  }
  return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t handle, cudaStream_t stream) {
  cudaError_t error = cudaSuccess;
  const auto event = Find("cudaEventRecord", handle, error);
  if (event == nullptr) return error;
  SWITCHYARD_EMULATION_RETURN_IF_ERROR(CheckStream("cudaEventRecord", stream));
  if (event->device != stream->device) {
    return Error(cudaErrorInvalidResourceHandle,
                 "cudaEventRecord: event and stream are of two devices");
  }
  uint64_t record = 0;
  {
    const std::lock_guard lock(event->mutex);
    record = ++event->recorded;
    event->clock = stream->clock;
  }
  switchyard::emulation::Task task;
  task.work = [event, record] { event->Reach(record); };
  task.even_failed = true;  // others wait for it
  stream->queue.Enqueue(std::move(task));
  return cudaSuccess;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t handle,
                                unsigned flags) {
  SWITCHYARD_EMULATION_RETURN_IF_ERROR(
      CheckStream("cudaStreamWaitEvent", stream));
  if (flags != 0) {
    return Error(cudaErrorInvalidValue, "cudaStreamWaitEvent: flags");
  }
  cudaError_t error = cudaSuccess;
  const auto event = Find("cudaStreamWaitEvent", handle, error);
  if (event == nullptr) return error;
  uint64_t record = 0;
  switchyard::emulation::Task task;
  {
    const std::lock_guard lock(event->mutex);
    stream->clock.Join(event->clock);
    record = event->recorded;
    task.may_wait = event->reached < record;
  }
  task.work = [event, record] { event->Wait(record); };
  stream->queue.Enqueue(std::move(task));
  return cudaSuccess;
}

cudaError_t cudaEventQuery(cudaEvent_t handle) {
  cudaError_t error = cudaSuccess;
  const auto event = Find("cudaEventQuery", handle, error);
  if (event == nullptr) return error;
  if (!event->Reached()) return Error(cudaErrorNotReady, "cudaEventQuery");
  return switchyard::emulation::Known(*event);
}

cudaError_t cudaEventSynchronize(cudaEvent_t handle) {
  cudaError_t error = cudaSuccess;
  const auto event = Find("cudaEventSynchronize", handle, error);
  if (event == nullptr) return error;
  uint64_t record = 0;
  {
    const std::lock_guard lock(event->mutex);
    record = event->recorded;
  }
  event->Wait(record);
  return switchyard::emulation::Known(*event);
}

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start,
                                 cudaEvent_t end) {
  cudaError_t error = cudaSuccess;
  const auto first = Find("cudaEventElapsedTime", start, error);
  if (first == nullptr) return error;
  const auto last = Find("cudaEventElapsedTime", end, error);
  if (last == nullptr) return error;
  if (!first->timed || !last->timed || first->recorded == 0 ||
      last->recorded == 0) {
    return Error(cudaErrorInvalidResourceHandle,
                 "cudaEventElapsedTime: an event without timing, or that was "
                 "not recorded");
  }
  if (!first->Reached() || !last->Reached()) {
    return Error(cudaErrorNotReady, "cudaEventElapsedTime");
  }
  *milliseconds =
      std::chrono::duration<float, std::milli>(last->time - first->time)
          .count();
  return cudaSuccess;
}
