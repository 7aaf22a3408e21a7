// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Instructions of tensor cores and of copies into shared memory, each with a
// second body by its documented lane layout, for the emulation. With g = lane /
// 4 and t = lane % 4, a register holds two bf16 that are neighbours in a row
// (the left one in the low half):
//
//   A, 16 x 16:  a[0] (g, 2t)  a[1] (g + 8, 2t)  a[2] (g, 2t + 8)
//                a[3] (g + 8, 2t + 8)
//   B, 16 x 8:   b0 (2t and 2t + 1, g)  b1 (2t + 8 and 2t + 9, g)
//   sums, 16 x 8, fp32:  d[0], d[1] (g, 2t and 2t + 1)
//                        d[2], d[3] (g + 8, 2t and 2t + 1)
#ifndef SWITCHYARD_KERNELS_CUDA_MMA_OPS_CUH_
#define SWITCHYARD_KERNELS_CUDA_MMA_OPS_CUH_

#include <cstdint>
#include <cstring>

#include "switchyard/kernels/cuda/elements.cuh"

namespace switchyard::kernels::cuda {

#ifdef __CUDACC__

__device__ __forceinline__ uint32_t SharedAddress(const void* shared) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(shared));
}

// sums += A · B.
__device__ __forceinline__ void MultiplyAdd(float (&d)[4],
                                            const uint32_t (&a)[4], uint32_t b0,
                                            uint32_t b1) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};\n"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

// Four matrices of 8 x 8 from shared memory. Lane 8 i + r gives the address, a
// multiple of 16 bytes, of row r of matrix i; m[i] is its (g, 2t) and (g, 2t +
// 1).
__device__ __forceinline__ void LoadMatrices(uint32_t (&m)[4],
                                             const BFloat* row) {
  asm volatile(
      "ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];\n"
      : "=r"(m[0]), "=r"(m[1]), "=r"(m[2]), "=r"(m[3])
      : "r"(SharedAddress(row))
      : "memory");
}

// Likewise; m[i] is (2t, g) and (2t + 1, g).
__device__ __forceinline__ void LoadTransposed(uint32_t (&m)[4],
                                               const BFloat* row) {
  asm volatile(
      "ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, "
      "[%4];\n"
      : "=r"(m[0]), "=r"(m[1]), "=r"(m[2]), "=r"(m[3])
      : "r"(SharedAddress(row))
      : "memory");
}

// Begins a copy of 16 bytes to shared memory; both at multiples of 16. Zeros if
// not `there`; then `from` is not read.
__device__ __forceinline__ void CopyAsync(void* to, const void* from,
                                          bool there) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;\n" ::"r"(
                   SharedAddress(to)),
               "l"(__cvta_generic_to_global(from)), "r"(there ? 16 : 0)
               : "memory");
}

// Copies that this thread began since the last call are a group.
__device__ __forceinline__ void CommitCopies() {
  asm volatile("cp.async.commit_group;\n" ::: "memory");
}

// Until the last kPending groups of this thread, at most, are under way. Others
// see the bytes behind the next barrier.
template <int kPending>
__device__ __forceinline__ void WaitForCopies() {
  asm volatile("cp.async.wait_group %0;\n" ::"n"(kPending) : "memory");
}

#else  // emulated

using CallSite = ::switchyard::emulation::CallSite;

inline void CheckMultipleOf16(const void* address) {
  if (reinterpret_cast<uintptr_t>(address) % 16 != 0) {
    ::switchyard::emulation::FailKernel("an address that 16 does not divide");
  }
}

// The two bf16 of a register.
__attribute__((no_sanitize("thread"))) inline void Unpack(uint32_t pair,
                                                          float* to) {
  const uint32_t words[2] = {pair << 16, pair & 0xffff0000u};
  std::memcpy(to, words, sizeof(words));
}

struct OperandRegisters {
  uint32_t a[4], b[2];
};

// One lane's sums of the products of all lanes' registers, which are no memory
// of the device: its accesses are not reported.
__attribute__((no_sanitize("thread"))) inline void AddLaneProducts(
    float* d, const OperandRegisters* lanes, int lane) {
  const int g = lane / 4, t = lane % 4;
  float rows[2][16], columns[2][16];
  for (int pair = 0; pair < 8; ++pair) {
    const int right = pair / 4;
    for (int i = 0; i < 2; ++i) {
      Unpack(lanes[4 * g + pair % 4].a[2 * right + i], &rows[i][2 * pair]);
      Unpack(lanes[4 * (2 * t + i) + pair % 4].b[right], &columns[i][2 * pair]);
    }
  }
  for (int i = 0; i < 4; ++i) {
    for (int k = 0; k < 16; ++k) d[i] += rows[i / 2][k] * columns[i % 2][k];
  }
}

inline void MultiplyAdd(float (&d)[4], const uint32_t (&a)[4], uint32_t b0,
                        uint32_t b1, CallSite site = CallSite::Here()) {
  const OperandRegisters own = {{a[0], a[1], a[2], a[3]}, {b0, b1}};
  const void* lanes =
      ::switchyard::emulation::WarpExchange(&own, sizeof(own), site);
  AddLaneProducts(d, static_cast<const OperandRegisters*>(lanes),
                  ::switchyard::emulation::LaneIndex());
}

// The rows' addresses of all lanes.
inline const BFloat* const* ExchangeRows(const BFloat* row, CallSite site) {
  CheckMultipleOf16(row);
  return static_cast<const BFloat* const*>(
      ::switchyard::emulation::WarpExchange(&row, sizeof(row), site));
}

inline uint32_t Pack(BFloat low, BFloat high) {
  return __bfloat16_as_ushort(low) |
         static_cast<uint32_t>(__bfloat16_as_ushort(high)) << 16;
}

inline void LoadMatrices(uint32_t (&m)[4], const BFloat* row,
                         CallSite site = CallSite::Here()) {
  const BFloat* const* rows = ExchangeRows(row, site);
  const int lane = ::switchyard::emulation::LaneIndex();
  for (int i = 0; i < 4; ++i) {
    const BFloat* from = rows[8 * i + lane / 4] + lane % 4 * 2;
    m[i] = Pack(from[0], from[1]);
  }
}

inline void LoadTransposed(uint32_t (&m)[4], const BFloat* row,
                           CallSite site = CallSite::Here()) {
  const BFloat* const* rows = ExchangeRows(row, site);
  const int lane = ::switchyard::emulation::LaneIndex();
  for (int i = 0; i < 4; ++i) {
    const BFloat* const* upper = rows + 8 * i + lane % 4 * 2;
    m[i] = Pack(upper[0][lane / 4], upper[1][lane / 4]);
  }
}

inline void CopyAsync(void* to, const void* from, bool there,
                      CallSite site = CallSite::Here()) {
  CheckMultipleOf16(to);
  CheckMultipleOf16(from);
  ::switchyard::emulation::AsyncCopy(to, from, 16, there ? 16 : 0, site);
}

inline void CommitCopies() { ::switchyard::emulation::AsyncCommit(); }

template <int kPending>
inline void WaitForCopies() {
  ::switchyard::emulation::AsyncWait(kPending);
}

#endif  // __CUDACC__

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_MMA_OPS_CUH_
