// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include <set>

#include "emulation/runtime_api.h"
#include "runtime/errors.h"
#include "runtime/stream.h"

namespace switchyard::emulation {
namespace {

std::mutex g_mutex;

std::set<cudaEvent_t>& Events() {
  static auto* const events = new std::set<cudaEvent_t>;
  return *events;
}

cudaError_t CheckEvent(const char* call, cudaEvent_t event) {
  SWITCHYARD_EMULATION_RETURN_IF_ERROR(DeviceState());
  const std::lock_guard lock(g_mutex);
  if (Events().count(event) > 0) return cudaSuccess;
  return Error(cudaErrorInvalidResourceHandle,
               std::string(call) + ": no such event");
}

}  // namespace
}  // namespace switchyard::emulation

using switchyard::emulation::CheckEvent;
using switchyard::emulation::CheckStream;
using switchyard::emulation::Enqueue;
using switchyard::emulation::Error;

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags) {
  SWITCHYARD_EMULATION_RETURN_IF_ERROR(switchyard::emulation::DeviceState());
  constexpr unsigned kKnown = cudaEventBlockingSync | cudaEventDisableTiming;
  if (event == nullptr || (flags & ~kKnown) != 0) {
    return Error(cudaErrorInvalidValue, "cudaEventCreateWithFlags: flags");
  }
  const std::lock_guard lock(switchyard::emulation::g_mutex);
  *event = new CUevent_st;
  (*event)->device = switchyard::emulation::CurrentDevice();
  (*event)->timed = (flags & cudaEventDisableTiming) == 0;
  switchyard::emulation::Events().insert(*event);
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
  delete event;
  return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  SWITCHYARD_EMULATION_RETURN_IF_ERROR(CheckEvent("cudaEventRecord", event));
  SWITCHYARD_EMULATION_RETURN_IF_ERROR(CheckStream("cudaEventRecord", stream));
  if (event->device != stream->device) {
    return Error(cudaErrorInvalidResourceHandle,
                 "cudaEventRecord: event and stream are of two devices");
  }
  event->recorded = true;
  const cudaError_t result = Enqueue(stream, "cudaEventRecord", [event] {
    event->time = std::chrono::steady_clock::now();
  });
  event->clock = stream->clock;
  return result;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event,
                                unsigned flags) {
  SWITCHYARD_EMULATION_RETURN_IF_ERROR(
      CheckStream("cudaStreamWaitEvent", stream));
  if (flags != 0) {
    return Error(cudaErrorInvalidValue, "cudaStreamWaitEvent: flags");
  }
  SWITCHYARD_EMULATION_RETURN_IF_ERROR(
      CheckEvent("cudaStreamWaitEvent", event));
  stream->clock.Join(event->clock);
  return cudaSuccess;
}

cudaError_t cudaEventQuery(cudaEvent_t event) {
  SWITCHYARD_EMULATION_RETURN_IF_ERROR(CheckEvent("cudaEventQuery", event));
  switchyard::emulation::HostKnows(event->clock);
  return cudaSuccess;
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  return cudaEventQuery(event);  // nothing is ever under way
}

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start,
                                 cudaEvent_t end) {
  SWITCHYARD_EMULATION_RETURN_IF_ERROR(
      CheckEvent("cudaEventElapsedTime", start));
  SWITCHYARD_EMULATION_RETURN_IF_ERROR(CheckEvent("cudaEventElapsedTime", end));
  if (!start->timed || !end->timed || !start->recorded || !end->recorded) {
    return Error(cudaErrorInvalidResourceHandle,
                 "cudaEventElapsedTime: an event without timing, or that was "
                 "not recorded");
  }
  *milliseconds =
      std::chrono::duration<float, std::milli>(end->time - start->time).count();
  return cudaSuccess;
}
