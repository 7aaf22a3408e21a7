// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/parallel/arithmetic.h"

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "switchyard/base/arena.h"
#include "switchyard/base/philox.h"
#include "switchyard/base/status.h"
#include "switchyard/kernels/checksum.h"
#include "switchyard/kernels/elementwise.h"
#include "switchyard/kernels/matmul.h"
#include "switchyard/kernels/rms_norm.h"
#include "switchyard/kernels/router.h"
#include "switchyard/kernels/swiglu.h"
#include "switchyard/runtime/parallel/agreement.h"

namespace switchyard {
namespace {

constexpr int64_t kRows = 8;

// Runs operators on fixed inputs and mixes the checksums of what they give.
class Fingerprinter {
 public:
  explicit Fingerprinter(Stream& stream)
      : stream_(stream), arena_(stream.device()) {}

  TensorView Input(DType dtype, const Shape& shape) {
    const TensorView wide = arena_.Allocate(DType::kFloat32, shape);
    kernels::Normal(stream_, {.key = ++inputs_, .y = wide});
    if (dtype == DType::kFloat32) return wide;
    const TensorView result = arena_.Allocate(dtype, shape);
    kernels::Cast(stream_, wide, result);
    return result;
  }

  TensorView Output(DType dtype, const Shape& shape) {
    return arena_.Allocate(dtype, shape);
  }

  void Add(const ConstTensorView& result) {
    const TensorView sum = arena_.Allocate(DType::kInt64, {1});
    kernels::Checksum(stream_, result, sum);
    int64_t value = 0;
    stream_.CopyToHost(&value, sum);
    stream_.Wait();
    Add(static_cast<uint64_t>(value));
  }
  void Add(uint64_t value) { fingerprint_ = MixKey(fingerprint_, value); }
  void Add(double value) {
    uint64_t bits;
    std::memcpy(&bits, &value, sizeof(bits));
    Add(bits);
  }

  // Forward product, input gradient and weight gradient of a layer.
  void AddProducts(DType dtype, int64_t in, int64_t out) {
    const TensorView x = Input(dtype, {kRows, in});
    const TensorView weight = Input(dtype, {out, in});
    const TensorView y = Output(dtype, {kRows, out});
    kernels::MatMul(
        stream_,
        {.a = x, .b = weight, .transpose_b = kernels::Transpose::kYes, .c = y});
    Add(y);
    const TensorView dx = Output(dtype, {kRows, in});
    kernels::MatMul(stream_, {.a = y, .b = weight, .c = dx});
    Add(dx);
  }

  Stream& stream() { return stream_; }
  uint64_t fingerprint() const { return fingerprint_; }

 private:
  Stream& stream_;
  Arena arena_;
  uint64_t inputs_ = 0;
  uint64_t fingerprint_ = 0;
};

void AddVectorKernels(const ModelConfig& config, DType dtype,
                      Fingerprinter& print) {
  const int64_t hidden = config.hidden_size;
  const TensorView x = print.Input(dtype, {kRows, hidden});
  const TensorView weight = print.Input(dtype, {hidden});
  kernels::RmsNormArgs norm;
  norm.x = x;
  norm.weight = weight;
  norm.eps = config.rms_norm_eps;
  norm.y = print.Output(dtype, {kRows, hidden});
  norm.inverse_rms = print.Output(DType::kFloat32, {kRows});
  kernels::RmsNorm(print.stream(), norm);
  print.Add(norm.y);

  const TensorView act = print.Output(dtype, {kRows, hidden});
  kernels::SwiGlu(print.stream(), print.Input(dtype, {kRows, 2 * hidden}), act);
  print.Add(act);

  kernels::RouterArgs router;
  router.logits = print.Input(DType::kFloat32, {kRows, config.experts});
  router.renormalize = config.experts_per_token > 1;
  router.probabilities = print.Output(DType::kFloat32, {kRows, config.experts});
  router.logsumexp = print.Output(DType::kFloat32, {kRows});
  router.experts =
      print.Output(DType::kInt32, {kRows, config.experts_per_token});
  router.gates =
      print.Output(DType::kFloat32, {kRows, config.experts_per_token});
  kernels::Router(print.stream(), router);
  print.Add(router.gates);
}

void AddHostMathematics(const ModelConfig& config, Fingerprinter& print) {
  for (int i = 1; i <= 64; ++i) {
    const double x = 0.37 * i;
    print.Add(std::exp(-x));
    print.Add(std::cos(x));
    print.Add(std::pow(config.rope_theta, -x / 64.0));
  }
}

}  // namespace

uint64_t ArithmeticFingerprint(Stream& stream, const ModelConfig& config,
                               DType dtype) {
  Fingerprinter print(stream);
  const int64_t hidden = config.hidden_size;
  const int64_t heads = config.heads * config.head_dim;
  const int64_t kv = config.kv_heads * config.head_dim;
  print.AddProducts(dtype, hidden, heads + 2 * kv);
  print.AddProducts(dtype, heads, hidden);
  print.AddProducts(dtype, hidden, 2 * config.intermediate_size);
  print.AddProducts(dtype, config.intermediate_size, hidden);
  print.AddProducts(DType::kFloat32, hidden, config.experts);
  AddVectorKernels(config, dtype, print);
  AddHostMathematics(config, print);
  return print.fingerprint();
}

absl::Status CompareFingerprints(comm::Communicator& world,
                                 uint64_t fingerprint) {
  SWITCHYARD_ASSIGN_OR_RETURN(
      const std::vector<int64_t> prints,
      GatherIntegers(world, {static_cast<int64_t>(fingerprint)}));
  const std::string differing = RanksThatDiffer(world, prints, 1, 0);
  if (differing.empty()) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "all ranks must compute the same bits, but these differ from rank 0 (",
      world.members()[0].host, "): ", differing,
      "; use the same program and libraries on all hosts, or a lower --isa"));
}

}  // namespace switchyard
