// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/bias_update.h"

#include "switchyard/kernels/checks.h"
#include "switchyard/kernels/cpu/bias_update.h"
#include "switchyard/kernels/cuda/bias_update.h"

namespace switchyard::kernels {

void BiasUpdate(Stream& stream, const BiasUpdateArgs& args) {
  CheckRank(args.bias, 1);
  CheckPacked("bias", args.bias, DType::kFloat32, args.bias.shape());
  CheckPacked("counts", args.counts, DType::kInt64, args.bias.shape());
  SWITCHYARD_RETURN_IF_CUDA(stream, cuda::BiasUpdate(stream, args));
  stream.Enqueue([args] { cpu::BiasUpdate(args); });
}

}  // namespace switchyard::kernels
