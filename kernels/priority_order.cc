// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/priority_order.h"

#include "switchyard/kernels/checks.h"
#include "switchyard/kernels/cpu/priority_order.h"
#include "switchyard/kernels/cuda/priority_order.h"

namespace switchyard::kernels {

void PriorityOrder(Stream& stream, const PriorityOrderArgs& args) {
  CheckRank(args.probabilities, 2);
  CheckRank(args.experts, 2);
  const int64_t tokens = args.probabilities.dim(0);
  CheckTensor("probabilities", args.probabilities, DType::kFloat32,
              args.probabilities.shape());
  CheckTensor("experts", args.experts, DType::kInt32,
              {tokens, args.experts.dim(1)});
  CheckPacked("order", args.order, DType::kInt32, {tokens});
  SWITCHYARD_CHECK(args.scope_tokens >= 0 &&
                   (args.scope_tokens == 0 || tokens % args.scope_tokens == 0))
      << tokens << " tokens in scopes of " << args.scope_tokens;
  SWITCHYARD_RETURN_IF_CUDA(stream, cuda::PriorityOrder(stream, args));
  stream.Enqueue([args] { cpu::PriorityOrder(args); });
}

}  // namespace switchyard::kernels
