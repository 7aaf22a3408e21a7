// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "runtime/stream.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>
#include <vector>

#include "emulation/control.h"
#include "emulation/runtime_api.h"
#include "engine/failure.h"
#include "runtime/errors.h"

namespace switchyard::emulation {
namespace {

constexpr int kGreatestPriority = -5;
constexpr int kAllDevices = -1;

std::mutex g_mutex;
int g_streams_made = 0;

std::set<cudaStream_t>& AllStreams() {
  static auto* const streams = new std::set<cudaStream_t>;
  return *streams;
}

std::vector<cudaStream_t> StreamsOf(int device) {
  const std::lock_guard lock(g_mutex);
  std::vector<cudaStream_t> streams;
  std::copy_if(AllStreams().begin(), AllStreams().end(),
               std::back_inserter(streams), [device](cudaStream_t stream) {
                 return device == kAllDevices || stream->device == device;
               });
  return streams;
}

cudaError_t Create(cudaStream_t* stream, unsigned flags, int priority) {
  SWITCHYARD_EMULATION_RETURN_IF_ERROR(DeviceState());
  if (stream == nullptr || flags > cudaStreamNonBlocking || priority > 0 ||
      priority < kGreatestPriority) {
    return Error(cudaErrorInvalidValue, "stream flags or priority");
  }
  const std::lock_guard lock(g_mutex);
  const int id = ++g_streams_made;
  *stream = new CUstream_st{CurrentDevice(),
                            id,
                            priority,
                            {},
                            switchyard::emulation::StreamQueue(id)};
  AllStreams().insert(*stream);
  return cudaSuccess;
}

}  // namespace

cudaError_t CheckStream(const char* call, cudaStream_t stream) {
  SWITCHYARD_EMULATION_RETURN_IF_ERROR(DeviceState());
  if (stream == nullptr) {
    return Error(cudaErrorInvalidResourceHandle,
                 std::string(call) +
                     ": stream 0 waits for all others and is not used here; "
                     "pass a stream");
  }
  const std::lock_guard lock(g_mutex);
  if (AllStreams().count(stream) == 0) {
    return Error(cudaErrorInvalidResourceHandle,
                 std::string(call) + ": no such stream");
  }
  if (stream->device != CurrentDevice()) {
    return Error(cudaErrorInvalidResourceHandle,
                 std::string(call) + ": a stream of device " +
                     std::to_string(stream->device) + " while device " +
                     std::to_string(CurrentDevice()) + " is current");
  }
  return cudaSuccess;
}

cudaError_t Enqueue(cudaStream_t stream, const std::string& name,
                    std::function<void()> work) {
  Task task;
  task.work = std::move(work);
  task.operation = NumberOperation(stream->id, name, stream->clock);
  stream->queue.Enqueue(std::move(task));
  return cudaSuccess;
}

void EnqueueWaiting(cudaStream_t stream, const std::string& name,
                    std::function<void()> work) {
  Task task;
  task.work = std::move(work);
  task.operation = NumberOperation(stream->id, name, stream->clock);
  task.may_wait = true;
  task.even_failed = true;
  stream->queue.Enqueue(std::move(task));
}

cudaError_t Synchronize(cudaStream_t stream) {
  const VectorClock clock = stream->clock;
  stream->queue.WaitIdle();
  HostKnows(clock);
  return DeviceState();
}

cudaError_t SynchronizeDevice(int device) {
  for (const cudaStream_t stream : StreamsOf(device)) Synchronize(stream);
  return DeviceState();
}

void ClearFailure() {
  for (const cudaStream_t stream : StreamsOf(kAllDevices)) {
    stream->queue.WaitIdle();
  }
  ForgetFailure();
}

std::mutex& DeviceMutex() {
  static auto* const mutex = new std::mutex;
  return *mutex;
}

}  // namespace switchyard::emulation

using switchyard::emulation::CheckStream;
using switchyard::emulation::Error;

cudaError_t cudaDeviceGetStreamPriorityRange(int* least, int* greatest) {
  *least = 0;
  *greatest = switchyard::emulation::kGreatestPriority;
  return cudaSuccess;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  return switchyard::emulation::Create(stream, flags, 0);
}

cudaError_t cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned flags,
                                         int priority) {
  return switchyard::emulation::Create(stream, flags, priority);
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  SWITCHYARD_EMULATION_RETURN_IF_ERROR(
      CheckStream("cudaStreamDestroy", stream));
  switchyard::emulation::Synchronize(stream);
  {
    const std::lock_guard lock(switchyard::emulation::g_mutex);
    switchyard::emulation::AllStreams().erase(stream);
  }
  delete stream;
  return cudaSuccess;
}

cudaError_t cudaStreamQuery(cudaStream_t stream) {
  SWITCHYARD_EMULATION_RETURN_IF_ERROR(CheckStream("cudaStreamQuery", stream));
  if (!stream->queue.Idle()) return Error(cudaErrorNotReady, "cudaStreamQuery");
  return switchyard::emulation::Synchronize(stream);
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  SWITCHYARD_EMULATION_RETURN_IF_ERROR(
      CheckStream("cudaStreamSynchronize", stream));
  return switchyard::emulation::Synchronize(stream);
}

cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t function,
                               void* data) {
  SWITCHYARD_EMULATION_RETURN_IF_ERROR(
      CheckStream("cudaLaunchHostFunc", stream));
  if (function == nullptr) {
    return Error(cudaErrorInvalidValue, "cudaLaunchHostFunc: no function");
  }
  return switchyard::emulation::Enqueue(stream, "host function",
                                        [function, data] { function(data); });
}
