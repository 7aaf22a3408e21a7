// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/rms_norm.h"

#include "switchyard/kernels/checks.h"
#include "switchyard/kernels/cpu/rms_norm.h"

namespace switchyard::kernels {

void RmsNorm(Stream& stream, const RmsNormArgs& args) {
  CheckFloating(args.x);
  CheckRank(args.x, 2);
  const DType dtype = args.x.dtype();
  const Shape& shape = args.x.shape();
  CheckPacked("weight", args.weight, dtype, {shape[1]});
  CheckPacked("inverse_rms", args.inverse_rms, DType::kFloat32, {shape[0]});
  CheckTensor("y", args.y, dtype, shape);
  SWITCHYARD_CHECK(args.add.defined() == args.sum.defined())
      << "sum must be given with add, and only then";
  if (args.add.defined()) {
    CheckTensor("add", args.add, dtype, shape);
    CheckTensor("sum", args.sum, dtype, shape);
  }
  CheckCpu(stream);
  const int threads = stream.device().threads();
  stream.Enqueue([args, threads] { cpu::RmsNorm(args, threads); });
}

void RmsNormBackward(Stream& stream, const RmsNormBackwardArgs& args) {
  CheckFloating(args.x);
  CheckRank(args.x, 2);
  const DType dtype = args.x.dtype();
  const Shape& shape = args.x.shape();
  CheckTensor("dy", args.dy, dtype, shape);
  CheckPacked("weight", args.weight, dtype, {shape[1]});
  CheckPacked("inverse_rms", args.inverse_rms, DType::kFloat32, {shape[0]});
  if (args.dsum.defined()) CheckTensor("dsum", args.dsum, dtype, shape);
  CheckTensor("dx", args.dx, dtype, shape);
  CheckPacked("dweight", args.dweight, DType::kFloat32, {shape[1]});
  CheckCpu(stream);
  const int threads = stream.device().threads();
  stream.Enqueue([args, threads] { cpu::RmsNormBackward(args, threads); });
}

}  // namespace switchyard::kernels
