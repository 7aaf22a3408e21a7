// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/rms_norm.h"

#include "switchyard/kernels/checks.h"
#include "switchyard/kernels/cpu/rms_norm.h"
#include "switchyard/kernels/cuda/rms_norm.h"

namespace switchyard::kernels {
namespace {

// x is [rows, width] or [rows, groups, width]; the others fit it.
void CheckNormalized(const ConstTensorView& x, const ConstTensorView& weight,
                     const ConstTensorView& inverse_rms) {
  CheckFloating(x);
  const Shape& shape = x.shape();
  SWITCHYARD_CHECK(shape.rank() == 2 || shape.rank() == 3)
      << "expected 2 or 3 dimensions, found " << shape.ToString();
  const bool groups = shape.rank() == 3;
  CheckPacked("weight", weight, x.dtype(), {shape[groups ? 2 : 1]});
  CheckPacked("inverse_rms", inverse_rms, DType::kFloat32,
              groups ? Shape{shape[0], shape[1]} : Shape{shape[0]});
}

}  // namespace

void RmsNorm(Stream& stream, const RmsNormArgs& args) {
  CheckNormalized(args.x, args.weight, args.inverse_rms);
  const DType dtype = args.x.dtype();
  const Shape& shape = args.x.shape();
  CheckTensor("y", args.y, dtype, shape);
  SWITCHYARD_CHECK(args.add.defined() == args.sum.defined())
      << "sum must be given with add, and only then";
  if (args.add.defined()) {
    CheckTensor("add", args.add, dtype, shape);
    CheckTensor("sum", args.sum, dtype, shape);
  }
  SWITCHYARD_RETURN_IF_CUDA(stream, cuda::RmsNorm(stream, args));
  const int threads = stream.device().threads();
  stream.Enqueue([args, threads] { cpu::RmsNorm(args, threads); });
}

void RmsNormBackward(Stream& stream, const RmsNormBackwardArgs& args) {
  CheckNormalized(args.x, args.weight, args.inverse_rms);
  const DType dtype = args.x.dtype();
  const Shape& shape = args.x.shape();
  CheckTensor("dy", args.dy, dtype, shape);
  if (args.dsum.defined()) CheckTensor("dsum", args.dsum, dtype, shape);
  CheckTensor("dx", args.dx, dtype, shape);
  CheckPacked("dweight", args.dweight, DType::kFloat32, args.weight.shape());
  SWITCHYARD_RETURN_IF_CUDA(stream, cuda::RmsNormBackward(stream, args));
  const int threads = stream.device().threads();
  stream.Enqueue([args, threads] { cpu::RmsNormBackward(args, threads); });
}

}  // namespace switchyard::kernels
