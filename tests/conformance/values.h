// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Inputs in closed form whose sums are exact in every dtype that can be
// reduced: integers below 2^24 in absolute value.
#ifndef SWITCHYARD_TESTS_CONFORMANCE_VALUES_H_
#define SWITCHYARD_TESTS_CONFORMANCE_VALUES_H_

#include <algorithm>
#include <cstdint>
#include <vector>

#include "switchyard/base/dtype.h"
#include "switchyard/comm/communicator.h"

namespace switchyard::comm {

// Element i of rank r's input; negative for odd i.
inline int64_t InputAt(int rank, int64_t i) {
  const int64_t value = (rank + 1) * (i % 89 + 1) + rank * rank;
  return i % 2 == 0 ? value : -value;
}

inline int64_t ReducedAt(ReduceOp op, int ranks, int64_t i) {
  int64_t result = InputAt(0, i);
  for (int r = 1; r < ranks; ++r) {
    const int64_t x = InputAt(r, i);
    if (op == ReduceOp::kSum) result += x;
    if (op == ReduceOp::kMin) result = std::min(result, x);
    if (op == ReduceOp::kMax) result = std::max(result, x);
  }
  return result;
}

template <typename T>
T Cast(int64_t value) {
  return static_cast<T>(value);
}
template <>
inline BFloat16 Cast<BFloat16>(int64_t value) {
  return BFloat16{static_cast<uint16_t>(value)};
}

template <typename T>
std::vector<T> Input(int rank, int64_t begin, int64_t end) {
  std::vector<T> values;
  for (int64_t i = begin; i < end; ++i) {
    values.push_back(Cast<T>(InputAt(rank, i)));
  }
  return values;
}

template <typename T>
std::vector<T> Reduced(ReduceOp op, int ranks, int64_t begin, int64_t end) {
  std::vector<T> values;
  for (int64_t i = begin; i < end; ++i) {
    values.push_back(Cast<T>(ReducedAt(op, ranks, i)));
  }
  return values;
}

// Ways to divide a buffer among ranks: even; none at all; uneven with every
// second rank empty; all on the last rank.
inline std::vector<std::vector<int64_t>> Divisions(int ranks) {
  std::vector<int64_t> even(ranks, 6);
  std::vector<int64_t> none(ranks, 0);
  std::vector<int64_t> uneven(ranks, 0);
  std::vector<int64_t> last(ranks, 0);
  for (int r = 0; r < ranks; r += 2) uneven[r] = 3 + 4 * r;
  last[ranks - 1] = 23;
  return {even, none, uneven, last};
}

inline int64_t Begin(const std::vector<int64_t>& counts, int rank) {
  int64_t sum = 0;
  for (int r = 0; r < rank; ++r) sum += counts[r];
  return sum;
}

inline int64_t Total(const std::vector<int64_t>& counts) {
  return Begin(counts, static_cast<int>(counts.size()));
}

}  // namespace switchyard::comm

#endif  // SWITCHYARD_TESTS_CONFORMANCE_VALUES_H_
