// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/tests/multi_rank/allocation_counter.h"

#include <dlfcn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>

#include "oneapi/dnnl/dnnl.h"

extern "C" {
void* __libc_malloc(size_t bytes);
void* __libc_calloc(size_t count, size_t bytes);
void* __libc_realloc(void* data, size_t bytes);
void* __libc_memalign(size_t alignment, size_t bytes);
}

namespace {

std::atomic<bool> counting{false};
std::atomic<int64_t> allocations{0};
thread_local bool in_onednn = false;

void Count() {
  if (counting.load(std::memory_order_relaxed) && !in_onednn) ++allocations;
}

// Looked up before anything is counted.
const auto execute_of_onednn =
    reinterpret_cast<decltype(&dnnl_primitive_execute)>(
        dlsym(RTLD_NEXT, "dnnl_primitive_execute"));

}  // namespace

extern "C" {
void* malloc(size_t bytes) {
  Count();
  return __libc_malloc(bytes);
}
void* calloc(size_t count, size_t bytes) {
  Count();
  return __libc_calloc(count, bytes);
}
void* realloc(void* data, size_t bytes) {
  Count();
  return __libc_realloc(data, bytes);
}
void* aligned_alloc(size_t alignment, size_t bytes) {
  Count();
  return __libc_memalign(alignment, bytes);
}
int posix_memalign(void** data, size_t alignment, size_t bytes) {
  Count();
  *data = __libc_memalign(alignment, bytes);
  return *data == nullptr ? 12 : 0;
}
void* mmap(void* address, size_t bytes, int protection, int flags, int file,
           off_t offset) noexcept {
  Count();
  return reinterpret_cast<void*>(
      syscall(SYS_mmap, address, bytes, protection, flags, file, offset));
}
void* mmap64(void* address, size_t bytes, int protection, int flags, int file,
             off64_t offset) noexcept {
  return mmap(address, bytes, protection, flags, file, offset);
}
dnnl_status_t dnnl_primitive_execute(const_dnnl_primitive_t primitive,
                                     dnnl_stream_t stream, int count,
                                     const dnnl_exec_arg_t* arguments) {
  in_onednn = true;
  const dnnl_status_t status =
      execute_of_onednn(primitive, stream, count, arguments);
  in_onednn = false;
  return status;
}
}

namespace switchyard::testing {

void StartCounting() {
  allocations = 0;
  counting = true;
}

int64_t StopCounting() {
  counting = false;
  return allocations;
}

}  // namespace switchyard::testing
