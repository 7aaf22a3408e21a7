// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Attention with a sliding window beside full attention on one core: forward
// and backward, in turn, and how much of the time a window may save at best:
// the share of pairs of positions that it leaves.
//
//   attention_bench [WINDOW]
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "switchyard/base/arena.h"
#include "switchyard/base/cpu/cpu_device.h"
#include "switchyard/bench/bench_tensor.h"
#include "switchyard/bench/peak.h"
#include "switchyard/kernels/attention.h"

namespace switchyard::bench {
namespace {

constexpr int64_t kHeads = 8, kKvHeads = 2, kHeadDim = 32;  // as `small`
constexpr int kTurns = 9;

struct Problem {
  Problem(Device& device, int64_t length)
      : length(length),
        q(device, DType::kFloat32, {length, kHeads, kHeadDim}),
        k(device, DType::kFloat32, {length, kKvHeads, kHeadDim}),
        v(device, DType::kFloat32, {length, kKvHeads, kHeadDim}),
        dout(device, DType::kFloat32, {length, kHeads, kHeadDim}),
        out(device, DType::kFloat32, {length, kHeads, kHeadDim}),
        logsumexp(device, DType::kFloat32, {length, kHeads}),
        dq(device, DType::kFloat32, {length, kHeads, kHeadDim}),
        dk(device, DType::kFloat32, {length, kKvHeads, kHeadDim}),
        dv(device, DType::kFloat32, {length, kKvHeads, kHeadDim}) {
    uint64_t seed = 0;
    for (BenchTensor* tensor : {&q, &k, &v, &dout}) {
      FillEighths(++seed, *tensor);
    }
  }

  void Forward(Stream& stream, Arena& arena, int64_t window) {
    kernels::Attention(stream, arena,
                       {q, k, v, length, scale, out, logsumexp, window});
    stream.Wait();
  }
  void Backward(Stream& stream, Arena& arena, int64_t window) {
    kernels::AttentionBackward(
        stream, arena,
        {q, k, v, out, logsumexp, dout, length, scale, dq, dk, dv, window});
    stream.Wait();
  }

  int64_t length;
  float scale = 1.0f / std::sqrt(static_cast<float>(kHeadDim));
  BenchTensor q, k, v, dout, out, logsumexp, dq, dk, dv;
};

// The last row of every head against plain loops.
bool Verify(Problem& problem, int64_t window) {
  const int64_t row = problem.length - 1;
  const int64_t first =
      window > 0 ? std::max<int64_t>(0, row - window + 1) : int64_t{0};
  for (int64_t head = 0; head < kHeads; ++head) {
    const int64_t group = head / (kHeads / kKvHeads);
    const int64_t query = (row * kHeads + head) * kHeadDim;
    std::vector<double> expected(kHeadDim, 0.0);
    double sum = 0;
    for (int64_t s = first; s <= row; ++s) {
      const int64_t key = (s * kKvHeads + group) * kHeadDim;
      double score = 0;
      for (int64_t i = 0; i < kHeadDim; ++i) {
        score +=
            ElementOf(problem.q, query + i) * ElementOf(problem.k, key + i);
      }
      const double weight = std::exp(score * problem.scale);
      sum += weight;
      for (int64_t i = 0; i < kHeadDim; ++i) {
        expected[i] += weight * ElementOf(problem.v, key + i);
      }
    }
    for (int64_t i = 0; i < kHeadDim; ++i) {
      const double error =
          std::abs(ElementOf(problem.out, query + i) - expected[i] / sum);
      if (!(error < 1e-5)) return false;
    }
  }
  return true;
}

double Median(std::vector<double> seconds) {
  std::nth_element(seconds.begin(), seconds.begin() + seconds.size() / 2,
                   seconds.end());
  return seconds[seconds.size() / 2];
}

template <typename Run>
double Time(const Run& run) {
  const double begin = Seconds();
  run();
  return Seconds() - begin;
}

// Pairs of a position and one that it sees.
double Pairs(int64_t length, int64_t window) {
  const double t = static_cast<double>(length);
  const double w = static_cast<double>(std::min(window, length));
  return w * (w + 1) / 2 + (t - w) * w;
}

bool Compare(Device& device, int64_t length, int64_t window) {
  const auto stream = device.NewStream();
  Arena arena(device);
  Problem problem(device, length);
  std::vector<double> seconds[4];  // full and windowed, forward and backward
  for (int turn = -1; turn < kTurns; ++turn) {
    for (const int64_t w : {int64_t{0}, window}) {
      const double forward = Time([&] { problem.Forward(*stream, arena, w); });
      if (turn < 0) {
        if (!Verify(problem, w)) return false;
        continue;
      }
      const double backward =
          Time([&] { problem.Backward(*stream, arena, w); });
      seconds[w > 0 ? 2 : 0].push_back(forward);
      seconds[w > 0 ? 3 : 1].push_back(backward);
    }
  }
  double ms[4];
  for (int i = 0; i < 4; ++i) ms[i] = 1e3 * Median(seconds[i]);
  std::printf("%8lld %9.2f %9.2f %6.3f %9.2f %9.2f %6.3f %7.3f\n",
              static_cast<long long>(length), ms[0], ms[2], ms[2] / ms[0],
              ms[1], ms[3], ms[3] / ms[1],
              Pairs(length, window) / Pairs(length, length));
  return true;
}

int Main(int argc, char** argv) {
  const int64_t window = argc > 1 ? std::atoll(argv[1]) : 256;
  if (argc > 2 || window <= 0) {
    std::fprintf(stderr, "usage: attention_bench [WINDOW]\n");
    return 1;
  }
  CpuDevice device(1);
  std::printf(
      "%lld/%lld heads of %lld, fp32, window %lld; ms, medians of %d in turn\n"
      "           forward                   backward\n"
      "  length      full    window  ratio      full    window  ratio   "
      "limit\n",
      static_cast<long long>(kHeads), static_cast<long long>(kKvHeads),
      static_cast<long long>(kHeadDim), static_cast<long long>(window), kTurns);
  for (const int64_t length : {256, 512, 1024, 2048, 4096, 8192}) {
    if (!Compare(device, length, window)) {
      std::fprintf(stderr, "wrong result at length %lld\n",
                   static_cast<long long>(length));
      return 1;
    }
  }
  return 0;
}

}  // namespace
}  // namespace switchyard::bench

int main(int argc, char** argv) { return switchyard::bench::Main(argc, argv); }
