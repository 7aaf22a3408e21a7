// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Tokens per second of generation on one core with H, H/4 and 1 key/value
// heads, in turn, at several contexts. The limit is the time to read the cache
// once at the speed at which a sum over as many bytes reads memory: what fewer
// heads save, and what the rest of the model does not.
//
//   decode_bench [SEQUENCES]
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <numeric>
#include <utility>
#include <vector>

#include "switchyard/base/check.h"
#include "switchyard/base/cpu/cpu_device.h"
#include "switchyard/bench/peak.h"
#include "switchyard/comm/self/self_communicator.h"
#include "switchyard/runtime/generate/decoder.h"

namespace switchyard::bench {
namespace {

constexpr int64_t kHeads = 8;
constexpr int64_t kKvHeads[] = {kHeads, kHeads / 4, 1};
constexpr int kVariants = 3;
constexpr int kTurns = 9, kSteps = 4;

ModelConfig Model(int64_t kv_heads) {
  ModelConfig model;
  model.hidden_size = 256;
  model.intermediate_size = 256;
  model.layers = 4;
  model.heads = kHeads;
  model.kv_heads = kv_heads;
  model.head_dim = 64;
  model.experts = 8;
  model.experts_per_token = 2;
  model.vocabulary = 256;
  model.rope_theta = 10000.0;
  model.rms_norm_eps = 1e-5f;
  model.initializer_range = 0.1f;
  return model;
}

std::vector<int32_t> Ids(int64_t count) {
  std::vector<int32_t> ids;
  for (int64_t i = 0; i < count; ++i) {
    ids.push_back(static_cast<int32_t>(i * 37 % 251));
  }
  return ids;
}

// The last logits of a prompt at once and of one whose last token is decoded.
bool Verify(const Grid& grid, Device& device, int64_t kv_heads) {
  constexpr int64_t kLength = 300;
  const auto decoder = Decoder::Create(
      {Model(kv_heads), DType::kFloat32, 1, kLength}, grid, device);
  if (!decoder.ok()) return false;
  (*decoder)->store().Initialize((*decoder)->stream(), 1);
  const std::vector<int32_t> ids = Ids(kLength);
  if (!(*decoder)->Forward(ids).ok()) return false;
  const std::vector<float> expected((*decoder)->logits(0).begin(),
                                    (*decoder)->logits(0).end());
  (*decoder)->Restart();
  const absl::Span<const int32_t> all = ids;
  if (!(*decoder)->Forward(all.first(kLength - 1)).ok()) return false;
  if (!(*decoder)->Forward(all.last(1)).ok()) return false;
  for (size_t i = 0; i < expected.size(); ++i) {
    if (!(std::abs((*decoder)->logits(0)[i] - expected[i]) < 1e-4)) {
      return false;
    }
  }
  return true;
}

double Median(std::vector<double> seconds) {
  std::nth_element(seconds.begin(), seconds.begin() + seconds.size() / 2,
                   seconds.end());
  return seconds[seconds.size() / 2];
}

// Seconds to add up as many bytes.
double ReadSeconds(int64_t bytes) {
  const std::vector<uint64_t> words(static_cast<size_t>(bytes / 8), 1);
  std::vector<double> seconds;
  volatile uint64_t kept = 0;
  for (int turn = 0; turn < 5; ++turn) {
    const double begin = Seconds();
    kept = std::accumulate(words.begin(), words.end(), kept);
    seconds.push_back(Seconds() - begin);
  }
  return Median(seconds);
}

bool Compare(const Grid& grid, Device& device, int64_t sequences,
             int64_t context) {
  std::unique_ptr<Decoder> decoders[kVariants];
  const std::vector<int32_t> next = Ids(sequences);
  for (int i = 0; i < kVariants; ++i) {
    auto decoder = Decoder::Create({Model(kKvHeads[i]), DType::kFloat32,
                                    sequences, context + kTurns * kSteps + 1},
                                   grid, device);
    if (!decoder.ok()) return false;
    decoders[i] = *std::move(decoder);
    decoders[i]->store().Initialize(decoders[i]->stream(), 1);
    if (!decoders[i]->Forward(Ids(sequences * context)).ok()) return false;
    if (!decoders[i]->Forward(next).ok()) return false;
  }
  std::vector<double> seconds[kVariants];
  for (int turn = 0; turn < kTurns; ++turn) {
    for (int i = 0; i < kVariants; ++i) {
      const double begin = Seconds();
      for (int step = 0; step < kSteps; ++step) {
        if (!decoders[i]->Forward(next).ok()) return false;
      }
      seconds[i].push_back((Seconds() - begin) / kSteps);
    }
  }
  for (int i = 0; i < kVariants; ++i) {
    const int64_t bytes =
        KvCache::BytesPerPosition(Model(kKvHeads[i]), DType::kFloat32) *
        sequences * context;
    const double step = Median(seconds[i]);
    std::printf(
        "%8lld %9lld %9.1f %9.0f %8.2f %8.2f %7.2f\n",
        static_cast<long long>(context), static_cast<long long>(kKvHeads[i]),
        static_cast<double>(bytes) / 1e6, static_cast<double>(sequences) / step,
        1e3 * step, 1e3 * ReadSeconds(bytes), Median(seconds[0]) / step);
  }
  return true;
}

int Main(int argc, char** argv) {
  const int64_t sequences = argc > 1 ? std::atoll(argv[1]) : 8;
  if (argc > 2 || sequences <= 0) {
    std::fprintf(stderr, "usage: decode_bench [SEQUENCES]\n");
    return 1;
  }
  CpuDevice device(1);
  const auto world = comm::NewSelfCommunicator();
  const Grid grid = *Grid::Create(*world, 1, 8);
  for (const int64_t kv_heads : kKvHeads) {
    if (!Verify(grid, device, kv_heads)) {
      std::fprintf(stderr, "wrong logits with %lld key/value heads\n",
                   static_cast<long long>(kv_heads));
      return 1;
    }
  }
  std::printf(
      "%lld sequences, 4 layers, %lld query heads of 64, 8 experts, top-2, "
      "fp32, one thread; medians of %d in turn\n"
      " context  KV heads  cache MB  tokens/s  ms/step  read ms  faster\n",
      static_cast<long long>(sequences), static_cast<long long>(kHeads),
      kTurns);
  for (const int64_t context : {1024, 2048, 4096}) {
    if (!Compare(grid, device, sequences, context)) {
      std::fprintf(stderr, "a forward pass failed at context %lld\n",
                   static_cast<long long>(context));
      return 1;
    }
  }
  return 0;
}

}  // namespace
}  // namespace switchyard::bench

int main(int argc, char** argv) { return switchyard::bench::Main(argc, argv); }
