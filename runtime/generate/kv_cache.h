// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The keys and values of the positions that a generated token attends to. A
// position of a sequence takes
//
//   2 · layers · key/value heads · head_dim · bytes of an element
//
// so grouped queries make it smaller by exactly H/G (Ainslie et al.,
// 2305.13245). With a sliding window only the last W positions are kept:
// position s lies in entry s % capacity, capacity = min(W, max_length).
#ifndef SWITCHYARD_RUNTIME_GENERATE_KV_CACHE_H_
#define SWITCHYARD_RUNTIME_GENERATE_KV_CACHE_H_

#include <cstdint>

#include "switchyard/base/storage.h"
#include "switchyard/runtime/nn/model_config.h"

namespace switchyard {

struct KvCacheShape {
  int64_t sequences = 0;   // of this rank; 0: it holds none
  int64_t max_length = 0;  // positions of a sequence, at least 1
};

class KvCache {
 public:
  KvCache(Device& device, const ModelConfig& config, DType dtype,
          const KvCacheShape& shape);

  static int64_t BytesPerPosition(const ModelConfig& config, DType dtype);
  // Positions of a sequence that are kept at most.
  static int64_t Capacity(const ModelConfig& config, int64_t max_length);

  // What one layer reads and writes (kernels/cached_attention.h).
  struct Layer {
    TensorView keys, values;  // [sequences · kv_heads, capacity, head_dim]
    int64_t sequences = 0;
    int64_t length = 0;
  };
  Layer layer(int layer);

  // Positions that each sequence has so far, kept or not.
  int64_t length() const { return length_; }
  int64_t sequences() const { return shape_.sequences; }
  int64_t max_length() const { return shape_.max_length; }
  // When all layers have put them there.
  void Advance(int64_t positions);
  // Sequences begin again.
  void Clear() { length_ = 0; }

  // All memory that it took.
  int64_t byte_count() const {
    return static_cast<int64_t>(storage_.byte_count());
  }

 private:
  const KvCacheShape shape_;
  const DType dtype_;
  const Shape layer_shape_;  // of its keys, and of its values
  Storage storage_;
  int64_t length_ = 0;
};

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_GENERATE_KV_CACHE_H_
