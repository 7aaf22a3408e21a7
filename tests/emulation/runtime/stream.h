// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Streams and events.
#ifndef SWITCHYARD_TESTS_EMULATION_RUNTIME_STREAM_H_
#define SWITCHYARD_TESTS_EMULATION_RUNTIME_STREAM_H_

#include <functional>
#include <mutex>
#include <string>

#include "emulation/driver_types.h"
#include "races/clocks.h"
#include "runtime/stream_queue.h"

struct CUstream_st {
  int device;
  int id;
  int priority;
  // Of the operations that the host enqueued.
  switchyard::emulation::VectorClock clock;
  switchyard::emulation::StreamQueue queue;
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
// The same for work that waits for other processes, which must hear of a device
// that failed: it runs all the same.
void EnqueueWaiting(cudaStream_t stream, const std::string& name,
                    std::function<void()> work);

// Returns when all that was enqueued has run; the host then knows it.
cudaError_t Synchronize(cudaStream_t stream);
cudaError_t SynchronizeDevice(int device);

// Held while anything touches memory of the device, and for no longer: never
// while waiting.
std::mutex& DeviceMutex();

}  // namespace switchyard::emulation

#endif  // SWITCHYARD_TESTS_EMULATION_RUNTIME_STREAM_H_
