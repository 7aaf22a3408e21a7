// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/bias.h"

#include "switchyard/kernels/checks.h"
#include "switchyard/kernels/cpu/bias.h"
#include "switchyard/kernels/cuda/bias.h"

namespace switchyard::kernels {

void AddBias(Stream& stream, const ConstTensorView& bias, const TensorView& y) {
  CheckFloating(y);
  CheckRank(y, 2);
  CheckPacked("bias", bias, y.dtype(), {y.dim(1)});
  SWITCHYARD_RETURN_IF_CUDA(stream, cuda::AddBias(stream, bias, y));
  const int threads = stream.device().threads();
  stream.Enqueue([bias, y, threads] { cpu::AddBias(bias, y, threads); });
}

void BiasGradient(Stream& stream, const ConstTensorView& dy,
                  const TensorView& leaf) {
  CheckFloating(dy);
  CheckRank(dy, 2);
  CheckPacked("leaf", leaf, DType::kFloat32, {dy.dim(1)});
  SWITCHYARD_RETURN_IF_CUDA(stream, cuda::BiasGradient(stream, dy, leaf));
  const int threads = stream.device().threads();
  stream.Enqueue([dy, leaf, threads] { cpu::BiasGradient(dy, leaf, threads); });
}

}  // namespace switchyard::kernels
