// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Streams and events. An operation runs when it is enqueued.
#ifndef SWITCHYARD_TESTS_EMULATION_RUNTIME_STREAM_H_
#define SWITCHYARD_TESTS_EMULATION_RUNTIME_STREAM_H_

#include <chrono>
#include <functional>
#include <mutex>
#include <string>

#include "emulation/driver_types.h"
#include "races/clocks.h"

struct CUstream_st {
  int device;
  int id;
  int priority;
  switchyard::emulation::VectorClock clock;
};

struct CUevent_st {
  int device = 0;
  bool timed = false;
  bool recorded = false;
  std::chrono::steady_clock::time_point time;
  switchyard::emulation::VectorClock clock;
};

namespace switchyard::emulation {

int CurrentDevice();

// Whether the handle is a stream of the current device; `call` is named in the
// error.
cudaError_t CheckStream(const char* call, cudaStream_t stream);

// Runs `work` in the order of the stream, which was checked. Nothing runs any
// more on a device that failed.
cudaError_t Enqueue(cudaStream_t stream, const std::string& name,
                    std::function<void()> work);

// Returns when all that was enqueued has run; the host then knows it.
cudaError_t Synchronize(cudaStream_t stream);
cudaError_t SynchronizeDevice(int device);

// Held while anything touches memory of the device.
std::mutex& DeviceMutex();

}  // namespace switchyard::emulation

#endif  // SWITCHYARD_TESTS_EMULATION_RUNTIME_STREAM_H_
