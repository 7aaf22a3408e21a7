// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/rotary_embedding.h"

#include "switchyard/kernels/checks.h"
#include "switchyard/kernels/cpu/rotary_embedding.h"
#include "switchyard/kernels/cuda/rotary_embedding.h"

namespace switchyard::kernels {

void RotaryTable(Stream& stream, double theta, const TensorView& cos,
                 const TensorView& sin) {
  SWITCHYARD_CHECK(cos.shape().rank() == 2)
      << "cos must be [positions, head_dim/2], got " << cos.shape().ToString();
  CheckTensor("cos", cos, DType::kFloat32, cos.shape());
  CheckTensor("sin", sin, DType::kFloat32, cos.shape());
  SWITCHYARD_CHECK(theta > 0.0) << "theta must be positive, got " << theta;
  SWITCHYARD_RETURN_IF_CUDA(stream, cuda::RotaryTable(stream, theta, cos, sin));
  const int threads = stream.device().threads();
  stream.Enqueue([theta, cos, sin, threads] {
    cpu::RotaryTable(theta, cos, sin, threads);
  });
}

void Rotate(Stream& stream, const RotaryArgs& args) {
  CheckFloating(args.x);
  CheckRank(args.x, 3);
  const int64_t head_dim = args.x.dim(2);
  SWITCHYARD_CHECK(head_dim % 2 == 0)
      << "head_dim must be even, got " << head_dim;
  SWITCHYARD_CHECK(args.sequence_length > 0 || args.x.dim(0) == 0)
      << "sequence_length must be positive, got " << args.sequence_length;
  SWITCHYARD_CHECK(args.cos.shape().rank() == 2 && args.first_position >= 0 &&
                   args.cos.dim(0) >=
                       args.first_position + args.sequence_length)
      << "cos must have a row for each of " << args.sequence_length
      << " positions from " << args.first_position << " on, got "
      << args.cos.shape().ToString();
  const Shape table = {args.cos.dim(0), head_dim / 2};
  CheckTensor("cos", args.cos, DType::kFloat32, table);
  CheckTensor("sin", args.sin, DType::kFloat32, table);
  SWITCHYARD_RETURN_IF_CUDA(stream, cuda::Rotate(stream, args));
  const int threads = stream.device().threads();
  stream.Enqueue([args, threads] { cpu::Rotate(args, threads); });
}

}  // namespace switchyard::kernels
