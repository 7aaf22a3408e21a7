// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/router.h"

#include "switchyard/kernels/checks.h"
#include "switchyard/kernels/cpu/router.h"

namespace switchyard::kernels {
namespace {

// fp32 [tokens, experts], with at least k experts, and [tokens, k].
void CheckShapes(const ConstTensorView& probabilities,
                 const ConstTensorView& experts) {
  SWITCHYARD_CHECK(probabilities.shape().rank() == 2 &&
                   experts.shape().rank() == 2)
      << "expected [tokens, experts] and [tokens, k], got "
      << probabilities.shape().ToString() << " and "
      << experts.shape().ToString();
  SWITCHYARD_CHECK(1 <= experts.dim(1) &&
                   experts.dim(1) <= probabilities.dim(1))
      << "cannot choose " << experts.dim(1) << " of " << probabilities.dim(1)
      << " experts";
}

}  // namespace

void Router(Stream& stream, const RouterArgs& args) {
  CheckShapes(args.logits, args.experts);
  const Shape& all = args.logits.shape();
  const Shape chosen = {all[0], args.experts.dim(1)};
  CheckTensor("logits", args.logits, DType::kFloat32, all);
  CheckTensor("probabilities", args.probabilities, DType::kFloat32, all);
  CheckPacked("logsumexp", args.logsumexp, DType::kFloat32, {all[0]});
  CheckTensor("experts", args.experts, DType::kInt32, chosen);
  CheckTensor("gates", args.gates, DType::kFloat32, chosen);
  if (args.replayed.defined()) {
    CheckTensor("replayed", args.replayed, DType::kInt32, chosen);
  }
  CheckCpu(stream);
  const int threads = stream.device().threads();
  stream.Enqueue([args, threads] { cpu::Router(args, threads); });
}

void RouterBackward(Stream& stream, const RouterBackwardArgs& args) {
  CheckShapes(args.probabilities, args.experts);
  const Shape& all = args.probabilities.shape();
  const Shape chosen = {all[0], args.experts.dim(1)};
  CheckTensor("probabilities", args.probabilities, DType::kFloat32, all);
  CheckPacked("logsumexp", args.logsumexp, DType::kFloat32, {all[0]});
  CheckTensor("experts", args.experts, DType::kInt32, chosen);
  CheckTensor("gates", args.gates, DType::kFloat32, chosen);
  CheckTensor("dgates", args.dgates, DType::kFloat32, chosen);
  CheckPacked("valid", args.valid, DType::kUInt8, {all[0]});
  if (args.balance_gradient.defined()) {
    CheckPacked("balance_gradient", args.balance_gradient, DType::kFloat32,
                {all[1]});
  }
  CheckTensor("dlogits", args.dlogits, DType::kFloat32, all);
  CheckCpu(stream);
  const int threads = stream.device().threads();
  stream.Enqueue([args, threads] { cpu::RouterBackward(args, threads); });
}

}  // namespace switchyard::kernels
