// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/hash_router.h"

#include "switchyard/kernels/checks.h"
#include "switchyard/kernels/cpu/hash_router.h"
#include "switchyard/kernels/cuda/hash_router.h"

namespace switchyard::kernels {

void HashRouter(Stream& stream, const HashRouterArgs& args) {
  CheckRank(args.probabilities, 2);
  CheckRank(args.experts, 2);
  const Shape& all = args.probabilities.shape();
  const Shape chosen = {all[0], args.experts.dim(1)};
  CheckPacked("ids", args.ids, DType::kInt32, {all[0]});
  CheckTensor("probabilities", args.probabilities, DType::kFloat32, all);
  CheckPacked("logsumexp", args.logsumexp, DType::kFloat32, {all[0]});
  CheckTensor("experts", args.experts, DType::kInt32, chosen);
  CheckTensor("gates", args.gates, DType::kFloat32, chosen);
  SWITCHYARD_CHECK(chosen[1] >= 1 && chosen[1] <= all[1])
      << chosen[1] << " of " << all[1] << " experts";
  SWITCHYARD_RETURN_IF_CUDA(stream, cuda::HashRouter(stream, args));
  const int threads = stream.device().threads();
  stream.Enqueue([args, threads] { cpu::HashRouter(args, threads); });
}

}  // namespace switchyard::kernels
