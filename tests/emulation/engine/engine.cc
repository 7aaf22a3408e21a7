// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "engine/engine.h"

#include <cstdlib>
#include <cstring>
#include <numeric>
#include <utility>

#include "emulation/control.h"
#include "engine/failure.h"
#include "races/device_checks.h"

uint3 threadIdx, blockIdx;
dim3 blockDim, gridDim;

namespace switchyard::emulation {
namespace {

std::string NameOf(uint3 index) {
  return "(" + std::to_string(index.x) + "," + std::to_string(index.y) + "," +
         std::to_string(index.z) + ")";
}

}  // namespace

Engine& Engine::Get() {
  static Engine* const engine = new Engine;  // outlives threads of streams
  return *engine;
}

bool Engine::Run(const Kernel& kernel, const LaunchShape& shape,
                 size_t shared_limit) {
  kernel_ = &kernel;
  blockDim = shape.block;
  gridDim = shape.grid;
  threads_ = static_cast<int>(blockDim.x * blockDim.y * blockDim.z);
  for (unsigned i = 0; i < static_cast<unsigned>(threads_); ++i) {
    indices_[i] = {i % blockDim.x, i / blockDim.x % blockDim.y,
                   i / (blockDim.x * blockDim.y)};
  }
  fibers_.Reserve(threads_, settings().stack_bytes, ThreadEntry);
  if (std::exchange(failed_, false)) fibers_.Restart();
  BeginKernelChecks(CurrentOperation());
  ready_.Seed(settings().seed + ++mutable_counters().launches);
  shared_.BeginLaunch(shape.shared_bytes, shared_limit);
  const uint64_t blocks = uint64_t{gridDim.x} * gridDim.y * gridDim.z;
  for (const uint64_t block : BlockOrder(blocks)) {
    if (!RunBlock(block)) break;
  }
  shared_.EndLaunch();
  return !failed_;
}

std::vector<uint64_t> Engine::BlockOrder(uint64_t blocks) {
  std::vector<uint64_t> order(blocks);
  std::iota(order.begin(), order.end(), uint64_t{0});
  if (settings().order == Order::kReverse) {
    for (uint64_t& block : order) block = blocks - 1 - block;
  } else if (settings().order != Order::kForward) {
    for (uint64_t i = blocks; i > 1; --i) {
      std::swap(order[i - 1], order[ready_.Random() % i]);
    }
  }
  return order;
}

bool Engine::RunBlock(uint64_t index) {
  blockIdx = {static_cast<unsigned>(index % gridDim.x),
              static_cast<unsigned>(index / gridDim.x % gridDim.y),
              static_cast<unsigned>(index / gridDim.x / gridDim.y)};
  block_ = static_cast<uint32_t>(index);
  BeginBlock();
  const int first = ready_.Take();
  thread_ = first;
  threadIdx = indices_[first];
  SwitchFiber(launcher_, fibers_[first]);
  ++mutable_counters().blocks;
  mutable_counters().threads += threads_;
  return !failed_;
}

void Engine::BeginBlock() {
  returned_ = 0;
  barriers_ = 0;
  barrier_ = {};
  shared_.BeginBlock(settings().poison);
  async_copies_.Reset();
  ready_.Reset(settings().order);
  for (int first = 0; first < threads_; first += kWarpLanes) {
    Warp& warp = warps_[first / kWarpLanes];
    warp.Reset(std::min(threads_ - first, kWarpLanes));
    ready_.Add(first / kWarpLanes, warp.lanes());
  }
}

void Engine::ThreadEntry() {
  Engine& engine = Get();
  for (;;) {
    engine.kernel_->run(engine.kernel_->arguments.get());
    engine.EndThread();
  }
}

void Engine::EndThread() {
  if (async_copies_.any() && async_copies_.Unfinished(thread_)) {
    Fail("the thread returned without waiting for its asynchronous copies");
  }
  ++returned_;
  warps_[thread_ / kWarpLanes].Leave(thread_ % kWarpLanes);
  Wait();
}

void Engine::Wait() {
  const int next = ready_.Take();
  if (next >= 0) return GoTo(next);
  if (returned_ < threads_) Fail(DescribeStuck());
  // The block is done; this fiber's next thread is of another one.
  SwitchFiber(fibers_[thread_], launcher_);
}

void Engine::GoTo(int thread) {
  if (thread == thread_) return;
  Fiber& from = fibers_[thread_];
  thread_ = thread;
  threadIdx = indices_[thread];
  SwitchFiber(from, fibers_[thread]);
}

// The fiber is abandoned: what its frames own, such as the text, is freed here.
void Engine::Fail(std::string text) {
  RecordFailure(std::string("kernel ") + kernel_->name + ", block " +
                NameOf(blockIdx) + ", thread " + NameOf(threadIdx) + ": " +
                std::exchange(text, std::string()));
  GiveUp();
}

void Engine::GiveUp() {
  failed_ = true;
  SwitchFiber(fibers_[thread_], launcher_);
  std::abort();  // what failed never runs again
}

std::string Engine::DescribeStuck() const {
  if (barrier_.waiting > 0 && barrier_.waiting + returned_ == threads_) {
    return "__syncthreads with " + std::to_string(returned_) + " of " +
           std::to_string(threads_) + " threads already returned; thread " +
           std::to_string(barrier_.first) + " waits at " +
           emulation::NameOf(barrier_.site);
  }
  std::string text = "threads wait for each other in different places:";
  if (barrier_.waiting > 0) {
    text += " " + std::to_string(barrier_.waiting) + " in __syncthreads at " +
            emulation::NameOf(barrier_.site) + ";";
  }
  for (int warp = 0; warp * kWarpLanes < threads_; ++warp) {
    text += warps_[warp].DescribeWaiting(warp);
  }
  return text + " " + std::to_string(returned_) + " of " +
         std::to_string(threads_) + " returned";
}

std::string Engine::DescribeDivergence(CallSite site) const {
  return "divergent __syncthreads: this thread waits at " +
         emulation::NameOf(site) + ", thread " +
         std::to_string(barrier_.first) + " at " +
         emulation::NameOf(barrier_.site);
}

Record Engine::CurrentRecord() const {
  Record record;
  record.block = block_;
  record.thread = thread_;
  record.barrier = barriers_;
  record.warp = warps_[thread_ / kWarpLanes].epoch();
  return record;
}

bool Engine::Owns(const void* address) const {
  const auto within = [address](const void* start, size_t bytes) {
    return static_cast<size_t>(static_cast<const char*>(address) -
                               static_cast<const char*>(start)) < bytes;
  };
  return within(this, sizeof *this) ||
         within(kernel_->arguments.get(), kernel_->argument_bytes);
}

uint64_t Engine::CallWarp(const WarpCall& call, CallSite site) {
  const int index = thread_ / kWarpLanes;
  const int lane = thread_ % kWarpLanes;
  Warp& warp = warps_[index];
  std::string error;
  const uint32_t released = warp.Arrive(lane, call, site, error);
  if (!error.empty()) Fail(std::move(error));
  if (released != 0) {
    ++mutable_counters().warp_operations;
    ready_.Add(index, released);
  }
  Wait();
  return warp.result(lane);
}

int Engine::WaitAtBarrier(BarrierResult result, bool predicate, CallSite site) {
  if (barrier_.waiting == 0) {
    barrier_.site = site;
    barrier_.first = thread_;
    barrier_.count = 0;
  } else if (!(barrier_.site == site)) {
    Fail(DescribeDivergence(site));
  }
  barrier_.count += predicate;
  barrier_.lanes[thread_ / kWarpLanes] |= 1u << thread_ % kWarpLanes;
  if (++barrier_.waiting == threads_) ReleaseBarrier(result);
  Wait();
  return barrier_.result;
}

void Engine::ReleaseBarrier(BarrierResult result) {
  ++mutable_counters().barriers;
  ++barriers_;
  barrier_.result = barrier_.count;
  if (result == BarrierResult::kAnd) {
    barrier_.result = barrier_.count == threads_;
  } else if (result == BarrierResult::kOr) {
    barrier_.result = barrier_.count > 0;
  }
  barrier_.waiting = 0;
  for (int warp = 0; warp * kWarpLanes < threads_; ++warp) {
    ready_.Add(warp, std::exchange(barrier_.lanes[warp], 0));
  }
}

const void* Engine::Exchange(const void* in, size_t bytes, CallSite site) {
  if (bytes > kMaxExchangeBytes) {
    Fail("exchange of a warp: at most " + std::to_string(kMaxExchangeBytes) +
         " bytes a lane");
  }
  const int index = thread_ / kWarpLanes;
  const int half = warps_[index].exchanges() % 2;
  char* const buffer = exchanged_[index][half];
  std::memcpy(buffer + thread_ % kWarpLanes * bytes, in, bytes);
  CallWarp({WarpOperation::kExchange, ~0u}, site);
  return buffer;
}

void* Engine::StaticShared(SharedVariable& variable, size_t bytes,
                           size_t alignment, const char* name) {
  std::string error;
  void* const address = shared_.Static(variable, bytes, alignment, name, error);
  if (address == nullptr) Fail(std::move(error));
  return address;
}

void* Engine::DynamicShared() {
  if (shared_.Dynamic() == nullptr) {
    Fail("the kernel uses dynamic shared memory and was launched without");
  }
  return shared_.Dynamic();
}

}  // namespace switchyard::emulation
