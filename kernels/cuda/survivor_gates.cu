// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// A thread a token, with the CPU's arithmetic: some hundred bytes of each
// token, so the launch takes longer than the work.
#include <cstdint>

#include "switchyard/kernels/cuda/elements.cuh"
#include "switchyard/kernels/cuda/survivor_gates.h"
#include "switchyard/kernels/no_expert.h"

namespace switchyard::kernels::cuda {
namespace {

constexpr int kBlock = 256;

struct Inputs {
  int64_t tokens, choices;
  Rows<const float> gates;
  Rows<const int32_t> experts, rows;
};

// One token's assignments.
struct Assignments {
  __device__ Assignments(const Inputs& in, int64_t token)
      : gates(in.gates[token]),
        experts(in.experts[token]),
        rows(in.rows[token]),
        count(in.choices) {
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

__device__ int64_t OwnToken() {
  return int64_t{blockIdx.x} * kBlock + threadIdx.x;
}

__global__ void __launch_bounds__(kBlock)
    SurvivorsKernel(Inputs in, Rows<float> survivors) {
  const int64_t token = OwnToken();
  if (token >= in.tokens) return;
  const Assignments of(in, token);
  const float scale = of.kept > 0.0f ? of.all / of.kept : 0.0f;
  for (int64_t j = 0; j < of.count; ++j) {
    const float survivor = of.rows[j] < 0 ? 0.0f : of.gates[j] * scale;
    survivors[token][j] = of.lost ? survivor : of.gates[j];
  }
}

// Sum over the kept i of (d_j - d_i) gates_i: what is left of it is exactly 0
// where only j was kept.
__device__ float DistanceFromMean(const Assignments& of, const float* d,
                                  int64_t j) {
  float sum = 0.0f;
  for (int64_t i = 0; i < of.count; ++i) {
    if (of.rows[i] >= 0) sum += (d[j] - d[i]) * of.gates[i];
  }
  return sum;
}

__global__ void __launch_bounds__(kBlock)
    GradientKernel(Inputs in, Rows<const float> dsurvivors,
                   Rows<float> dgates) {
  const int64_t token = OwnToken();
  if (token >= in.tokens) return;
  const Assignments of(in, token);
  const float* d = dsurvivors[token];
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
    float dgate = d[j];
    if (of.lost && of.experts[j] == kNoExpert) {
      dgate = 0.0f;
    } else if (of.lost && of.rows[j] < 0) {
      dgate = mean;
    } else if (of.lost) {
      dgate = DistanceFromMean(of, d, j) * inverse * scale + mean;
    }
    dgates[token][j] = dgate;
  }
}

Inputs InputsOf(const ConstTensorView& gates, const ConstTensorView& experts,
                const ConstTensorView& rows) {
  return {gates.dim(0), gates.dim(1), RowsOf<float>(gates),
          RowsOf<int32_t>(experts), RowsOf<int32_t>(rows)};
}

dim3 BlocksFor(const Inputs& in) {
  return dim3(static_cast<unsigned>((in.tokens + kBlock - 1) / kBlock));
}

}  // namespace

void SurvivorGates(Stream& stream, const SurvivorGatesArgs& args) {
  const Inputs in = InputsOf(args.gates, args.experts, args.rows);
  if (in.tokens == 0) return;
  SWITCHYARD_RUN(SurvivorsKernel, BlocksFor(in), dim3(kBlock), 0,
                 CudaStreamOf(stream), in,
                 MutableRowsOf<float>(args.survivors));
}

void SurvivorGatesBackward(Stream& stream,
                           const SurvivorGatesBackwardArgs& args) {
  const Inputs in = InputsOf(args.gates, args.experts, args.rows);
  if (in.tokens == 0) return;
  SWITCHYARD_RUN(GradientKernel, BlocksFor(in), dim3(kBlock), 0,
                 CudaStreamOf(stream), in, RowsOf<float>(args.dsurvivors),
                 MutableRowsOf<float>(args.dgates));
}

}  // namespace switchyard::kernels::cuda
