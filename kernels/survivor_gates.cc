// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/survivor_gates.h"

#include "switchyard/kernels/checks.h"
#include "switchyard/kernels/cpu/survivor_gates.h"
#include "switchyard/kernels/cuda/survivor_gates.h"

namespace switchyard::kernels {

void SurvivorGates(Stream& stream, const SurvivorGatesArgs& args) {
  CheckRank(args.gates, 2);
  const Shape& shape = args.gates.shape();
  CheckTensor("gates", args.gates, DType::kFloat32, shape);
  CheckTensor("experts", args.experts, DType::kInt32, shape);
  CheckTensor("rows", args.rows, DType::kInt32, shape);
  CheckTensor("survivors", args.survivors, DType::kFloat32, shape);
  SWITCHYARD_RETURN_IF_CUDA(stream, cuda::SurvivorGates(stream, args));
  const int threads = stream.device().threads();
  stream.Enqueue([args, threads] { cpu::SurvivorGates(args, threads); });
}

void SurvivorGatesBackward(Stream& stream,
                           const SurvivorGatesBackwardArgs& args) {
  CheckRank(args.gates, 2);
  const Shape& shape = args.gates.shape();
  CheckTensor("gates", args.gates, DType::kFloat32, shape);
  CheckTensor("experts", args.experts, DType::kInt32, shape);
  CheckTensor("rows", args.rows, DType::kInt32, shape);
  CheckTensor("dsurvivors", args.dsurvivors, DType::kFloat32, shape);
  CheckTensor("dgates", args.dgates, DType::kFloat32, shape);
  SWITCHYARD_RETURN_IF_CUDA(stream, cuda::SurvivorGatesBackward(stream, args));
  const int threads = stream.device().threads();
  stream.Enqueue(
      [args, threads] { cpu::SurvivorGatesBackward(args, threads); });
}

}  // namespace switchyard::kernels
