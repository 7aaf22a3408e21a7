// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "engine/fiber.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <boost/context/detail/fcontext.hpp>
#include <cstdio>
#include <cstdlib>
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

namespace switchyard::emulation {
namespace {

using boost::context::detail::fcontext_t;
using boost::context::detail::jump_fcontext;
using boost::context::detail::make_fcontext;
using boost::context::detail::transfer_t;

constexpr int kMostFibers = 1024;

// Tops of stacks that lie at equal places of their pages would share a few sets
// of the cache.
constexpr size_t kStagger = 128;
constexpr size_t kStaggers = 32;

void (*g_entry)() = nullptr;

// The first thing on arrival: who came here is where it was left.
void Arrive(transfer_t transfer, [[maybe_unused]] Fiber* self) {
  auto* const from = static_cast<Fiber*>(transfer.data);
  from->context = transfer.fctx;
#ifdef __SANITIZE_ADDRESS__
  // Also tells the stack of the thread that the first switch came from.
  __sanitizer_finish_switch_fiber(self ? self->fake_stack : nullptr,
                                  &from->stack_bottom, &from->stack_bytes);
#endif
}

void Enter(transfer_t transfer) {
  Arrive(transfer, nullptr);
  g_entry();
  std::abort();
}

}  // namespace

void SwitchFiber(Fiber& from, Fiber& to) {
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_start_switch_fiber(&from.fake_stack, to.stack_bottom,
                                 to.stack_bytes);
#endif
  Arrive(jump_fcontext(to.context, &from), &from);
}

void FiberPool::Release() {
  if (region_ != nullptr) munmap(region_, region_bytes_);
  region_ = nullptr;
  fibers_.clear();
}

void FiberPool::Reserve(int fibers, size_t stack_bytes, void (*entry)()) {
  if (fibers <= static_cast<int>(fibers_.size()) &&
      stack_bytes == stack_bytes_) {
    return;
  }
  Release();
  g_entry = entry;
  stack_bytes_ = stack_bytes;
  const int count = fibers <= 256 ? 256 : kMostFibers;
  const size_t page = sysconf(_SC_PAGESIZE);
  const size_t slot = stack_bytes + page;
  region_bytes_ = slot * count;
  void* const region = mmap(nullptr, region_bytes_, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (region == MAP_FAILED) {
    std::perror("emulation: stacks of device threads");
    std::abort();
  }
  region_ = static_cast<char*>(region);
  fibers_.resize(count);
  for (int i = 0; i < count; ++i) {
    mprotect(region_ + slot * i, page, PROT_NONE);
    fibers_[i].stack_bottom = region_ + slot * i + page;
    fibers_[i].stack_bytes = stack_bytes - i % kStaggers * kStagger;
  }
  Restart();
}

void FiberPool::Restart() {
  for (Fiber& fiber : fibers_) {
#ifdef __SANITIZE_ADDRESS__
    __asan_unpoison_memory_region(fiber.stack_bottom, fiber.stack_bytes);
#endif
    fiber.fake_stack = nullptr;
    const auto* const bottom = static_cast<const char*>(fiber.stack_bottom);
    fiber.context = make_fcontext(const_cast<char*>(bottom) + fiber.stack_bytes,
                                  fiber.stack_bytes, Enter);
  }
}

}  // namespace switchyard::emulation
