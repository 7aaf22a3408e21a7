// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Our wrapper adds no allocation to those that oneDNN makes at every execution.
// Allocation functions are replaced below.
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "gtest/gtest.h"
#include "oneapi/dnnl/dnnl.hpp"
#include "switchyard/kernels/cpu/onednn_product.h"

extern "C" {
void* __libc_malloc(size_t bytes);
void* __libc_calloc(size_t count, size_t bytes);
void* __libc_memalign(size_t alignment, size_t bytes);
}

namespace {
std::atomic<int64_t> allocations{0};
}  // namespace

extern "C" {
void* malloc(size_t bytes) {
  ++allocations;
  return __libc_malloc(bytes);
}
void* calloc(size_t count, size_t bytes) {
  ++allocations;
  return __libc_calloc(count, bytes);
}
void* aligned_alloc(size_t alignment, size_t bytes) {
  ++allocations;
  return __libc_memalign(alignment, bytes);
}
int posix_memalign(void** data, size_t alignment, size_t bytes) {
  ++allocations;
  *data = __libc_memalign(alignment, bytes);
  return *data == nullptr ? 12 : 0;
}
}

namespace switchyard::kernels::cpu {
namespace {

constexpr int64_t kSize = 64;

// Of ten calls, after a few.
template <typename Call>
int64_t AllocationsOf(const Call& call) {
  for (int i = 0; i < 3; ++i) call();
  const int64_t before = allocations;
  for (int i = 0; i < 10; ++i) call();
  return allocations - before;
}

TEST(OneDnnAllocationTest, OnlyOneDnnAllocates) {
  const std::vector<float> a(kSize * kSize, 1), b(kSize * kSize, 2);
  std::vector<float> c(kSize * kSize), other(kSize * kSize);
  const OneDnnShape shape = {kSize,           kSize, kSize,
                             DType::kFloat32, false, false};
  const int64_t ours = AllocationsOf(
      [&] { OneDnnProduct(shape, a.data(), b.data(), c.data()); });

  using dnnl::memory;
  const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  const dnnl::stream stream(engine);
  const memory::desc square({kSize, kSize}, memory::data_type::f32,
                            memory::format_tag::ab);
#if DNNL_VERSION_MAJOR >= 3
  const dnnl::matmul product(
      dnnl::matmul::primitive_desc(engine, square, square, square));
#else
  const dnnl::matmul product(dnnl::matmul::primitive_desc(
      dnnl::matmul::desc(square, square, square), engine));
#endif
  const memory from_a(square, engine, const_cast<float*>(a.data()));
  const memory from_b(square, engine, const_cast<float*>(b.data()));
  const memory to(square, engine, other.data());
  const dnnl_exec_arg_t arguments[] = {{DNNL_ARG_SRC, from_a.get()},
                                       {DNNL_ARG_WEIGHTS, from_b.get()},
                                       {DNNL_ARG_DST, to.get()}};
  const int64_t least = AllocationsOf([&] {
    dnnl_primitive_execute(product.get(), stream.get(), 3, arguments);
  });
  EXPECT_EQ(c, other);
  // One argument more, the scratchpad, may cost one.
  EXPECT_LE(ours, least + 10);
}

}  // namespace
}  // namespace switchyard::kernels::cpu
