// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Runs kernels: every device thread is a fiber that runs until it waits for
// others. Blocks run one after the other, kernels too.
#ifndef SWITCHYARD_TESTS_EMULATION_ENGINE_ENGINE_H_
#define SWITCHYARD_TESTS_EMULATION_ENGINE_ENGINE_H_

#include <array>
#include <string>
#include <vector>

#include "emulation/device_thread.h"
#include "emulation/launch.h"
#include "engine/async_copies.h"
#include "engine/fiber.h"
#include "engine/ready_threads.h"
#include "engine/shared_memory.h"
#include "engine/warp.h"
#include "races/shadow.h"

namespace switchyard::emulation {

constexpr int kMaxThreads = kMaxWarps * kWarpLanes;

class Engine {
 public:
  // One a process: kernels run one at a time.
  static Engine& Get();

  // The shape is a legal one. `shared_limit`: of static and dynamic shared
  // memory. False: the kernel failed, and RecordFailure() has the text.
  bool Run(const Kernel& kernel, const LaunchShape& shape, size_t shared_limit);

  // For device threads.
  int thread() const { return thread_; }
  uint64_t CallWarp(const WarpCall& call, CallSite site);
  int WaitAtBarrier(BarrierResult result, bool predicate, CallSite site);
  const void* Exchange(const void* in, size_t bytes, CallSite site);
  void* StaticShared(SharedVariable& variable, size_t bytes, size_t alignment,
                     const char* name);
  void* DynamicShared();
  AsyncCopies& async_copies() { return async_copies_; }
  // Who accesses memory now: the thread, and what orders it behind others.
  Record CurrentRecord() const;
  std::string DescribeShared(const void* address) const {
    return shared_.Describe(address);
  }
  [[noreturn]] void Fail(std::string text);

  // Whether the address is on a stack of a device thread: the caller's frame is
  // if and only if it runs in a kernel.
  bool OnDeviceStack(const void* address) const {
    return fibers_.Contains(address);
  }
  // Whether it is memory that device code reads on the engine's behalf: the
  // kernel's arguments, what a warp exchanges.
  bool Owns(const void* address) const;

 private:
  struct Barrier {
    int waiting = 0;
    int first = 0;  // thread
    int count = 0;  // of predicates that hold
    CallSite site;
    int result = 0;  // of the barrier before
    std::array<uint32_t, kMaxWarps> lanes = {};
  };

  Engine() = default;
  std::vector<uint64_t> BlockOrder(uint64_t blocks);
  bool RunBlock(uint64_t index);
  void BeginBlock();
  static void ThreadEntry();
  void EndThread();
  // Switches to the thread that runs next; the caller goes on later.
  void Wait();
  void GoTo(int thread);
  [[noreturn]] void GiveUp();
  void ReleaseBarrier(BarrierResult result);
  std::string DescribeStuck() const;
  std::string DescribeDivergence(CallSite site) const;

  const Kernel* kernel_ = nullptr;
  int threads_ = 0;        // of a block
  int thread_ = 0;         // that runs
  int returned_ = 0;       // threads of the block
  uint32_t block_ = 0;     // that runs, counted along x, y, z
  uint32_t barriers_ = 0;  // of the block so far
  bool failed_ = false;
  Fiber launcher_;
  FiberPool fibers_;
  ReadyThreads ready_;
  Barrier barrier_;
  SharedMemory shared_;
  AsyncCopies async_copies_;
  std::array<uint3, kMaxThreads> indices_;
  std::array<Warp, kMaxWarps> warps_;
  // Two of each warp: lanes may still read one while others fill the next.
  alignas(128) char exchanged_[kMaxWarps][2][kWarpLanes * kMaxExchangeBytes];
};

}  // namespace switchyard::emulation

#endif  // SWITCHYARD_TESTS_EMULATION_ENGINE_ENGINE_H_
