// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// A block counts 1024 tokens of a sequence in shared memory and adds what it
// has; where there are more columns than fit there, others count the rest of
// them. Bound by reading the choices.
#include <cstdint>

#include "switchyard/kernels/cuda/balance_loss.h"
#include "switchyard/kernels/cuda/chosen_experts.cuh"
#include "switchyard/kernels/cuda/elements.cuh"

namespace switchyard::kernels::cuda {
namespace {

constexpr int kBlock = 256;
constexpr int64_t kBlockTokens = 1024;
constexpr int64_t kBlockColumns = 4096;

struct Counting {
  Rows<const int32_t> experts;
  const uint8_t* valid;
  int64_t choices, counted_choices;
  int64_t expert_count, devices;
  int64_t sequence_length;
  unsigned long long* counts;  // [sequences, expert_count + devices]
};

// Columns [begin, end) of the counts, kept by a block.
struct BlockColumns {
  int64_t begin, end;
  int* counts;

  __device__ void Count(int64_t column) const {
    if (begin <= column && column < end) atomicAdd(&counts[column - begin], 1);
  }
};

// Whether choice j is the token's first one on its device.
__device__ bool FirstOnDevice(const int32_t* chosen, int64_t j, int64_t size) {
  for (int64_t i = 0; i < j; ++i) {
    if (chosen[i] != kNoExpert && chosen[i] / size == chosen[j] / size) {
      return false;
    }
  }
  return true;
}

__device__ void CountToken(const Counting& args, int64_t token,
                           const BlockColumns& columns) {
  const int32_t* chosen = args.experts[token];
  for (int64_t j = 0; j < args.choices; ++j) {
    if (chosen[j] == kNoExpert) continue;
    const int32_t expert = CheckedExpert(chosen[j], args.expert_count);
    if (j < args.counted_choices) columns.Count(expert);
    if (args.devices == 0) continue;
    const int64_t size = args.expert_count / args.devices;
    if (FirstOnDevice(chosen, j, size)) {
      columns.Count(args.expert_count + expert / size);
    }
  }
}

__global__ void __launch_bounds__(kBlock) CountKernel(Counting args) {
  SWITCHYARD_SHARED(int, counts, [kBlockColumns]);
  const int64_t width = args.expert_count + args.devices;
  const int64_t first_column = blockIdx.y * kBlockColumns;
  const BlockColumns columns = {
      first_column, min(first_column + kBlockColumns, width), counts};
  const int64_t count = columns.end - columns.begin;
  for (int64_t i = threadIdx.x; i < count; i += kBlock) counts[i] = 0;
  __syncthreads();
  const int64_t blocks =
      (args.sequence_length + kBlockTokens - 1) / kBlockTokens;
  const int64_t sequence = blockIdx.x / blocks;
  const int64_t start = sequence * args.sequence_length;
  const int64_t begin = start + blockIdx.x % blocks * kBlockTokens;
  const int64_t end = min(begin + kBlockTokens, start + args.sequence_length);
  for (int64_t t = begin + threadIdx.x; t < end; t += kBlock) {
    if (args.valid[t] != 0) CountToken(args, t, columns);
  }
  __syncthreads();
  unsigned long long* total = args.counts + sequence * width + first_column;
  for (int64_t i = threadIdx.x; i < count; i += kBlock) {
    if (counts[i] != 0) {
      atomicAdd(&total[i], static_cast<unsigned long long>(counts[i]));
    }
  }
}

}  // namespace

void ExpertCounts(Stream& stream, const ExpertCountsArgs& args) {
  const int64_t tokens = args.experts.dim(0);
  const int64_t choices = args.experts.dim(1);
  if (tokens == 0) return;
  const int64_t sequences = args.counts.dim(0);
  const int64_t width = args.counts.dim(1);
  const int64_t length = tokens / sequences;
  const int64_t blocks = (length + kBlockTokens - 1) / kBlockTokens;
  const Counting counting = {
      RowsOf<int32_t>(args.experts),
      args.valid.data<uint8_t>(),
      choices,
      args.choices > 0 ? args.choices : choices,
      width - args.devices,
      args.devices,
      length,
      static_cast<unsigned long long*>(args.counts.raw())};
  SWITCHYARD_RUN(
      CountKernel,
      dim3(static_cast<unsigned>(sequences * blocks),
           static_cast<unsigned>((width + kBlockColumns - 1) / kBlockColumns)),
      dim3(kBlock), 0, CudaStreamOf(stream), counting);
}

}  // namespace switchyard::kernels::cuda
