// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/router_jitter.h"

#include "switchyard/kernels/checks.h"
#include "switchyard/kernels/cpu/router_jitter.h"
#include "switchyard/kernels/cuda/router_jitter.h"

namespace switchyard::kernels {

void RouterJitter(Stream& stream, const RouterJitterArgs& args) {
  CheckRank(args.x, 2);
  CheckTensor("x", args.x, DType::kFloat32, args.x.shape());
  CheckTensor("y", args.y, DType::kFloat32, args.x.shape());
  SWITCHYARD_CHECK(args.eps >= 0.0 && args.eps < 1.0)
      << "expected eps of at least 0 and below 1, found " << args.eps;
  SWITCHYARD_CHECK(args.first_token >= 0) << args.first_token;
  SWITCHYARD_RETURN_IF_CUDA(stream, cuda::RouterJitter(stream, args));
  const int threads = stream.device().threads();
  stream.Enqueue([args, threads] { cpu::RouterJitter(args, threads); });
}

}  // namespace switchyard::kernels
