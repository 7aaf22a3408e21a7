// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/base/arena.h"

#include <cstdint>

#include "gtest/gtest.h"
#include "switchyard/base/cpu/cpu_device.h"

namespace switchyard {
namespace {

TEST(ArenaTest, ReturnsMemoryWithTheScopeAndReusesIt) {
  CpuDevice device;
  Arena arena(device, 1024);
  const void* first = nullptr;
  {
    ArenaScope scope(arena);
    first = arena.Allocate(DType::kFloat32, {10}).raw();
    EXPECT_EQ(arena.used_bytes(), 64u);
  }
  EXPECT_EQ(arena.used_bytes(), 0u);
  ArenaScope scope(arena);
  EXPECT_EQ(arena.Allocate(DType::kFloat32, {10}).raw(), first);
}

TEST(ArenaTest, GrowsOnceForTheSameDemandAndAlignsEverything) {
  CpuDevice device;
  Arena arena(device, 256);
  for (int step = 0; step < 3; ++step) {
    {
      ArenaScope scope(arena);
      for (int i = 0; i < 5; ++i) {
        TensorView view = arena.Allocate(DType::kUInt8, {100 + i});
        EXPECT_EQ(reinterpret_cast<uintptr_t>(view.raw()) % 64, 0u);
      }
    }
    arena.Compact();
  }
  const int growth_count = arena.growth_count();
  const size_t reserved = arena.reserved_bytes();
  ArenaScope scope(arena);
  for (int i = 0; i < 5; ++i) arena.Allocate(DType::kUInt8, {100 + i});
  EXPECT_EQ(arena.growth_count(), growth_count);
  EXPECT_EQ(arena.reserved_bytes(), reserved);
  EXPECT_EQ(arena.peak_bytes(), 5u * 128u);
}

}  // namespace
}  // namespace switchyard
