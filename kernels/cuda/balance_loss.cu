// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Bound by reading the probabilities: a thread adds one column of a block of
// tokens in double, in order, as the CPU does. What follows is small: sums over
// blocks, a block of threads for each sequence's losses, and a warp that adds
// these.
#include <cstdint>

#include "switchyard/base/cuda/stream_scratch.h"
#include "switchyard/kernels/cuda/balance_loss.h"
#include "switchyard/kernels/cuda/elements.cuh"
#include "switchyard/kernels/cuda/reductions.cuh"

namespace switchyard::kernels::cuda {
namespace {

constexpr int kBlock = 256;
constexpr int64_t kTokenBlock = 256;  // part of the order of the sums

// Columns of a row of sums; the probabilities are behind.
constexpr int64_t kTokens = 0;
constexpr int64_t kSquares = 1;  // of logsumexp
constexpr int64_t kProbabilities = 2;

// Of a sequence's share in the losses.
constexpr int kBalance = 0;
constexpr int kDevice = 1;
constexpr int kCommunication = 2;
constexpr int kShares = 3;

struct Loss {
  Rows<const float> probabilities;
  const float* logsumexp;
  const uint8_t* valid;
  const int64_t* counts;  // [sequences, experts + devices]
  int64_t experts, devices, sequences, length;
  double scale;
  double balance_weight, device_weight, communication_weight;
  double counted_choices, devices_per_token;
  float* gradient;  // [sequences, experts]

  __host__ __device__ int64_t columns() const {
    return kProbabilities + experts;
  }
  __host__ __device__ int64_t blocks() const {  // of a sequence
    return (length + kTokenBlock - 1) / kTokenBlock;
  }
};

// What is added up in a column of sums: token t's value lies at t * stride.
struct Column {
  const float* values;
  int64_t stride;
};

__device__ Column ColumnOf(const Loss& args, int64_t column) {
  if (column < kProbabilities) return {args.logsumexp, 1};
  return {args.probabilities.data + column - kProbabilities,
          args.probabilities.stride};
}

// partial: [sequences, blocks, columns]
__global__ void __launch_bounds__(kBlock)
    AddTokensKernel(Loss args, double* partial) {
  const int64_t column = int64_t{blockIdx.y} * blockDim.x + threadIdx.x;
  if (column >= args.columns()) return;
  const int64_t start = blockIdx.x / args.blocks() * args.length;
  const int64_t begin = start + blockIdx.x % args.blocks() * kTokenBlock;
  const int64_t end = min(begin + kTokenBlock, start + args.length);
  const Column of = ColumnOf(args, column);
  double sum = 0.0;
#pragma unroll 8
  for (int64_t t = begin; t < end; ++t) {
    const double x = of.values[t * of.stride];  // waits for no other load
    double term = x;
    if (column == kTokens) term = 1.0;
    if (column == kSquares) term = x * x;
    if (args.valid[t] != 0) sum += term;
  }
  partial[blockIdx.x * args.columns() + column] = sum;
}

// totals: [sequences, columns]
__global__ void __launch_bounds__(kBlock)
    AddBlocksKernel(Loss args, const double* partial, double* totals) {
  const int64_t i = int64_t{blockIdx.x} * kBlock + threadIdx.x;
  if (i >= args.sequences * args.columns()) return;
  const int64_t column = i % args.columns();
  const double* block =
      partial + i / args.columns() * args.blocks() * args.columns() + column;
  double sum = 0.0;
#pragma unroll 16
  for (int64_t b = 0; b < args.blocks(); ++b) sum += block[b * args.columns()];
  totals[i] = sum;
}

// A sum over all sequences, for all threads of the block.
__device__ double SumOfSequences(const Loss& args, const double* totals,
                                 int64_t column, double* shared) {
  double sum = 0.0;
  for (int64_t s = threadIdx.x; s < args.sequences; s += blockDim.x) {
    sum += totals[s * args.columns() + column];
  }
  return BlockSum(sum, shared);
}

// The block's sequence, and what it is compared with.
struct SequenceSums {
  const int64_t* counts;
  double assignments;  // all of its counts
  const double* sums;  // by column
  double all_tokens;   // of all sequences

  __device__ double Fraction(int64_t e) const {
    return static_cast<double>(counts[e]) / assignments;
  }
  __device__ double Mean(int64_t e) const {
    return sums[kProbabilities + e] / sums[kTokens];
  }
  // Without a token of its own a window's counts have no p to weigh.
  __device__ bool Counts() const {
    return assignments != 0.0 && sums[kTokens] != 0.0;
  }
  __device__ double Weight() const { return sums[kTokens] / all_tokens; }
};

__device__ SequenceSums SumsOfSequence(const Loss& args, const double* totals,
                                       double* shared) {
  const int64_t sequence = blockIdx.x;
  const int64_t* counts =
      args.counts + sequence * (args.experts + args.devices);
  double assignments = 0.0;
  for (int64_t e = threadIdx.x; e < args.experts; e += kBlock) {
    assignments += static_cast<double>(counts[e]);
  }
  return {counts, BlockSum(assignments, shared),
          totals + sequence * args.columns(),
          SumOfSequences(args, totals, kTokens, shared)};
}

// A block for each sequence. shares: [sequences, kShares]
__global__ void __launch_bounds__(kBlock)
    BalanceKernel(Loss args, const double* totals, double* shares) {
  SWITCHYARD_SHARED(double, shared, [kWarp]);
  const SequenceSums of = SumsOfSequence(args, totals, shared);
  const double count = static_cast<double>(args.experts);
  const double weight = args.balance_weight * args.scale;
  double balance = 0.0;
  for (int64_t e = threadIdx.x; e < args.experts; e += kBlock) {
    double slope = 0.0;
    if (of.Counts()) {
      const double fraction = of.Fraction(e);
      balance += fraction * of.Mean(e);
      slope = weight * count * fraction / of.all_tokens;
    }
    args.gradient[blockIdx.x * args.experts + e] = static_cast<float>(slope);
  }
  balance = args.scale * (count * BlockSum(balance, shared));
  if (threadIdx.x != 0) return;
  double* share = shares + int64_t{blockIdx.x} * kShares;
  share[kBalance] = of.Counts() ? of.Weight() * balance : 0.0;
  share[kDevice] = 0.0;
  share[kCommunication] = 0.0;
}

// Of one device, whose part of the gradient is added.
struct DeviceShare {
  double device, communication;
};

__device__ DeviceShare ShareOfDevice(const Loss& args, const SequenceSums& of,
                                     int64_t d, float* gradient) {
  const int64_t size = args.experts / args.devices;
  int64_t assignments = 0;
  double probabilities = 0.0;
  for (int64_t e = d * size; e < (d + 1) * size; ++e) {
    assignments += of.counts[e];
    probabilities += of.sums[kProbabilities + e];
  }
  const double count = static_cast<double>(args.devices);
  const double mean = probabilities / of.sums[kTokens];
  const double load =
      count * (static_cast<double>(assignments) / of.assignments);
  const double tokens = of.assignments / args.counted_choices;
  const double sent = static_cast<double>(of.counts[args.experts + d]) / tokens;
  const double traffic = count / args.devices_per_token * sent;
  const double slope =
      (args.device_weight * load + args.communication_weight * traffic) /
      of.all_tokens;
  for (int64_t e = d * size; e < (d + 1) * size; ++e) {
    gradient[e] = static_cast<float>(gradient[e] + slope);
  }
  return {load * mean, traffic * mean};
}

// Likewise, behind it: a thread for each device.
__global__ void __launch_bounds__(kBlock)
    DevicesKernel(Loss args, const double* totals, double* shares) {
  SWITCHYARD_SHARED(double, shared, [kWarp]);
  const SequenceSums of = SumsOfSequence(args, totals, shared);
  if (!of.Counts()) return;
  float* gradient = args.gradient + int64_t{blockIdx.x} * args.experts;
  double device = 0.0, communication = 0.0;
  for (int64_t d = threadIdx.x; d < args.devices; d += kBlock) {
    const DeviceShare part = ShareOfDevice(args, of, d, gradient);
    device += part.device;
    communication += part.communication;
  }
  device = BlockSum(device, shared);
  communication = BlockSum(communication, shared);
  if (threadIdx.x != 0) return;
  double* share = shares + int64_t{blockIdx.x} * kShares;
  share[kDevice] = of.Weight() * device;
  share[kCommunication] = of.Weight() * communication;
}

// One warp. `device_losses` may be null.
__global__ void __launch_bounds__(kWarp)
    LossesKernel(Loss args, const double* totals, const double* shares,
                 double* losses, double* device_losses) {
  double tokens = 0.0, squares = 0.0;
  double sums[kShares] = {};
  for (int64_t s = Lane(); s < args.sequences; s += kWarp) {
    tokens += totals[s * args.columns() + kTokens];
    squares += totals[s * args.columns() + kSquares];
    for (int i = 0; i < kShares; ++i) sums[i] += shares[s * kShares + i];
  }
  tokens = WarpSum(tokens);
  squares = WarpSum(squares);
  for (double& sum : sums) sum = WarpSum(sum);
  if (Lane() != 0) return;
  losses[0] = sums[kBalance];
  losses[1] = tokens > 0.0 ? squares / tokens : 0.0;
  if (device_losses == nullptr) return;
  device_losses[0] = sums[kDevice];
  device_losses[1] = sums[kCommunication];
}

Loss LossOf(const BalanceLossArgs& args) {
  const int64_t experts = args.probabilities.dim(1);
  const int64_t sequences = args.counts.dim(0);
  return {RowsOf<float>(args.probabilities),
          args.logsumexp.data<float>(),
          args.valid.data<uint8_t>(),
          args.counts.data<int64_t>(),
          experts,
          args.counts.dim(1) - experts,
          sequences,
          args.probabilities.dim(0) / sequences,
          args.scale,
          args.balance_weight,
          args.device_weight,
          args.communication_weight,
          args.counted_choices,
          args.devices_per_token,
          args.balance_gradient.data<float>()};
}

// [sequences, columns]
void AddTokens(CudaStream& stream, const Loss& loss, double* totals) {
  const int64_t blocks = loss.sequences * loss.blocks();
  StreamScratch<double> partial(stream, blocks * loss.columns());
  const auto ceiling = [](int64_t a, int64_t b) {
    return static_cast<unsigned>((a + b - 1) / b);
  };
  const unsigned threads =
      loss.columns() < kBlock ? ceiling(loss.columns(), kWarp) * kWarp : kBlock;
  if (blocks > 0) {
    SWITCHYARD_RUN(
        AddTokensKernel,
        dim3(static_cast<unsigned>(blocks), ceiling(loss.columns(), threads)),
        dim3(threads), 0, stream, loss, partial.data());
  }
  SWITCHYARD_RUN(AddBlocksKernel,
                 dim3(ceiling(loss.sequences * loss.columns(), kBlock)),
                 dim3(kBlock), 0, stream, loss, partial.data(), totals);
}

}  // namespace

void BalanceLoss(Stream& stream, const BalanceLossArgs& args) {
  CudaStream& cuda_stream = CudaStreamOf(stream);
  const Loss loss = LossOf(args);
  StreamScratch<double> totals(cuda_stream, loss.sequences * loss.columns());
  StreamScratch<double> shares(cuda_stream, loss.sequences * kShares);
  AddTokens(cuda_stream, loss, totals.data());
  const dim3 sequences(static_cast<unsigned>(loss.sequences));
  SWITCHYARD_RUN(BalanceKernel, sequences, dim3(kBlock), 0, cuda_stream, loss,
                 totals.data(), shares.data());
  if (loss.devices > 0) {
    SWITCHYARD_RUN(DevicesKernel, sequences, dim3(kBlock), 0, cuda_stream, loss,
                   totals.data(), shares.data());
  }
  SWITCHYARD_RUN(LossesKernel, dim3(1), dim3(kWarp), 0, cuda_stream, loss,
                 totals.data(), shares.data(), args.losses.data<double>(),
                 static_cast<double*>(args.device_losses.raw()));
}

}  // namespace switchyard::kernels::cuda
