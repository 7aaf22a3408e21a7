// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/sigmoid_gate.h"

#include "switchyard/kernels/checks.h"
#include "switchyard/kernels/cpu/sigmoid_gate.h"
#include "switchyard/kernels/cuda/sigmoid_gate.h"

namespace switchyard::kernels {

void SigmoidGate(Stream& stream, const SigmoidGateArgs& args) {
  CheckFloating(args.x);
  CheckRank(args.x, 2);
  CheckRank(args.value, 2);
  const int64_t tokens = args.x.dim(0);
  const DType dtype = args.x.dtype();
  CheckTensor("weight", args.weight, dtype, {1, args.x.dim(1)});
  CheckTensor("value", args.value, dtype, {tokens, args.value.dim(1)});
  CheckTensor("logits", args.logits, DType::kFloat32, {tokens});
  CheckTensor("y", args.y, dtype, args.value.shape());
  SWITCHYARD_RETURN_IF_CUDA(stream, cuda::SigmoidGate(stream, args));
  const int threads = stream.device().threads();
  stream.Enqueue([args, threads] { cpu::SigmoidGate(args, threads); });
}

void SigmoidGateBackward(Stream& stream, const SigmoidGateBackwardArgs& args) {
  CheckFloating(args.dy);
  CheckRank(args.dy, 2);
  CheckRank(args.dx, 2);
  const int64_t tokens = args.dy.dim(0);
  const DType dtype = args.dy.dtype();
  CheckTensor("value", args.value, dtype, args.dy.shape());
  CheckTensor("weight", args.weight, dtype, {1, args.dx.dim(1)});
  CheckTensor("logits", args.logits, DType::kFloat32, {tokens});
  CheckTensor("dvalue", args.dvalue, dtype, args.dy.shape());
  CheckTensor("dlogits", args.dlogits, dtype, {tokens, 1});
  CheckTensor("dx", args.dx, dtype, {tokens, args.dx.dim(1)});
  SWITCHYARD_RETURN_IF_CUDA(stream, cuda::SigmoidGateBackward(stream, args));
  const int threads = stream.device().threads();
  stream.Enqueue([args, threads] { cpu::SigmoidGateBackward(args, threads); });
}

}  // namespace switchyard::kernels
