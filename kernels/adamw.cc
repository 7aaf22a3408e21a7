// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/adamw.h"

#include "switchyard/kernels/checks.h"
#include "switchyard/kernels/cpu/adamw.h"
#include "switchyard/kernels/cuda/adamw.h"

namespace switchyard::kernels {

void AdamW(Stream& stream, const AdamWArgs& args) {
  const Shape& shape = args.gradient.shape();
  CheckPacked("gradient", args.gradient,
              GradientSumDType(stream, args.gradient), shape);
  CheckPacked("master", args.master, DType::kFloat32, shape);
  CheckPacked("m", args.m, DType::kFloat32, shape);
  CheckPacked("v", args.v, DType::kFloat32, shape);
  CheckFloating(args.weight);
  CheckPacked("weight", args.weight, args.weight.dtype(), shape);
  SWITCHYARD_CHECK(args.settings.fraction_bits >= 0 &&
                   args.settings.fraction_bits <= 62)
      << args.settings.fraction_bits;
  SWITCHYARD_RETURN_IF_CUDA(stream, cuda::AdamW(stream, args));
  const int threads = stream.device().threads();
  stream.Enqueue([args, threads] { cpu::AdamW(args, threads); });
}

}  // namespace switchyard::kernels
