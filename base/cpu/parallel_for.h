// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Runs independent pieces of an operator on its device's threads. Who runs a
// piece must not matter: pieces are cut by constants, never by the number of
// threads, and each writes results of its own.
//
// Pieces go to whoever is free, so a thread may get its first one late. An
// operator whose pieces use memory of their thread passes `warm`, which takes
// that memory: every thread calls it before the first piece, so that later
// calls of the same size allocate nothing, whoever runs what.
#ifndef SWITCHYARD_BASE_CPU_PARALLEL_FOR_H_
#define SWITCHYARD_BASE_CPU_PARALLEL_FOR_H_

#include <cstdint>

#include "switchyard/base/cpu/floating_point_mode.h"

namespace switchyard {

struct NothingToWarm {
  void operator()() const {}
};

// Calls piece(i) for every i in [0, count), each once, in any order.
template <typename Piece, typename Warm = NothingToWarm>
void ParallelFor(int threads, int64_t count, const Piece& piece,
                 const Warm& warm = {}) {
  if (threads <= 1 || count <= 1) {
    ScopedFloatingPointMode mode;
    for (int64_t i = 0; i < count; ++i) piece(i);
    return;
  }
#pragma omp parallel num_threads(threads)
  {
    ScopedFloatingPointMode mode;
    warm();
#pragma omp for schedule(dynamic)
    for (int64_t i = 0; i < count; ++i) piece(i);
  }
}

// Cuts [0, count) into blocks of `block` and calls piece(begin, end) for each.
template <typename Piece, typename Warm = NothingToWarm>
void ParallelForBlocks(int threads, int64_t count, int64_t block,
                       const Piece& piece, const Warm& warm = {}) {
  const int64_t blocks = (count + block - 1) / block;
  ParallelFor(
      threads, blocks,
      [&](int64_t i) {
        const int64_t begin = i * block;
        piece(begin, begin + block < count ? begin + block : count);
      },
      warm);
}

}  // namespace switchyard

#endif  // SWITCHYARD_BASE_CPU_PARALLEL_FOR_H_
