// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/noisy_logits.h"

#include "switchyard/kernels/checks.h"
#include "switchyard/kernels/cpu/noisy_logits.h"
#include "switchyard/kernels/cuda/noisy_logits.h"

namespace switchyard::kernels {

void NoisyLogits(Stream& stream, const NoisyLogitsArgs& args) {
  CheckRank(args.logits, 2);
  const Shape& shape = args.logits.shape();
  CheckTensor("logits", args.logits, DType::kFloat32, shape);
  CheckTensor("noise", args.noise, DType::kFloat32, shape);
  CheckTensor("width", args.width, DType::kFloat32, shape);
  CheckTensor("slope", args.slope, DType::kFloat32, shape);
  SWITCHYARD_RETURN_IF_CUDA(stream, cuda::NoisyLogits(stream, args));
  const int threads = stream.device().threads();
  stream.Enqueue([args, threads] { cpu::NoisyLogits(args, threads); });
}

void NoisyLogitsBackward(Stream& stream, const NoisyLogitsBackwardArgs& args) {
  CheckRank(args.dwidth, 2);
  const Shape& shape = args.dwidth.shape();
  CheckTensor("dwidth", args.dwidth, DType::kFloat32, shape);
  CheckTensor("slope", args.slope, DType::kFloat32, shape);
  CheckTensor("dh", args.dh, DType::kFloat32, shape);
  SWITCHYARD_RETURN_IF_CUDA(stream, cuda::NoisyLogitsBackward(stream, args));
  const int threads = stream.device().threads();
  stream.Enqueue([args, threads] { cpu::NoisyLogitsBackward(args, threads); });
}

}  // namespace switchyard::kernels
