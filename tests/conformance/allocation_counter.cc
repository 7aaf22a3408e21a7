// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/tests/conformance/allocation_counter.h"

#include <cstdlib>
#include <new>

namespace {
thread_local int64_t allocation_count = 0;
}  // namespace

void* operator new(size_t bytes) {
  ++allocation_count;
  void* data = std::malloc(bytes > 0 ? bytes : 1);
  if (data == nullptr) std::abort();
  return data;
}
// The library's calls the one above, a sanitizer's would not.
void* operator new(size_t bytes, const std::nothrow_t&) noexcept {
  return operator new(bytes);
}
void operator delete(void* data) noexcept { std::free(data); }
void operator delete(void* data, size_t) noexcept { std::free(data); }

namespace switchyard::comm {

int64_t AllocationCount() { return allocation_count; }

}  // namespace switchyard::comm
