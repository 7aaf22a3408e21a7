// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/elementwise.h"

#include "switchyard/kernels/checks.h"
#include "switchyard/kernels/cpu/elementwise.h"
#include "switchyard/kernels/cpu/normal.h"

namespace switchyard::kernels {

void Add(Stream& stream, const ConstTensorView& a, const ConstTensorView& b,
         const TensorView& y) {
  CheckFloating(a);
  CheckTensor("b", b, a.dtype(), a.shape());
  CheckTensor("y", y, a.dtype(), a.shape());
  CheckCpu(stream);
  const int threads = stream.device().threads();
  stream.Enqueue([a, b, y, threads] { cpu::Add(a, b, y, threads); });
}

void Cast(Stream& stream, const ConstTensorView& x, const TensorView& y) {
  CheckFloating(x);
  CheckFloating(y);
  CheckShape(y, x.shape());
  CheckCpu(stream);
  if (x.dtype() == y.dtype()) return stream.Copy(y, x);
  const int threads = stream.device().threads();
  stream.Enqueue([x, y, threads] { cpu::Cast(x, y, threads); });
}

void Fill(Stream& stream, float value, const TensorView& y) {
  CheckDType(y, DType::kFloat32);
  CheckCpu(stream);
  const int threads = stream.device().threads();
  stream.Enqueue([value, y, threads] { cpu::Fill(value, y, threads); });
}

void Normal(Stream& stream, const NormalArgs& args) {
  CheckDType(args.y, DType::kFloat32);
  SWITCHYARD_CHECK(args.first_element >= 0) << args.first_element;
  SWITCHYARD_CHECK(args.cut == 0.0f || args.cut >= 1.0f) << args.cut;
  CheckCpu(stream);
  const int threads = stream.device().threads();
  stream.Enqueue([args, threads] { cpu::Normal(args, threads); });
}

}  // namespace switchyard::kernels
