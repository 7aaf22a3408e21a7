// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/elementwise.h"

#include "switchyard/kernels/checks.h"
#include "switchyard/kernels/cpu/elementwise.h"
#include "switchyard/kernels/cpu/normal.h"
#include "switchyard/kernels/cuda/elementwise.h"

namespace switchyard::kernels {

void Add(Stream& stream, const ConstTensorView& a, const ConstTensorView& b,
         const TensorView& y) {
  CheckFloating(a);
  CheckTensor("b", b, a.dtype(), a.shape());
  CheckTensor("y", y, a.dtype(), a.shape());
  SWITCHYARD_RETURN_IF_CUDA(stream, cuda::Add(stream, a, b, y));
  const int threads = stream.device().threads();
  stream.Enqueue([a, b, y, threads] { cpu::Add(a, b, y, threads); });
}

void Cast(Stream& stream, const ConstTensorView& x, const TensorView& y) {
  CheckFloating(x);
  CheckFloating(y);
  CheckShape(y, x.shape());
  if (x.dtype() == y.dtype()) return stream.Copy(y, x);
  SWITCHYARD_RETURN_IF_CUDA(stream, cuda::Cast(stream, x, y));
  const int threads = stream.device().threads();
  stream.Enqueue([x, y, threads] { cpu::Cast(x, y, threads); });
}

void Fill(Stream& stream, float value, const TensorView& y) {
  CheckDType(y, DType::kFloat32);
  SWITCHYARD_RETURN_IF_CUDA(stream, cuda::Fill(stream, value, y));
  const int threads = stream.device().threads();
  stream.Enqueue([value, y, threads] { cpu::Fill(value, y, threads); });
}

void Normal(Stream& stream, const NormalArgs& args) {
  CheckDType(args.y, DType::kFloat32);
  SWITCHYARD_CHECK(args.first_element >= 0) << args.first_element;
  SWITCHYARD_CHECK(args.cut == 0.0f || args.cut >= 1.0f) << args.cut;
  SWITCHYARD_RETURN_IF_CUDA(stream, cuda::Normal(stream, args));
  const int threads = stream.device().threads();
  stream.Enqueue([args, threads] { cpu::Normal(args, threads); });
}

}  // namespace switchyard::kernels
