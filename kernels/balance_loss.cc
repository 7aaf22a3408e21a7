// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/balance_loss.h"

#include "switchyard/kernels/checks.h"
#include "switchyard/kernels/cpu/balance_loss.h"

namespace switchyard::kernels {

void BalanceLoss(Stream& stream, const BalanceLossArgs& args) {
  const Shape& shape = args.probabilities.shape();
  SWITCHYARD_CHECK(shape.rank() == 2 && args.experts.shape().rank() == 2)
      << "expected [tokens, experts] and [tokens, k], got " << shape.ToString()
      << " and " << args.experts.shape().ToString();
  CheckTensor("probabilities", args.probabilities, DType::kFloat32, shape);
  CheckPacked("logsumexp", args.logsumexp, DType::kFloat32, {shape[0]});
  CheckTensor("experts", args.experts, DType::kInt32,
              {shape[0], args.experts.dim(1)});
  CheckPacked("valid", args.valid, DType::kUInt8, {shape[0]});
  CheckPacked("losses", args.losses, DType::kFloat64, {2});
  CheckPacked("balance_gradient", args.balance_gradient, DType::kFloat32,
              {shape[1]});
  CheckCpu(stream);
  const int threads = stream.device().threads();
  stream.Enqueue([args, threads] { cpu::BalanceLoss(args, threads); });
}

}  // namespace switchyard::kernels
