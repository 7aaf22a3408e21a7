// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/checksum.h"

#include "switchyard/kernels/checks.h"
#include "switchyard/kernels/cpu/checksum.h"
#include "switchyard/kernels/cuda/checksum.h"

namespace switchyard::kernels {

void Checksum(Stream& stream, const ConstTensorView& x,
              const TensorView& result) {
  SWITCHYARD_CHECK(x.contiguous() && SizeOf(x.dtype()) >= 2)
      << NameOf(x.dtype());
  SWITCHYARD_CHECK(result.dtype() == DType::kInt64 &&
                   result.shape() == Shape{1})
      << result.shape().ToString();
  SWITCHYARD_RETURN_IF_CUDA(stream, cuda::Checksum(stream, x, result));
  stream.Enqueue([x, result] { cpu::Checksum(x, result); });
}

}  // namespace switchyard::kernels
