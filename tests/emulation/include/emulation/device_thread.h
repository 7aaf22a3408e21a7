// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// What device code sees of the engine: its indices, and the operations at
// which a thread waits for others. The engine runs one kernel at a time, so
// these are plain globals.
#ifndef SWITCHYARD_TESTS_EMULATION_DEVICE_THREAD_H_
#define SWITCHYARD_TESTS_EMULATION_DEVICE_THREAD_H_

#include <cstddef>
#include <cstdint>

#include "emulation/call_site.h"
#include "emulation/vector_types.h"

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __align__(n) alignas(n)

extern uint3 threadIdx, blockIdx;
extern dim3 blockDim, gridDim;
constexpr int warpSize = 32;

namespace switchyard::emulation {

enum class WarpOperation {
  kSyncwarp,
  kShuffle,
  kShuffleUp,
  kShuffleDown,
  kShuffleXor,
  kBallot,
  kAny,
  kAll,
  kMatchAny,
  kReduceAdd,
  kReduceMin,
  kReduceMax,
  kReduceMinUnsigned,
  kReduceMaxUnsigned,
  kReduceAnd,
  kReduceOr,
  kReduceXor,
  kExchange,
};

// One lane's part in an operation of a warp.
struct WarpCall {
  WarpOperation operation;
  unsigned mask;
  uint64_t value = 0;
  int argument = 0;  // source lane, distance or lane mask
  int width = 32;
};

// Waits for the lanes of the mask; returns what this lane gets.
uint64_t CallWarp(const WarpCall& call, CallSite site);

enum class BarrierResult { kCount, kAnd, kOr };
// __syncthreads and its variants.
int WaitAtBarrier(BarrierResult result, bool predicate, CallSite site);

// Every lane of the full warp deposits `bytes` (at most 128); returns the 32
// deposits one after the other. They stay readable until this lane's next
// exchange. It orders no memory, as a shuffle does not.
constexpr size_t kMaxExchangeBytes = 128;
const void* WarpExchange(const void* in, size_t bytes,
                         CallSite site = CallSite::Here());

int LinearThread();  // in the block
inline int LaneIndex() { return LinearThread() % warpSize; }

// Ends the kernel as failed: its launch, and all that follow, return
// cudaErrorLaunchFailure; LastFailure() (control.h) is the thread and `text`.
[[noreturn]] void FailKernel(const char* text);

}  // namespace switchyard::emulation

#endif  // SWITCHYARD_TESTS_EMULATION_DEVICE_THREAD_H_
