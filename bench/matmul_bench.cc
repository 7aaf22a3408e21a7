// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Matrix products of the `small` model on one core: forward, input gradients,
// and weight gradients with their sums in fixed point; beside oneDNN's sgemm
// and the processor's peak.
//
//   matmul_bench [fp32|bf16] [baseline|avx2|avx512|...]
#include <omp.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "oneapi/dnnl/dnnl.h"
#include "switchyard/base/cpu/cpu_device.h"
#include "switchyard/bench/peak.h"
#include "switchyard/kernels/instruction_set.h"
#include "switchyard/kernels/matmul.h"
#include "switchyard/tests/support/random_values.h"
#include "switchyard/tests/support/test_tensor.h"

namespace switchyard::bench {
namespace {

using kernels::Transpose;
using switchyard::testing::RandomValues;
using switchyard::testing::TestTensor;

enum class Kind { kForward, kInputGradient, kWeightGradient };

// y [rows, out] = x [rows, in] · wᵀ, and its gradients.
struct Layer {
  const char* name;
  int64_t rows, in, out;
};

constexpr Layer kLayers[] = {
    {"query, key, value", 512, 256, 384},
    {"attention output", 512, 256, 256},
    {"router", 512, 256, 8},
    {"gate and up", 64, 256, 1024},
    {"gate and up", 128, 256, 1024},
    {"gate and up", 256, 256, 1024},
    {"down", 64, 512, 256},
    {"down", 128, 512, 256},
    {"down", 256, 512, 256},
};

constexpr const char* kKindNames[] = {"forward", "dx", "dw"};

// One of a layer's three products, as op(a) [m, k] · op(b) [k, n].
struct Case {
  Case(Device& device, const Layer& layer, Kind kind, DType dtype)
      : kind(kind),
        m(kind == Kind::kWeightGradient ? layer.out : layer.rows),
        n(kind == Kind::kForward ? layer.out : layer.in),
        k(kind == Kind::kForward         ? layer.in
          : kind == Kind::kInputGradient ? layer.out
                                         : layer.rows),
        transpose_a(kind == Kind::kWeightGradient),
        transpose_b(kind == Kind::kForward),
        a_values(RandomValues(1, m * k, -1, 1, dtype)),
        b_values(RandomValues(2, k * n, -1, 1, dtype)),
        a(device, dtype, transpose_a ? Shape{k, m} : Shape{m, k}, a_values),
        b(device, dtype, transpose_b ? Shape{n, k} : Shape{k, n}, b_values),
        y(device, dtype, Shape{m, n}),
        sum(device, DType::kInt64, Shape{m, n},
            std::vector<double>(m * n, 0.0)),
        refused(device, DType::kInt64, Shape{1}, std::vector<double>{0.0}),
        gradient{sum.view(), refused.view()} {}

  void Run(Stream& stream) const {
    if (kind == Kind::kWeightGradient) {
      kernels::WeightGradientArgs args;
      args.dy = a;
      args.x = b;
      args.gradients = absl::MakeConstSpan(&gradient, 1);
      kernels::WeightGradient(stream, args);
    } else {
      kernels::MatMul(
          stream, {a, Transpose::kNo, b,
                   transpose_b ? Transpose::kYes : Transpose::kNo, y, false});
    }
  }

  // oneDNN's product of the same operands in fp32, without fixed point.
  void RunOneDnn(const std::vector<float>& a32, const std::vector<float>& b32,
                 std::vector<float>& c32) const {
    dnnl_sgemm(transpose_a ? 'T' : 'N', transpose_b ? 'T' : 'N', m, n, k, 1.0f,
               a32.data(), transpose_a ? m : k, b32.data(), transpose_b ? k : n,
               0.0f, c32.data(), n);
  }

  // The largest error of a sample of elements, in units of what k roundings
  // (and one to bf16) of terms below 1 may cause.
  double Error() const {
    const std::vector<double> found =
        kind == Kind::kWeightGradient ? sum.Read() : y.Read();
    const double unit = kind == Kind::kWeightGradient ? 0x1p-44 : 1.0;
    const bool rounded =
        kind != Kind::kWeightGradient && a.view().dtype() == DType::kBFloat16;
    double worst = 0;
    for (int64_t i = 0; i < m * n; i += 37) {
      const int64_t row = i / n, column = i % n;
      double expected = 0, magnitude = 0;
      for (int64_t j = 0; j < k; ++j) {
        const double term =
            a_values[transpose_a ? j * m + row : row * k + j] *
            b_values[transpose_b ? column * k + j : j * n + column];
        expected += term;
        magnitude += std::abs(term);
      }
      const double allowed = (k + 2) * 0x1p-24 * magnitude +
                             (rounded ? 0x1p-8 : 0.0) * std::abs(expected);
      worst = std::max(worst, std::abs(found[i] * unit - expected) / allowed);
    }
    return worst;
  }

  Kind kind;
  int64_t m, n, k;
  bool transpose_a, transpose_b;
  std::vector<double> a_values, b_values;
  TestTensor a, b, y, sum, refused;
  kernels::GradientSum gradient;
};

// Best seconds of `runs`, both in turn.
struct Times {
  double ours = 1e9, onednn = 1e9;
};

Times Measure(const Case& c, Stream& stream) {
  const std::vector<float> a32(c.a_values.begin(), c.a_values.end());
  const std::vector<float> b32(c.b_values.begin(), c.b_values.end());
  std::vector<float> c32(c.m * c.n);
  Times times;
  const double end = Seconds() + 0.2;
  do {
    double start = Seconds();
    c.Run(stream);
    times.ours = std::min(times.ours, Seconds() - start);
    start = Seconds();
    c.RunOneDnn(a32, b32, c32);
    times.onednn = std::min(times.onednn, Seconds() - start);
  } while (Seconds() < end);
  return times;
}

int Main(DType dtype) {
  omp_set_num_threads(1);
  CpuDevice device(1);
  const auto stream = device.NewStream();
  const double peak = FloatPeak();
  std::printf("%s, %s, one core; fp32 peak %.1f GFLOP/s\n", NameOf(dtype),
              NameOf(kernels::CurrentInstructionSet()), peak * 1e-9);
  std::printf("%-18s %-8s %5s %5s %5s  %14s  %14s\n", "layer", "product", "m",
              "n", "k", "GFLOP/s (peak)", "oneDNN fp32");
  for (const Layer& layer : kLayers) {
    for (const Kind kind :
         {Kind::kForward, Kind::kInputGradient, Kind::kWeightGradient}) {
      const Case c(device, layer, kind, dtype);
      c.Run(*stream);
      if (const double error = c.Error(); !(error <= 1)) {
        std::fprintf(stderr, "%s %s: error of %.2f times the bound\n",
                     layer.name, kKindNames[static_cast<int>(kind)], error);
        return 1;
      }
      const Times times = Measure(c, *stream);
      const double operations = 2.0 * c.m * c.n * c.k;
      std::printf("%-18s %-8s %5d %5d %5d  %7.1f (%3.0f%%)  %7.1f (%3.0f%%)\n",
                  layer.name, kKindNames[static_cast<int>(kind)],
                  static_cast<int>(c.m), static_cast<int>(c.n),
                  static_cast<int>(c.k), operations / times.ours * 1e-9,
                  100 * operations / times.ours / peak,
                  operations / times.onednn * 1e-9,
                  100 * operations / times.onednn / peak);
    }
  }
  return 0;
}

}  // namespace
}  // namespace switchyard::bench

int main(int argc, char** argv) {
  const std::string dtype = argc > 1 ? argv[1] : "fp32";
  if (argc > 3 || (dtype != "fp32" && dtype != "bf16")) {
    std::fprintf(stderr, "usage: %s [fp32|bf16] [instruction set]\n", argv[0]);
    return 2;
  }
  if (argc > 2) {
    const auto isa = switchyard::kernels::ParseInstructionSet(argv[2]);
    const absl::Status set =
        isa.ok() ? switchyard::kernels::SetInstructionSet(*isa) : isa.status();
    if (!set.ok()) {
      std::fprintf(stderr, "%s\n", set.ToString().c_str());
      return 2;
    }
  }
  return switchyard::bench::Main(dtype == "fp32"
                                     ? switchyard::DType::kFloat32
                                     : switchyard::DType::kBFloat16);
}
