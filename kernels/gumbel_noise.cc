// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/gumbel_noise.h"

#include "switchyard/kernels/checks.h"
#include "switchyard/kernels/cpu/gumbel_noise.h"
#include "switchyard/kernels/cuda/gumbel_noise.h"

namespace switchyard::kernels {

void GumbelNoise(Stream& stream, const GumbelNoiseArgs& args) {
  CheckRank(args.noise, 2);
  CheckTensor("noise", args.noise, DType::kFloat32, args.noise.shape());
  SWITCHYARD_CHECK(args.first_token >= 0) << args.first_token;
  SWITCHYARD_RETURN_IF_CUDA(stream, cuda::GumbelNoise(stream, args));
  const int threads = stream.device().threads();
  stream.Enqueue([args, threads] { cpu::GumbelNoise(args, threads); });
}

}  // namespace switchyard::kernels
