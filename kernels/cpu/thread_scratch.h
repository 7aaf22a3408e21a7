// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Working memory of an operator: one buffer for each thread and purpose, which
// grows to the largest size asked for and is kept, so that a step that needs no
// more than an earlier one allocates nothing.
#ifndef SWITCHYARD_KERNELS_CPU_THREAD_SCRATCH_H_
#define SWITCHYARD_KERNELS_CPU_THREAD_SCRATCH_H_

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "switchyard/base/out_of_memory.h"

namespace switchyard::kernels::cpu {

namespace internal {

class GrownBuffer {
 public:
  GrownBuffer() = default;
  ~GrownBuffer() { std::free(data_); }
  GrownBuffer(const GrownBuffer&) = delete;
  GrownBuffer& operator=(const GrownBuffer&) = delete;

  void* AtLeast(size_t bytes) {
    if (bytes > byte_count_ || data_ == nullptr) Grow(bytes);
    return data_;
  }

 private:
  void Grow(size_t bytes) {
    constexpr size_t kAlignment = 64;
    std::free(data_);
    byte_count_ = (bytes / kAlignment + 1) * kAlignment;
    data_ = std::aligned_alloc(kAlignment, byte_count_);
    if (data_ == nullptr) EndOutOfMemory(byte_count_);
  }

  void* data_ = nullptr;
  size_t byte_count_ = 0;
};

}  // namespace internal

// This thread's `count` elements for `Purpose` (any type, one for each use), at
// a multiple of 64 bytes. Contents are undefined; valid until the same thread
// asks again for the same purpose.
template <typename Purpose, typename T>
T* ThreadScratch(int64_t count) {
  thread_local internal::GrownBuffer buffer;
  return static_cast<T*>(
      buffer.AtLeast(static_cast<size_t>(count) * sizeof(T)));
}

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_THREAD_SCRATCH_H_
