// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/base/arena.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "gtest/gtest.h"
#include "switchyard/base/cpu/cpu_device.h"

namespace switchyard {
namespace {

void Fill(const TensorView& view, uint8_t value) {
  std::memset(view.raw(), value, view.byte_count());
}

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

TEST(ArenaTest, TakesNothingBeforeTheFirstUse) {
  CpuDevice device;
  const Arena arena(device, 1024);
  EXPECT_EQ(arena.reserved_bytes(), 0u);
  EXPECT_EQ(arena.growth_count(), 0);
}

// Each block is at least as large as all before it, and as what is asked.
TEST(ArenaTest, GrowsByDoublingOrByWhatIsAsked) {
  CpuDevice device;
  Arena arena(device, 256);
  ArenaScope scope(arena);
  arena.Allocate(DType::kUInt8, {256});
  EXPECT_EQ(arena.reserved_bytes(), 256u);
  arena.Allocate(DType::kUInt8, {1});
  EXPECT_EQ(arena.reserved_bytes(), 512u);
  arena.Allocate(DType::kFloat64, {1000});
  EXPECT_EQ(arena.reserved_bytes(), 512u + 8000u);
  EXPECT_EQ(arena.growth_count(), 3);
  EXPECT_EQ(arena.used_bytes(), 256u + 64u + 8000u);
}

TEST(ArenaTest, WhatIsAliveNeverOverlapsAcrossBlocksAndScopes) {
  CpuDevice device;
  Arena arena(device, 256);
  ArenaScope outer(arena);
  std::vector<TensorView> views;
  for (int i = 0; i < 20; ++i) {
    {
      ArenaScope inner(arena);
      Fill(arena.Allocate(DType::kUInt8, {300}), 255);
    }
    views.push_back(arena.Allocate(DType::kUInt8, {40 + 7 * i}));
    Fill(views.back(), i);
  }
  for (int i = 0; i < 20; ++i) {
    const uint8_t* bytes = views[i].data<uint8_t>();
    const auto count = views[i].element_count();
    EXPECT_EQ(std::count(bytes, bytes + count, i), count) << i;
  }
}

TEST(ArenaTest, AnInnerScopeGivesBackItsOwnOnly) {
  CpuDevice device;
  Arena arena(device, 1024);
  ArenaScope outer(arena);
  arena.Allocate(DType::kUInt8, {64});
  const void* next = nullptr;
  {
    ArenaScope inner(arena);
    next = arena.Allocate(DType::kUInt8, {64}).raw();
    EXPECT_EQ(arena.used_bytes(), 128u);
  }
  EXPECT_EQ(arena.used_bytes(), 64u);
  EXPECT_EQ(arena.Allocate(DType::kUInt8, {64}).raw(), next);
  EXPECT_EQ(arena.peak_bytes(), 128u);
}

TEST(ArenaTest, JoiningBlocksTakesMemoryAndIsCounted) {
  CpuDevice device;
  Arena arena(device, 256);
  const auto use = [&arena] {
    ArenaScope scope(arena);
    for (int i = 0; i < 3; ++i) arena.Allocate(DType::kUInt8, {256});
  };
  use();
  EXPECT_EQ(arena.growth_count(), 3);
  const size_t reserved = arena.reserved_bytes();
  arena.Compact();
  EXPECT_EQ(arena.growth_count(), 4);
  EXPECT_EQ(arena.reserved_bytes(), reserved);
  use();
  arena.Compact();
  EXPECT_EQ(arena.growth_count(), 4) << "one block is joined with nothing";
}

TEST(ArenaTest, EmptyTensorsHaveAShape) {
  CpuDevice device;
  Arena arena(device, 256);
  ArenaScope scope(arena);
  const TensorView view = arena.Allocate(DType::kFloat32, {0, 5});
  EXPECT_EQ(view.shape(), (Shape{0, 5}));
  EXPECT_EQ(arena.used_bytes(), 0u);
}

TEST(ArenaDeathTest, JoiningBlocksInUseIsABug) {
  CpuDevice device;
  Arena arena(device, 256);
  ArenaScope scope(arena);
  arena.Allocate(DType::kUInt8, {1});
  EXPECT_DEATH(arena.Compact(), "64 bytes are in use");
}

}  // namespace
}  // namespace switchyard
