// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <limits>

#include "cuda_bf16.h"
#include "test_device.h"

namespace switchyard::emulation {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class RuntimeTest : public DeviceTest {};

TEST_F(RuntimeTest, CopiesMoveBytes) {
  int* const a = Upload(std::vector<int>{1, 2, 3, 4, 5, 6});
  int* const b = Allocate<int>(6);
  ASSERT_EQ(cudaMemcpyAsync(b, a, 24, cudaMemcpyDeviceToDevice, stream_),
            cudaSuccess);
  EXPECT_THAT(Download(b, 6), ElementsAre(1, 2, 3, 4, 5, 6));
  ASSERT_EQ(cudaMemcpy2DAsync(b, 12, a, 8, 8, 2, cudaMemcpyDefault, stream_),
            cudaSuccess);
  EXPECT_THAT(Download(b, 6), ElementsAre(1, 2, 3, 3, 4, 6));
  ASSERT_EQ(cudaMemset2DAsync(b, 12, 0, 4, 2, stream_), cudaSuccess);
  EXPECT_THAT(Download(b, 6), ElementsAre(0, 2, 3, 0, 4, 6));
}

TEST_F(RuntimeTest, FreshMemoryIsPoison) {
  EXPECT_THAT(Download(Allocate<int>(3), 3), Each(-1));
}

TEST_F(RuntimeTest, KindsMustBeTrue) {
  int* const device = Allocate<int>(4);
  int host[4] = {};
  int* pinned = nullptr;
  ASSERT_EQ(cudaHostAlloc(&pinned, 16, cudaHostAllocDefault), cudaSuccess);
  const auto copy = [this](void* to, const void* from, cudaMemcpyKind kind) {
    return cudaMemcpyAsync(to, from, 16, kind, stream_);
  };
  EXPECT_EQ(copy(device, pinned, cudaMemcpyHostToDevice), cudaSuccess);
  EXPECT_EQ(copy(pinned, device, cudaMemcpyDeviceToHost), cudaSuccess);
  EXPECT_EQ(copy(host, device, cudaMemcpyHostToDevice), cudaErrorInvalidValue);
  EXPECT_THAT(cudaGetErrorString(cudaErrorInvalidValue),
              HasSubstr("the destination is not memory of a device"));
  EXPECT_EQ(copy(device, host, cudaMemcpyDeviceToDevice),
            cudaErrorInvalidValue);
  EXPECT_EQ(copy(device, pinned, cudaMemcpyDeviceToHost),
            cudaErrorInvalidValue);
  EXPECT_EQ(cudaMemcpyAsync(device, host, 17, cudaMemcpyHostToDevice, stream_),
            cudaErrorInvalidValue);
  EXPECT_THAT(cudaGetErrorString(cudaErrorInvalidValue),
              HasSubstr("ends 1 bytes behind its allocation of 16"));
  EXPECT_EQ(cudaMemcpyAsync(pinned, device, 17, cudaMemcpyDefault, stream_),
            cudaErrorInvalidValue);
  EXPECT_EQ(cudaMemsetAsync(host, 0, 4, stream_), cudaErrorInvalidValue);
  EXPECT_EQ(copy(device, host, cudaMemcpyHostToDevice), cudaSuccess);
  EXPECT_EQ(cudaMemcpyAsync(device, host, 16, cudaMemcpyHostToDevice, nullptr),
            cudaErrorInvalidResourceHandle);
  EXPECT_EQ(cudaFreeHost(pinned), cudaSuccess);
  EXPECT_EQ(cudaFreeHost(device), cudaErrorInvalidValue);
  cudaGetLastError();
}

TEST_F(RuntimeTest, FreedMemoryIsGone) {
  void* address = nullptr;
  ASSERT_EQ(cudaMallocAsync(&address, 64, stream_), cudaSuccess);
  size_t free_before = 0;
  size_t free_after = 0;
  size_t total = 0;
  ASSERT_EQ(cudaMemGetInfo(&free_before, &total), cudaSuccess);
  ASSERT_EQ(cudaFreeAsync(address, stream_), cudaSuccess);
  ASSERT_EQ(cudaStreamSynchronize(stream_), cudaSuccess);
  ASSERT_EQ(cudaMemGetInfo(&free_after, &total), cudaSuccess);
  EXPECT_EQ(free_after, free_before + 64);
  EXPECT_EQ(cudaMemsetAsync(address, 0, 4, stream_), cudaErrorInvalidValue);
  EXPECT_EQ(cudaFreeAsync(address, stream_), cudaErrorInvalidValue);
  EXPECT_EQ(cudaFree(address), cudaErrorInvalidValue);
  cudaGetLastError();
}

TEST_F(RuntimeTest, MemoryEnds) {
  settings().memory_bytes = 1 << 20;
  void* address = &address;
  EXPECT_EQ(cudaMalloc(&address, (1 << 20) + 1), cudaErrorMemoryAllocation);
  EXPECT_EQ(address, nullptr);
  EXPECT_EQ(cudaGetLastError(), cudaErrorMemoryAllocation);
  EXPECT_EQ(cudaMalloc(&address, 0), cudaSuccess);
  EXPECT_EQ(address, nullptr);
}

TEST_F(RuntimeTest, HandlesBelongToDevices) {
  ASSERT_EQ(cudaSetDevice(1), cudaSuccess);
  int* const other = Allocate<int>(4);
  EXPECT_EQ(cudaMemsetAsync(other, 0, 4, stream_),
            cudaErrorInvalidResourceHandle);
  ASSERT_EQ(cudaSetDevice(0), cudaSuccess);
  EXPECT_EQ(cudaMemsetAsync(other, 0, 4, stream_), cudaErrorInvalidValue);
  EXPECT_THAT(cudaGetErrorString(cudaErrorInvalidValue),
              HasSubstr("memory of device 1, not of device 0"));
  EXPECT_EQ(cudaSetDevice(8), cudaErrorInvalidDevice);
  cudaGetLastError();
}

TEST_F(RuntimeTest, Events) {
  cudaEvent_t start = nullptr;
  cudaEvent_t end = nullptr;
  ASSERT_EQ(cudaEventCreate(&start), cudaSuccess);
  ASSERT_EQ(cudaEventCreateWithFlags(&end, cudaEventDisableTiming),
            cudaSuccess);
  ASSERT_EQ(cudaEventRecord(start, stream_), cudaSuccess);
  ASSERT_EQ(cudaStreamWaitEvent(stream_, start), cudaSuccess);
  ASSERT_EQ(cudaEventRecord(end, stream_), cudaSuccess);
  EXPECT_EQ(cudaEventSynchronize(end), cudaSuccess);
  EXPECT_EQ(cudaEventQuery(end), cudaSuccess);
  float milliseconds = -1;
  EXPECT_EQ(cudaEventElapsedTime(&milliseconds, start, end),
            cudaErrorInvalidResourceHandle);
  EXPECT_EQ(cudaEventElapsedTime(&milliseconds, start, start), cudaSuccess);
  EXPECT_EQ(milliseconds, 0);
  EXPECT_EQ(cudaEventDestroy(start), cudaSuccess);
  EXPECT_EQ(cudaEventDestroy(end), cudaSuccess);
  EXPECT_EQ(cudaEventDestroy(end), cudaErrorInvalidResourceHandle);
  cudaGetLastError();
}

#ifdef __SANITIZE_ADDRESS__
// AddressSanitizer knows the bounds of the device's memory, to the byte.
TEST_F(RuntimeTest, AddressSanitizerSeesBounds) {
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  const volatile char* const memory = Allocate<char>(13);
  EXPECT_EQ(memory[12], '\xff');
  EXPECT_DEATH((void)memory[13], "use-after-poison");
  EXPECT_DEATH((void)memory[-1], "use-after-poison");
}
#endif

TEST(Bfloat16, RoundsToNearestEven) {
  const auto bits = [](float value) {
    return __bfloat16_as_ushort(__float2bfloat16(value));
  };
  EXPECT_EQ(bits(1.0f), 0x3f80);
  EXPECT_EQ(bits(std::bit_cast<float>(0x3f808000u)), 0x3f80);
  EXPECT_EQ(bits(std::bit_cast<float>(0x3f808001u)), 0x3f81);
  EXPECT_EQ(bits(std::bit_cast<float>(0x3f818000u)), 0x3f82);
  EXPECT_EQ(bits(std::numeric_limits<float>::max()), 0x7f80);
  EXPECT_EQ(bits(-std::numeric_limits<float>::infinity()), 0xff80);
  EXPECT_EQ(bits(std::numeric_limits<float>::quiet_NaN()), 0x7fff);
  EXPECT_EQ(bits(std::bit_cast<float>(0xff800001u)), 0x7fff);
  EXPECT_EQ(__bfloat162float(__ushort_as_bfloat16(0xc040)), -3.0f);
}

TEST(Arithmetic, BitsAndConversions) {
  EXPECT_EQ(__brev(1u), 0x80000000u);
  EXPECT_EQ(__brev(0x12345678u), 0x1e6a2c48u);
  EXPECT_EQ(__byte_perm(0x03020100u, 0x07060504u, 0x5410), 0x05040100u);
  EXPECT_EQ(__byte_perm(0x00008000u, 0, 0x9999), 0xffffffffu);
  EXPECT_EQ(__funnelshift_l(0x80000000u, 1, 1), 3u);
  EXPECT_EQ(__funnelshift_r(1, 1, 1), 0x80000000u);
  EXPECT_EQ(__umulhi(0x80000000u, 6), 3u);
  EXPECT_EQ(__umul64hi(1ull << 63, 6), 3ull);
  EXPECT_EQ(__clz(0), 32);
  EXPECT_EQ(__ffs(8), 4);
  EXPECT_EQ(__float2int_rn(2.5f), 2);
  EXPECT_EQ(__float2int_rn(1e20f), 2147483647);
  EXPECT_EQ(__float2int_rn(NAN), 0);
  EXPECT_EQ(__double2ll_rn(-3.5), -4);
  EXPECT_EQ(__double2ll_rn(NAN), std::numeric_limits<long long>::min());
  EXPECT_EQ(max(1.0f, static_cast<float>(NAN)), 1.0f);
}

}  // namespace
}  // namespace switchyard::emulation
