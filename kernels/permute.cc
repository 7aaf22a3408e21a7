// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/permute.h"

#include "switchyard/kernels/checks.h"
#include "switchyard/kernels/cpu/permute.h"
#include "switchyard/kernels/cuda/permute.h"

namespace switchyard::kernels {
namespace {

// `matrix` and `buffer` have one width and dtype; `rows` maps the first's rows.
void CheckPermutation(const ConstTensorView& matrix,
                      const ConstTensorView& rows,
                      const ConstTensorView& buffer) {
  CheckFloating(matrix);
  CheckRank(matrix, 2);
  CheckFloating(buffer);
  CheckRank(buffer, 2);
  CheckTensor("buffer", buffer, matrix.dtype(), {buffer.dim(0), matrix.dim(1)});
  SWITCHYARD_CHECK(rows.shape().rank() == 2)
      << "rows must be [tokens, k], got " << rows.shape().ToString();
  CheckTensor("rows", rows, DType::kInt32, {matrix.dim(0), rows.dim(1)});
}

}  // namespace

void Permute(Stream& stream, const PermuteArgs& args) {
  CheckPermutation(args.x, args.rows, args.buffer);
  if (args.gates.defined()) {
    CheckTensor("gates", args.gates, DType::kFloat32, args.rows.shape());
  }
  SWITCHYARD_RETURN_IF_CUDA(stream, cuda::Permute(stream, args));
  const int threads = stream.device().threads();
  stream.Enqueue([args, threads] { cpu::Permute(args, threads); });
}

void Unpermute(Stream& stream, const UnpermuteArgs& args) {
  CheckPermutation(args.y, args.rows, args.buffer);
  if (args.gates.defined()) {
    CheckTensor("gates", args.gates, DType::kFloat32, args.rows.shape());
  }
  SWITCHYARD_RETURN_IF_CUDA(stream, cuda::Unpermute(stream, args));
  const int threads = stream.device().threads();
  stream.Enqueue([args, threads] { cpu::Unpermute(args, threads); });
}

void GateGradient(Stream& stream, const GateGradientArgs& args) {
  CheckPermutation(args.dy, args.rows, args.buffer);
  CheckTensor("dgates", args.dgates, DType::kFloat32, args.rows.shape());
  SWITCHYARD_RETURN_IF_CUDA(stream, cuda::GateGradient(stream, args));
  const int threads = stream.device().threads();
  stream.Enqueue([args, threads] { cpu::GateGradient(args, threads); });
}

void ZeroPadding(Stream& stream, absl::Span<const Segment> segments,
                 const TensorView& buffer) {
  SWITCHYARD_CHECK(buffer.shape().rank() == 2)
      << "buffer must be [rows, width], got " << buffer.shape().ToString();
  for (const Segment& segment : segments) {
    SWITCHYARD_CHECK(0 <= segment.row && 0 <= segment.rows &&
                     segment.rows <= segment.padded_rows &&
                     segment.row + segment.padded_rows <= buffer.dim(0))
        << "a segment of rows " << segment.row << " + " << segment.padded_rows
        << " lies outside a buffer of " << buffer.dim(0);
  }
  SWITCHYARD_RETURN_IF_CUDA(stream,
                            cuda::ZeroPadding(stream, segments, buffer));
  stream.Enqueue([segments, buffer] { cpu::ZeroPadding(segments, buffer); });
}

}  // namespace switchyard::kernels
