// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// What device code calls, passed on to the engine.
#include <string>

#include "emulation/device_thread.h"
#include "emulation/memory_operations.h"
#include "engine/engine.h"

namespace switchyard::emulation {

uint64_t CallWarp(const WarpCall& call, CallSite site) {
  return Engine::Get().CallWarp(call, site);
}

int WaitAtBarrier(BarrierResult result, bool predicate, CallSite site) {
  return Engine::Get().WaitAtBarrier(result, predicate, site);
}

const void* WarpExchange(const void* in, size_t bytes, CallSite site) {
  return Engine::Get().Exchange(in, bytes, site);
}

int LinearThread() { return Engine::Get().thread(); }

void FailKernel(const char* text) { Engine::Get().Fail(text); }

void* StaticShared(SharedVariable& variable, size_t bytes, size_t alignment,
                   const char* name) {
  return Engine::Get().StaticShared(variable, bytes, alignment, name);
}

void* DynamicShared() { return Engine::Get().DynamicShared(); }

void AsyncCopy(void* destination, const void* source, size_t bytes,
               size_t source_bytes, CallSite site) {
  Engine& engine = Engine::Get();
  const auto alignment = [bytes](const void* address) {
    return reinterpret_cast<uintptr_t>(address) % bytes;
  };
  if (bytes != 4 && bytes != 8 && bytes != 16) {
    engine.Fail("asynchronous copy of " + std::to_string(bytes) + " bytes at " +
                NameOf(site) + "; 4, 8 or 16 can be copied");
  }
  if (alignment(destination) != 0 || alignment(source) != 0) {
    engine.Fail("asynchronous copy of " + std::to_string(bytes) +
                " bytes from or to an address that is not aligned to them, "
                "at " +
                NameOf(site));
  }
  engine.async_copies().Begin(
      engine.thread(),
      {destination, source, bytes, std::min(source_bytes, bytes), 0},
      __builtin_return_address(0));
}

void AsyncCommit() {
  Engine& engine = Engine::Get();
  engine.async_copies().Commit(engine.thread());
}

void AsyncWait(int pending) {
  Engine& engine = Engine::Get();
  engine.async_copies().Wait(engine.thread(), pending,
                             __builtin_return_address(0));
}

}  // namespace switchyard::emulation
