// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Shapes and layouts that attention is held against doubles with.
#ifndef SWITCHYARD_TESTS_UNIT_KERNELS_ATTENTION_CASES_H_
#define SWITCHYARD_TESTS_UNIT_KERNELS_ATTENTION_CASES_H_

#include <algorithm>
#include <iterator>
#include <vector>

#include "switchyard/base/dtype.h"
#include "switchyard/tests/support/any_device.h"
#include "switchyard/tests/support/test_tensor.h"
#include "switchyard/tests/unit/kernels/attention_oracle.h"

namespace switchyard::kernels {

// Lengths around the tiles of 48 queries and 96 keys and the blocks of 6.
inline const AttentionCase kAttentionCases[] = {
    {0, 5, 2, 1, 8},
    {3, 1, 2, 2, 8},
    {2, 5, 3, 1, 16},
    {2, 31, 4, 2, 32},
    {1, 32, 4, 4, 40},
    {3, 33, 2, 1, 24},
    {1, 47, 2, 1, 64},
    {2, 48, 2, 2, 8},
    {1, 49, 3, 3, 32},
    {1, 96, 2, 1, 128},
    {2, 97, 4, 2, 32},
    {1, 150, 2, 1, 12},
    {1, 256, 8, 2, 32},
    {1, 385, 2, 1, 16},
    {1, 1000, 2, 1, 32},
    {1, 1153, 1, 1, 8},
    // head_dim between the widths of vectors, and of one element.
    {1, 50, 2, 1, 10},
    {2, 97, 4, 2, 33},
    {1, 49, 2, 2, 1},
    {1, 100, 2, 1, 80},
    // Windows around blocks, tiles, and the whole sequence.
    {2, 5, 3, 1, 16, 1},
    {2, 97, 4, 2, 32, 2},
    {1, 150, 2, 2, 12, 6},
    {2, 200, 4, 2, 16, 47},
    {1, 201, 3, 1, 24, 48},
    {1, 300, 2, 1, 33, 63},
    {1, 300, 4, 2, 8, 64},
    {2, 299, 2, 2, 40, 65},
    {1, 385, 4, 1, 16, 95},
    {1, 385, 2, 1, 16, 96},
    {1, 391, 2, 1, 16, 97},
    {1, 1153, 1, 1, 8, 1},
    {1, 1153, 2, 1, 8, 145},
    {1, 1000, 2, 1, 32, 500},
    {2, 130, 2, 1, 16, 129},
    {2, 130, 2, 1, 16, 130},
    {2, 130, 2, 1, 16, 131},
    // Heads that tensor cores take, and their groups across tiles of 64.
    {1, 31, 5, 1, 64},
    {1, 64, 3, 3, 128},
    {1, 65, 6, 2, 64},
    {2, 130, 3, 1, 128},
    {1, 257, 2, 1, 64},
    {1, 150, 5, 1, 64, 40},
    {1, 200, 2, 2, 128, 65},
    {1, 129, 4, 1, 32, 64},
    // The widest heads of a GPU.
    {1, 70, 3, 1, 130},
    {1, 33, 2, 2, 256, 9},
};

// An emulated GPU is slow. There one layout is enough, because
// BitsDoNotDependOnWhereOperandsLie, and so are the lengths that its tiles of
// 32 and 64 divide or not.
inline std::vector<testing::Layout> AttentionLayouts(DType dtype) {
  const testing::Layout gaps = testing::Layout::Strided(7, 1);
  if (!testing::TestsCuda()) return {testing::Layout(), gaps};
  return {dtype == DType::kBFloat16 ? testing::Layout() : gaps};
}
inline std::vector<AttentionCase> AttentionCases() {
  std::vector<AttentionCase> cases;
  std::copy_if(std::begin(kAttentionCases), std::end(kAttentionCases),
               std::back_inserter(cases), [](const AttentionCase& c) {
                 return !testing::TestsCuda() || c.length <= 1000;
               });
  return cases;
}

}  // namespace switchyard::kernels

#endif  // SWITCHYARD_TESTS_UNIT_KERNELS_ATTENTION_CASES_H_
