// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/reroute.h"

#include "switchyard/kernels/checks.h"
#include "switchyard/kernels/cpu/reroute.h"
#include "switchyard/kernels/cuda/reroute.h"

namespace switchyard::kernels {

void NextExperts(Stream& stream, const NextExpertsArgs& args) {
  CheckRank(args.probabilities, 2);
  CheckRank(args.experts, 2);
  CheckRank(args.next_experts, 2);
  const Shape& all = args.probabilities.shape();
  const int64_t choices = args.experts.dim(1);
  const int64_t tries = args.next_experts.dim(1);
  CheckTensor("probabilities", args.probabilities, DType::kFloat32, all);
  CheckTensor("experts", args.experts, DType::kInt32, {all[0], choices});
  CheckTensor("next_experts", args.next_experts, DType::kInt32,
              {all[0], tries});
  SWITCHYARD_CHECK(choices + tries <= all[1])
      << "cannot choose " << choices << " and then " << tries << " of "
      << all[1] << " experts";
  SWITCHYARD_RETURN_IF_CUDA(stream, cuda::NextExperts(stream, args));
  const int threads = stream.device().threads();
  stream.Enqueue([args, threads] { cpu::NextExperts(args, threads); });
}

void ReroutedGates(Stream& stream, const ReroutedGatesArgs& args) {
  CheckRank(args.probabilities, 2);
  CheckRank(args.experts, 2);
  const Shape& all = args.probabilities.shape();
  const Shape shape = {all[0], args.experts.dim(1)};
  CheckTensor("probabilities", args.probabilities, DType::kFloat32, all);
  CheckTensor("chosen", args.chosen, DType::kInt32, shape);
  CheckTensor("chosen_gates", args.chosen_gates, DType::kFloat32, shape);
  CheckTensor("experts", args.experts, DType::kInt32, shape);
  CheckTensor("gates", args.gates, DType::kFloat32, shape);
  SWITCHYARD_RETURN_IF_CUDA(stream, cuda::ReroutedGates(stream, args));
  const int threads = stream.device().threads();
  stream.Enqueue([args, threads] { cpu::ReroutedGates(args, threads); });
}

}  // namespace switchyard::kernels
