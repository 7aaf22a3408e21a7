// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// A radix sort by the 32 bits of a probability, from its lowest digit: each
// pass is stable (stable_ranks.cuh), so equal ones stay by token. Tokens are
// few: what it takes is the latency of five launches a digit.
#include <climits>
#include <cstdint>
#include <utility>

#include "switchyard/kernels/cuda/chosen_experts.cuh"
#include "switchyard/kernels/cuda/elements.cuh"
#include "switchyard/kernels/cuda/priority_order.h"
#include "switchyard/kernels/cuda/selection.cuh"
#include "switchyard/kernels/cuda/stable_ranks.cuh"

namespace switchyard::kernels::cuda {
namespace {

constexpr int kBlock = 256;
constexpr int kDigitBits = 8;
constexpr int kDigits = 1 << kDigitBits;

constexpr float kLast = -1.0f;

// Tokens with what they are sorted by, the lowest first.
struct Sorted {
  unsigned* keys;
  int32_t* tokens;
};

__global__ void __launch_bounds__(kBlock)
    KeysKernel(int64_t tokens, int64_t expert_count,
               Rows<const float> probabilities, Rows<const int32_t> experts,
               Sorted out) {
  const int64_t token = int64_t{blockIdx.x} * kBlock + threadIdx.x;
  if (token >= tokens) return;
  const int32_t expert = experts[token][0];
  float p = kLast;
  if (expert != kNoExpert) {
    p = probabilities[token][CheckedExpert(expert, expert_count)];
  }
  out.keys[token] = ~OrderedBits(isnan(p) ? kLast : p);
  out.tokens[token] = static_cast<int32_t>(token);
}

// From the number of each digit of a scope to its first place there.
__global__ void __launch_bounds__(kDigits) FirstPlacesKernel(int* digits) {
  SWITCHYARD_SHARED(int, counts, [kDigits]);
  int* own = &digits[int64_t{blockIdx.x} * kDigits + threadIdx.x];
  counts[threadIdx.x] = *own;
  __syncthreads();
  int before = 0;
  for (int digit = 0; digit < kDigits; ++digit) {
    if (digit < static_cast<int>(threadIdx.x)) before += counts[digit];
  }
  *own = before;
}

struct DigitItems {
  Sorted from, to;
  int64_t scope;
  int shift;
  const int* first;  // [scopes, kDigits]: places in the scope

  __device__ int64_t At(const Item& item) const {
    return item.sequence * scope + item.index;
  }
  __device__ int Key(const Item& item) const {
    const unsigned key = from.keys[At(item)];
    return static_cast<int>(key >> shift & (kDigits - 1));
  }
  __device__ void Place(const Item& item, int key, int rank) const {
    const int start = first[item.sequence * kDigits + key];
    const int64_t place = At({item.sequence, start + rank});
    to.keys[place] = from.keys[At(item)];
    to.tokens[place] = from.tokens[At(item)];
  }
};

void SortByDigit(CudaStream& stream, const Sequences& scopes,
                 const TensorView& digits, DigitItems items) {
  stream.Zero(digits);
  StableRanks ranks(stream, scopes);
  ranks.Count(items, {digits.data<int32_t>(), INT_MAX});
  SWITCHYARD_RUN(FirstPlacesKernel, dim3(static_cast<unsigned>(scopes.count)),
                 dim3(kDigits), 0, stream, digits.data<int32_t>());
  ranks.Place(items);
}

}  // namespace

void PriorityOrder(Stream& stream, const PriorityOrderArgs& args) {
  CudaStream& cuda_stream = CudaStreamOf(stream);
  const int64_t tokens = args.experts.dim(0);
  if (tokens == 0) return;
  const int64_t scope = args.scope_tokens == 0 ? tokens : args.scope_tokens;
  const Sequences scopes = {tokens / scope, scope, kDigits};
  StreamScratch<unsigned> keys(cuda_stream, 2 * tokens);
  StreamScratch<int32_t> other_tokens(cuda_stream, tokens);
  StreamScratch<int> digits(cuda_stream, scopes.count * kDigits);
  const TensorView digit_view(digits.data(), DType::kInt32,
                              {scopes.count * kDigits});
  Sorted from = {keys.data(), args.order.data<int32_t>()};
  Sorted to = {keys.data() + tokens, other_tokens.data()};
  SWITCHYARD_RUN(
      KeysKernel, dim3(static_cast<unsigned>((tokens + kBlock - 1) / kBlock)),
      dim3(kBlock), 0, cuda_stream, tokens, args.probabilities.dim(1),
      RowsOf<float>(args.probabilities), RowsOf<int32_t>(args.experts), from);
  constexpr int kPasses = 32 / kDigitBits;
  static_assert(kPasses % 2 == 0, "the last pass writes to args.order");
  for (int pass = 0; pass < kPasses; ++pass) {
    SortByDigit(cuda_stream, scopes, digit_view,
                {from, to, scope, pass * kDigitBits, digits.data()});
    std::swap(from, to);
  }
}

}  // namespace switchyard::kernels::cuda
