// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// A host program's floating-point mode changes no bit of any operator, neither
// in its threads nor in what the calling thread computes before or after them.
#include <xmmintrin.h>

#include <deque>
#include <ios>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "switchyard/base/arena.h"
#include "switchyard/base/cpu/cpu_device.h"
#include "switchyard/kernels/adamw.h"
#include "switchyard/kernels/attention.h"
#include "switchyard/kernels/balance_loss.h"
#include "switchyard/kernels/elementwise.h"
#include "switchyard/kernels/embedding.h"
#include "switchyard/kernels/fixed_point.h"
#include "switchyard/kernels/lm_head.h"
#include "switchyard/kernels/matmul.h"
#include "switchyard/kernels/norms.h"
#include "switchyard/kernels/permute.h"
#include "switchyard/kernels/rms_norm.h"
#include "switchyard/kernels/rotary_embedding.h"
#include "switchyard/kernels/router.h"
#include "switchyard/kernels/swiglu.h"
#include "switchyard/tests/support/random_values.h"
#include "switchyard/tests/support/test_tensor.h"

namespace switchyard::kernels {
namespace {

using switchyard::testing::RandomIntegers;
using switchyard::testing::RandomValues;
using switchyard::testing::TestTensor;

constexpr unsigned kDefaultMode = 0x1f80;

struct Case {
  DType dtype;
  int threads;
  double size;  // of the inputs
};

// A host program: makes tensors in the default mode and runs an operator in its
// own.
class Host {
 public:
  Host(const Case& c, unsigned mode)
      : case_(c), mode_(mode), device_(c.threads), arena_(device_) {}

  DType dtype() const { return case_.dtype; }
  TensorView In(const Shape& shape, DType dtype, double low = -1) {
    return Keep(shape, dtype,
                RandomValues(inputs_.size() + 1, shape.element_count(),
                             low * case_.size, case_.size, dtype));
  }
  TensorView In(const Shape& shape) { return In(shape, dtype()); }
  TensorView Integers(const Shape& shape, DType dtype, int64_t low,
                      int64_t high) {
    return Keep(
        shape, dtype,
        RandomIntegers(inputs_.size() + 1, shape.element_count(), low, high));
  }
  // An input that is written too.
  TensorView InOut(TensorView input) {
    outputs_.push_back(inputs_.size() - 1);
    return input;
  }
  TensorView Zeros(const Shape& shape, DType dtype) {
    return InOut(Integers(shape, dtype, 0, 0));
  }
  TensorView Out(const Shape& shape, DType dtype) {
    inputs_.emplace_back(device_, dtype, shape);
    return InOut(inputs_.back());
  }
  TensorView Out(const Shape& shape) { return Out(shape, dtype()); }
  GradientSum Sum(const Shape& shape) {
    return {Zeros(shape, DType::kInt64), Zeros({1}, DType::kInt64)};
  }

  // call(stream, arena)
  template <typename Call>
  void Run(const Call& call) {
    const auto stream = device_.NewStream();
    _mm_setcsr(mode_);
    call(*stream, arena_);
    stream->Wait();
    const unsigned left = _mm_getcsr();
    _mm_setcsr(kDefaultMode);
    EXPECT_EQ(left & ~0x3fu, mode_ & ~0x3fu);  // but for sticky flags
  }

  std::vector<std::vector<uint64_t>> Bits() const {
    std::vector<std::vector<uint64_t>> bits;
    for (const size_t i : outputs_) bits.push_back(inputs_[i].Bits());
    return bits;
  }

 private:
  TensorView Keep(const Shape& shape, DType dtype,
                  const std::vector<double>& values) {
    inputs_.emplace_back(device_, dtype, shape, values);
    return inputs_.back();
  }

  const Case case_;
  const unsigned mode_;
  CpuDevice device_;
  Arena arena_;
  std::deque<TestTensor> inputs_;
  std::vector<size_t> outputs_;
};

constexpr DType kFloat = DType::kFloat32;
constexpr int64_t kTokens = 300, kWidth = 50, kExperts = 7, kChoices = 2;

void RunElementwise(Host& host) {
  const TensorView a = host.In({kTokens, kWidth}), b = host.In(a.shape());
  const TensorView sum = host.Out(a.shape()), wide = host.In({9, 33}, kFloat);
  const TensorView narrow = host.Out({9, 33}, DType::kBFloat16);
  const TensorView normal = host.Out({40, 41}, kFloat);
  host.Run([&](Stream& stream, Arena&) {
    Add(stream, a, b, sum);
    Cast(stream, wide, narrow);
    Normal(stream, {3, 5, 0.3f, normal});
  });
}

void RunOptimizer(Host& host) {
  const Shape shape = {1000};
  AdamWArgs args;
  const TensorView gradient =
      host.Integers(shape, DType::kInt64, -1000000007, 1000000009);
  args.gradient = gradient;
  args.master = host.InOut(host.In(shape, kFloat));
  args.m = host.InOut(host.In(shape, kFloat));
  args.v = host.InOut(host.In(shape, kFloat, 0));
  args.weight = host.Out(shape);
  args.settings.weight_decay = 0.1f;
  args.settings.gradient_scale = 0.3f;
  const ConstTensorView chunks[] = {gradient};
  const int64_t places[] = {0};
  const TensorView squares = host.Out({1}, DType::kFloat64);
  const TensorView values = host.Out(shape, kFloat);
  const TensorView leaf = host.In(shape, kFloat);
  const GradientSum sum = host.Sum(shape);
  host.Run([&](Stream& stream, Arena&) {
    AdamW(stream, args);
    SumOfSquares(stream, {chunks, places, 44, squares});
    FromFixedPoint(stream, gradient, {}, values);
    AddToFixedPoint(stream, leaf, {}, sum);
  });
}

void RunProducts(Host& host) {
  const TensorView x = host.In({kTokens, kWidth}), w = host.In({33, kWidth});
  const TensorView y = host.Out({kTokens, 33}), dy = host.In({kTokens, 33});
  const GradientSum sum = host.Sum(w.shape());
  host.Run([&](Stream& stream, Arena&) {
    MatMul(stream, {x, Transpose::kNo, w, Transpose::kYes, y});
    WeightGradient(stream, {dy, x, {}, {&sum, 1}});
  });
}

void RunGroupedProducts(Host& host) {
  const std::vector<Segment> segments = {{0, 0, 24, 24}, {1, 24, 40, 40}};
  const TensorView x = host.In({64, kWidth}), dy = host.In({64, 33});
  const std::vector<ConstTensorView> weights = {host.In({33, kWidth}),
                                                host.In({33, kWidth})};
  const TensorView y = host.Out({64, 33});
  const std::vector<GradientSum> sums = {host.Sum({33, kWidth}),
                                         host.Sum({33, kWidth})};
  host.Run([&](Stream& stream, Arena&) {
    GroupedMatMul(stream, {x, weights, Transpose::kYes, segments, y});
    GroupedWeightGradient(stream, {dy, x, segments, {}, sums});
  });
}

void RunNorm(Host& host) {
  const Shape shape = {kTokens, kWidth};
  const TensorView x = host.In(shape), weight = host.In({kWidth});
  const TensorView dy = host.In(shape), y = host.Out(shape);
  const TensorView inverse = host.Out({kTokens}, kFloat);
  const TensorView dx = host.Out(shape), dweight = host.Out({kWidth}, kFloat);
  host.Run([&](Stream& stream, Arena&) {
    RmsNorm(stream, {x, {}, weight, 1e-5f, {}, y, inverse});
    RmsNormBackward(stream, {dy, x, weight, inverse, {}, dx, dweight});
  });
}

void RunAttention(Host& host) {
  const Shape queries = {150, 4, 10}, keys = {150, 2, 10};
  const TensorView cos = host.Out({150, 5}, kFloat),
                   sin = host.Out({150, 5}, kFloat);
  const TensorView q = host.InOut(host.In(queries));
  const TensorView k = host.In(keys), v = host.In(keys);
  const TensorView out = host.Out(queries), dout = host.In(queries);
  const TensorView sums = host.Out({150, 4}, kFloat);
  const TensorView dq = host.Out(queries);
  const TensorView dk = host.Out(keys), dv = host.Out(keys);
  host.Run([&](Stream& stream, Arena& arena) {
    RotaryTable(stream, 10000.0, cos, sin);
    Rotate(stream, {q, cos, sin, 150});
    Attention(stream, arena, {q, k, v, 150, 0.3f, out, sums});
    AttentionBackward(stream, arena,
                      {q, k, v, out, sums, dout, 150, 0.3f, dq, dk, dv});
  });
}

void RunSwiGlu(Host& host) {
  const TensorView gate_up = host.In({kTokens, 2 * kWidth});
  const TensorView dact = host.In({kTokens, kWidth});
  const TensorView act = host.Out({kTokens, kWidth});
  const TensorView dgate_up = host.Out(gate_up.shape());
  host.Run([&](Stream& stream, Arena&) {
    SwiGlu(stream, gate_up, act);
    SwiGluBackward(stream, gate_up, dact, dgate_up);
  });
}

void RunRouter(Host& host) {
  const Shape all = {kTokens, kExperts}, chosen = {kTokens, kChoices};
  const TensorView logits = host.In(all, kFloat);
  const TensorView p = host.Out(all, kFloat);
  const TensorView logsumexp = host.Out({kTokens}, kFloat);
  const TensorView experts = host.Out(chosen, DType::kInt32);
  const TensorView gates = host.Out(chosen, kFloat);
  const TensorView valid = host.Integers({kTokens}, DType::kUInt8, 0, 1);
  const TensorView losses = host.Out({2}, DType::kFloat64);
  const TensorView counts = host.Out({1, kExperts}, DType::kInt64);
  const TensorView balance = host.Out({1, kExperts}, kFloat);
  const TensorView dgates = host.In(chosen, kFloat);
  const TensorView dlogits = host.Out(all, kFloat);
  host.Run([&](Stream& stream, Arena&) {
    Router(stream, {.logits = logits,
                    .probabilities = p,
                    .logsumexp = logsumexp,
                    .experts = experts,
                    .gates = gates});
    stream.Zero(counts);
    ExpertCounts(stream, {experts, valid, 0, 0, counts});
    BalanceLossArgs args;
    args.probabilities = p;
    args.logsumexp = logsumexp;
    args.valid = valid;
    args.counts = counts;
    args.balance_weight = 0.01 / 3;
    args.losses = losses;
    args.balance_gradient = balance;
    BalanceLoss(stream, args);
    RouterBackward(stream, {.probabilities = p,
                            .logsumexp = logsumexp,
                            .experts = experts,
                            .gates = gates,
                            .dgates = dgates,
                            .valid = valid,
                            .balance_gradient = balance,
                            .z_gradient = 0.1f,
                            .dlogits = dlogits});
  });
}

void RunPermutations(Host& host) {
  const Shape chosen = {kTokens, kChoices}, shape = {kTokens, kWidth};
  const TensorView rows = host.Integers(chosen, DType::kInt32, -1, kTokens - 1);
  const TensorView buffer = host.In(shape), gates = host.In(chosen, kFloat);
  const TensorView one = host.Integers({1, 1}, DType::kInt32, 0, 0);
  const TensorView x = host.In({1, kWidth}), gate = host.In({1, 1}, kFloat);
  const TensorView placed = host.Out({1, kWidth});
  const TensorView y = host.Out(shape), dy = host.In(shape);
  const TensorView dgates = host.Out(chosen, kFloat);
  host.Run([&](Stream& stream, Arena&) {
    Permute(stream, {x, one, gate, placed});
    Unpermute(stream, {buffer, rows, gates, y});
    GateGradient(stream, {dy, buffer, rows, dgates});
  });
}

void RunVocabulary(Host& host) {
  constexpr int64_t kVocabulary = 33;
  LmHeadLossArgs head;
  head.x = host.In({kTokens, kWidth});
  head.weight = host.In({kVocabulary, kWidth});
  head.labels = host.Integers({kTokens}, DType::kInt32, 0, kVocabulary - 1);
  head.loss_sum = host.Out({1}, DType::kFloat64);
  head.loss_scale = 1 / 300.0f;
  head.dx = host.Out({kTokens, kWidth});
  head.gradient = host.Sum({kVocabulary, kWidth});
  EmbeddingGradientArgs embedding;
  embedding.dy = host.In({kTokens, kWidth});
  embedding.ids = head.labels;
  embedding.gradient = host.Sum({kVocabulary, kWidth});
  host.Run([&](Stream& stream, Arena& arena) {
    LmHeadLoss(stream, arena, head);
    EmbeddingGradient(stream, arena, embedding);
  });
}

class FloatingPointModeTest : public ::testing::TestWithParam<Case> {};

TEST_P(FloatingPointModeTest, ChangesNoBit) {
  const struct {
    const char* name;
    void (*run)(Host&);
  } operators[] = {{"elementwise", RunElementwise},
                   {"optimizer", RunOptimizer},
                   {"products", RunProducts},
                   {"grouped products", RunGroupedProducts},
                   {"norm", RunNorm},
                   {"attention", RunAttention},
                   {"swiglu", RunSwiGlu},
                   {"router", RunRouter},
                   {"permutations", RunPermutations},
                   {"vocabulary", RunVocabulary}};
  for (const auto& [name, run] : operators) {
    Host usual(GetParam(), kDefaultMode);
    run(usual);
    // Rounded down, up, to zero; denormals flushed.
    for (const unsigned mode : {0x3f80u, 0x5f80u, 0x7f80u, 0x9fc0u}) {
      Host other(GetParam(), mode);
      run(other);
      EXPECT_EQ(other.Bits(), usual.Bits())
          << name << " in mode " << std::hex << mode;
    }
  }
}

// Products of small numbers are denormal, as are half of the tiny ones.
INSTANTIATE_TEST_SUITE_P(Modes, FloatingPointModeTest,
                         ::testing::Values(Case{DType::kFloat32, 1, 1.0},
                                           Case{DType::kFloat32, 2, 1.0},
                                           Case{DType::kFloat32, 2, 1e-20},
                                           Case{DType::kFloat32, 1, 2e-38},
                                           Case{DType::kBFloat16, 2, 1.0},
                                           Case{DType::kBFloat16, 1, 2e-38}));

}  // namespace
}  // namespace switchyard::kernels
