// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Stacks of device threads and switches between them.
#ifndef SWITCHYARD_TESTS_EMULATION_ENGINE_FIBER_H_
#define SWITCHYARD_TESTS_EMULATION_ENGINE_FIBER_H_

#include <cstddef>
#include <vector>

namespace switchyard::emulation {

struct Fiber {
  void* context = nullptr;  // Boost's, while it does not run
  // For AddressSanitizer: the stack, and its frames that live elsewhere.
  const void* stack_bottom = nullptr;
  size_t stack_bytes = 0;
  void* fake_stack = nullptr;
};

// Runs `to` until something switches back to `from`. A fiber that runs for the
// first time begins in its entry function.
void SwitchFiber(Fiber& from, Fiber& to);

// As many fibers as a block has threads, kept from launch to launch. Below each
// stack is a page that cannot be touched.
class FiberPool {
 public:
  FiberPool() = default;
  FiberPool(const FiberPool&) = delete;
  FiberPool& operator=(const FiberPool&) = delete;
  ~FiberPool() { Release(); }

  // `entry` never returns; it takes no argument and switches away instead.
  void Reserve(int fibers, size_t stack_bytes, void (*entry)());
  // Forgets what the fibers were doing: each starts at its entry again.
  void Restart();
  Fiber& operator[](int i) { return fibers_[i]; }
  // Whether the address lies on one of the stacks.
  bool Contains(const void* address) const {
    return static_cast<size_t>(static_cast<const char*>(address) - region_) <
           region_bytes_;
  }

 private:
  void Release();

  std::vector<Fiber> fibers_;
  char* region_ = nullptr;
  size_t region_bytes_ = 0;
  size_t stack_bytes_ = 0;
};

}  // namespace switchyard::emulation

#endif  // SWITCHYARD_TESTS_EMULATION_ENGINE_FIBER_H_
