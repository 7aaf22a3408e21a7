// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/generate/kv_cache.h"

#include <cstdint>

#include "gtest/gtest.h"
#include "switchyard/base/cpu/cpu_device.h"
#include "switchyard/tests/support/layout_run.h"

namespace switchyard::testing {
namespace {

// Counts what is taken from it.
class CountingDevice : public CpuDevice {
 public:
  void* Allocate(size_t byte_count) override {
    bytes += static_cast<int64_t>(byte_count);
    return CpuDevice::Allocate(byte_count);
  }
  int64_t bytes = 0;
};

struct Case {
  int64_t layers, heads, kv_heads, head_dim;
  DType dtype;
  int64_t expected;  // bytes of a token: 2 · layers · G · head_dim · bytes
};

// Invariant A10.
TEST(KvCacheTest, TakesExactlyTheBytesOfTheFormula) {
  for (const Case& c : {
           Case{32, 32, 32, 128, DType::kBFloat16, 524288},  // multi-head
           Case{32, 32, 8, 128, DType::kBFloat16, 131072},   // Mixtral 8x7B
           Case{32, 32, 1, 128, DType::kBFloat16, 16384},    // multi-query
           Case{3, 8, 8, 12, DType::kFloat32, 2304},
           Case{3, 8, 2, 12, DType::kFloat32, 576},
           Case{3, 8, 1, 12, DType::kFloat32, 288},
       }) {
    ModelConfig model = SmallRun().model;
    model.layers = c.layers;
    model.heads = c.heads;
    model.kv_heads = c.kv_heads;
    model.head_dim = c.head_dim;
    EXPECT_EQ(KvCache::BytesPerPosition(model, c.dtype), c.expected);
    for (const int64_t sequences : {0, 1, 3}) {
      CountingDevice device;
      KvCache cache(device, model, c.dtype, {sequences, 10});
      EXPECT_EQ(device.bytes, c.expected * sequences * 10);
      EXPECT_EQ(cache.byte_count(), device.bytes);
    }
    // What a window does not see is not kept.
    model.attention.window = 4;
    CountingDevice device;
    const KvCache rolling(device, model, c.dtype, {2, 10});
    EXPECT_EQ(device.bytes, c.expected * 2 * 4);
    const KvCache shorter(device, model, c.dtype, {2, 3});
    EXPECT_EQ(device.bytes, c.expected * 2 * (4 + 3));
  }
}

TEST(KvCacheTest, LayersShareNothing) {
  ModelConfig model = SmallRun().model;
  CpuDevice device;
  KvCache cache(device, model, DType::kFloat32, {2, 5});
  const Shape shape = {2 * model.kv_heads, 5, model.head_dim};
  const char* end = nullptr;
  for (int layer = 0; layer < model.layers; ++layer) {
    const KvCache::Layer views = cache.layer(layer);
    for (const TensorView& view : {views.keys, views.values}) {
      EXPECT_EQ(view.shape(), shape);
      const char* begin = static_cast<const char*>(view.raw());
      if (end != nullptr) {
        EXPECT_EQ(begin, end);
      }
      end = begin + view.byte_count();
    }
  }
  cache.Advance(3);
  EXPECT_EQ(cache.layer(0).length, 3);
  cache.Clear();
  EXPECT_EQ(cache.layer(1).length, 0);
}

TEST(KvCacheDeathTest, NothingFollowsTheLastPosition) {
  CpuDevice device;
  KvCache cache(device, SmallRun().model, DType::kFloat32, {1, 5});
  cache.Advance(4);
  EXPECT_DEATH(cache.Advance(2), "4 \\+ 2 of 5");
}

}  // namespace
}  // namespace switchyard::testing
