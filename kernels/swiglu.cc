// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/swiglu.h"

#include "switchyard/kernels/checks.h"
#include "switchyard/kernels/cpu/swiglu.h"
#include "switchyard/kernels/cuda/activation.h"

namespace switchyard::kernels {
namespace {

void CheckGateUp(const ConstTensorView& gate_up) {
  CheckFloating(gate_up);
  CheckRank(gate_up, 2);
  SWITCHYARD_CHECK(gate_up.dim(1) % 2 == 0)
      << "expected gate and up of one width, found "
      << gate_up.shape().ToString();
}

}  // namespace

void SwiGlu(Stream& stream, const ConstTensorView& gate_up,
            const TensorView& act) {
  CheckGateUp(gate_up);
  CheckTensor("act", act, gate_up.dtype(),
              {gate_up.dim(0), gate_up.dim(1) / 2});
  SWITCHYARD_RETURN_IF_CUDA(stream, cuda::Activate(stream, {}, gate_up, act));
  const int threads = stream.device().threads();
  stream.Enqueue(
      [gate_up, act, threads] { cpu::SwiGlu(gate_up, act, threads); });
}

void SwiGluBackward(Stream& stream, const ConstTensorView& gate_up,
                    const ConstTensorView& dact, const TensorView& dgate_up) {
  CheckGateUp(gate_up);
  CheckTensor("dact", dact, gate_up.dtype(),
              {gate_up.dim(0), gate_up.dim(1) / 2});
  CheckTensor("dgate_up", dgate_up, gate_up.dtype(), gate_up.shape());
  SWITCHYARD_RETURN_IF_CUDA(
      stream, cuda::ActivateBackward(stream, {}, gate_up, dact, dgate_up));
  const int threads = stream.device().threads();
  stream.Enqueue([gate_up, dact, dgate_up, threads] {
    cpu::SwiGluBackward(gate_up, dact, dgate_up, threads);
  });
}

}  // namespace switchyard::kernels
