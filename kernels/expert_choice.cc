// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/expert_choice.h"

#include "switchyard/kernels/checks.h"
#include "switchyard/kernels/cpu/expert_choice.h"
#include "switchyard/kernels/cuda/expert_choice.h"

namespace switchyard::kernels {

void ExpertChoice(Stream& stream, const ExpertChoiceArgs& args) {
  CheckRank(args.probabilities, 2);
  const Shape& all = args.probabilities.shape();
  CheckTensor("probabilities", args.probabilities, DType::kFloat32, all);
  CheckPacked("valid", args.valid, DType::kUInt8, {all[0]});
  CheckTensor("experts", args.experts, DType::kInt32, all);
  CheckTensor("gates", args.gates, DType::kFloat32, all);
  SWITCHYARD_CHECK(args.rows >= 0) << args.rows << " rows";
  SWITCHYARD_RETURN_IF_CUDA(stream, cuda::ExpertChoice(stream, args));
  const int threads = stream.device().threads();
  stream.Enqueue([args, threads] { cpu::ExpertChoice(args, threads); });
}

}  // namespace switchyard::kernels
