// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The model `small` (examples/models/small) and its step: 16 sequences of 256
// in micro-batches of 2, on 2 ranks.
#ifndef SWITCHYARD_BENCH_SMALL_MODEL_H_
#define SWITCHYARD_BENCH_SMALL_MODEL_H_

#include <cstdint>

namespace switchyard::bench {

inline constexpr int kRanks = 2;
inline constexpr int kLayers = 4;
inline constexpr int kExperts = 8;
inline constexpr int64_t kHidden = 256;
inline constexpr int64_t kIntermediate = 512;
inline constexpr int64_t kVocabulary = 256;
inline constexpr int64_t kQuery = 256;
inline constexpr int64_t kKeyValue = 64;  // of keys, and again of values

inline constexpr int64_t kMicroBatchRows = 2 * 256;
inline constexpr int kMicroBatchesPerRank = 8 / kRanks;

// Rows of each expert in a micro-batch, top-2: 128 on average.
inline constexpr int64_t kExpertRows[kExperts] = {97,  141, 128, 160,
                                                  115, 133, 122, 128};

inline constexpr int64_t kExpertElements = 3 * kHidden * kIntermediate;
// Embedding, head and last norm; of each layer projections, router, two norms.
inline constexpr int64_t kDenseElements =
    2 * kVocabulary * kHidden + kHidden +
    kLayers * ((kQuery + 2 * kKeyValue) * kHidden + kHidden * kQuery +
               kExperts * kHidden + 2 * kHidden);

// Gradient elements that a rank holds, and that travel: experts of which every
// rank has its own do not.
inline int64_t HeldElements(int width) {
  return kDenseElements + kLayers * (kExperts / width) * kExpertElements;
}
inline int64_t TravellingElements(int width) {
  return width == kRanks ? kDenseElements : HeldElements(width);
}

}  // namespace switchyard::bench

#endif  // SWITCHYARD_BENCH_SMALL_MODEL_H_
