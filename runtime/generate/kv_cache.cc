// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/generate/kv_cache.h"

#include <algorithm>

#include "switchyard/base/check.h"

namespace switchyard {

int64_t KvCache::BytesPerPosition(const ModelConfig& config, DType dtype) {
  return 2 * config.layers * config.kv_heads * config.head_dim *
         static_cast<int64_t>(SizeOf(dtype));
}

int64_t KvCache::Capacity(const ModelConfig& config, int64_t max_length) {
  const int64_t window = config.attention.window;
  return window > 0 ? std::min(window, max_length) : max_length;
}

KvCache::KvCache(Device& device, const ModelConfig& config, DType dtype,
                 const KvCacheShape& shape)
    : shape_(shape),
      dtype_(dtype),
      layer_shape_{shape.sequences * config.kv_heads,
                   Capacity(config, shape.max_length), config.head_dim},
      storage_(device, dtype,
               {2 * config.layers, layer_shape_.element_count()}) {}

KvCache::Layer KvCache::layer(int layer) {
  const size_t bytes =
      static_cast<size_t>(layer_shape_.element_count()) * SizeOf(dtype_);
  const size_t first = 2 * static_cast<size_t>(layer) * bytes;
  return {storage_.View(dtype_, layer_shape_, first),
          storage_.View(dtype_, layer_shape_, first + bytes), shape_.sequences,
          length_};
}

void KvCache::Advance(int64_t positions) {
  SWITCHYARD_CHECK(positions >= 0 && length_ + positions <= shape_.max_length)
      << length_ << " + " << positions << " of " << shape_.max_length;
  length_ += positions;
}

}  // namespace switchyard
