// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/cpu/survivor_gates.h"

#include <algorithm>
#include <cstdint>

#include "switchyard/base/cpu/parallel_for.h"
#include "switchyard/kernels/no_expert.h"

namespace switchyard::kernels::cpu {
namespace {

constexpr int64_t kTokenBlock = 256;  // of one piece of work

// One token's assignments.
struct Assignments {
  Assignments(const ConstTensorView& gates_view,
              const ConstTensorView& experts_view,
              const ConstTensorView& rows_view, int64_t t)
      : gates(gates_view.data<float>() + t * gates_view.row_stride()),
        experts(experts_view.data<int32_t>() + t * experts_view.row_stride()),
        rows(rows_view.data<int32_t>() + t * rows_view.row_stride()),
        count(gates_view.dim(1)) {
    for (int64_t j = 0; j < count; ++j) {
      if (experts[j] == kNoExpert) continue;
      all += gates[j];
      if (rows[j] >= 0) kept += gates[j];
      lost = lost || rows[j] < 0;
    }
  }

  const float* gates;
  const int32_t* experts;
  const int32_t* rows;
  int64_t count;
  float all = 0.0f;  // sums of gates
  float kept = 0.0f;
  bool lost = false;  // any of them
};

}  // namespace

void SurvivorGates(const SurvivorGatesArgs& args, int threads) {
  const auto block = [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      const Assignments of(args.gates, args.experts, args.rows, t);
      float* survivors =
          args.survivors.data<float>() + t * args.survivors.row_stride();
      if (!of.lost) {
        std::copy_n(of.gates, of.count, survivors);
        continue;
      }
      const float scale = of.kept > 0.0f ? of.all / of.kept : 0.0f;
      for (int64_t j = 0; j < of.count; ++j) {
        survivors[j] = of.rows[j] < 0 ? 0.0f : of.gates[j] * scale;
      }
    }
  };
  ParallelForBlocks(threads, args.gates.dim(0), kTokenBlock, block);
}

namespace {

// Sum over the kept i of (d_j - d_i) gates_i: what is left of it is exactly 0
// where only j was kept.
float DistanceFromMean(const Assignments& of, const float* d, int64_t j) {
  float sum = 0.0f;
  for (int64_t i = 0; i < of.count; ++i) {
    if (of.rows[i] >= 0) sum += (d[j] - d[i]) * of.gates[i];
  }
  return sum;
}

void BackwardOfToken(const Assignments& of, const float* d, float* dgates) {
  if (!of.lost) {
    std::copy_n(d, of.count, dgates);
    return;
  }
  float mean = 0.0f, scale = 0.0f, inverse = 0.0f;
  if (of.kept > 0.0f) {
    for (int64_t i = 0; i < of.count; ++i) {
      if (of.rows[i] >= 0) mean += d[i] * of.gates[i];
    }
    inverse = 1.0f / of.kept;
    mean *= inverse;
    scale = of.all * inverse;
  }
  for (int64_t j = 0; j < of.count; ++j) {
    if (of.experts[j] == kNoExpert) {
      dgates[j] = 0.0f;
    } else if (of.rows[j] < 0) {
      dgates[j] = mean;
    } else {
      dgates[j] = DistanceFromMean(of, d, j) * inverse * scale + mean;
    }
  }
}

}  // namespace

void SurvivorGatesBackward(const SurvivorGatesBackwardArgs& args, int threads) {
  const auto block = [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      BackwardOfToken(
          Assignments(args.gates, args.experts, args.rows, t),
          args.dsurvivors.data<float>() + t * args.dsurvivors.row_stride(),
          args.dgates.data<float>() + t * args.dgates.row_stride());
    }
  };
  ParallelForBlocks(threads, args.gates.dim(0), kTokenBlock, block);
}

}  // namespace switchyard::kernels::cpu
