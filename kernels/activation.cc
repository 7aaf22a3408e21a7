// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/activation.h"

#include "switchyard/kernels/checks.h"
#include "switchyard/kernels/cpu/activation.h"
#include "switchyard/kernels/cuda/activation.h"
#include "switchyard/kernels/swiglu.h"

namespace switchyard::kernels {
namespace {

bool IsSwiGlu(ActivationKind kind) {
  return kind.gated && kind.function == Activation::kSilu;
}

void CheckOperands(ActivationKind kind, const ConstTensorView& inner,
                   const ConstTensorView& act) {
  CheckFloating(act);
  CheckRank(act, 2);
  CheckTensor("inner", inner, act.dtype(),
              {act.dim(0), kind.InnerWidth(act.dim(1))});
}

}  // namespace

void Activate(Stream& stream, ActivationKind kind, const ConstTensorView& inner,
              const TensorView& act) {
  CheckOperands(kind, inner, act);
  if (IsSwiGlu(kind)) return SwiGlu(stream, inner, act);
  SWITCHYARD_RETURN_IF_CUDA(stream, cuda::Activate(stream, kind, inner, act));
  const int threads = stream.device().threads();
  stream.Enqueue([kind, inner, act, threads] {
    cpu::Activate(kind, inner, act, threads);
  });
}

void ActivateBackward(Stream& stream, ActivationKind kind,
                      const ConstTensorView& inner, const ConstTensorView& dact,
                      const TensorView& dinner) {
  CheckOperands(kind, inner, dact);
  CheckOperands(kind, dinner, dact);
  if (IsSwiGlu(kind)) return SwiGluBackward(stream, inner, dact, dinner);
  SWITCHYARD_RETURN_IF_CUDA(
      stream, cuda::ActivateBackward(stream, kind, inner, dact, dinner));
  const int threads = stream.device().threads();
  stream.Enqueue([kind, inner, dact, dinner, threads] {
    cpu::ActivateBackward(kind, inner, dact, dinner, threads);
  });
}

}  // namespace switchyard::kernels
