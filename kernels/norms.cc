// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/norms.h"

#include "switchyard/kernels/checks.h"
#include "switchyard/kernels/cpu/norms.h"
#include "switchyard/kernels/cuda/norms.h"

namespace switchyard::kernels {

void SumOfSquares(Stream& stream, const SumOfSquaresArgs& args) {
  SWITCHYARD_CHECK(args.fraction_bits >= 0 && args.fraction_bits <= 62)
      << args.fraction_bits;
  const DType dtype = args.chunks.empty()
                          ? DType::kInt64
                          : GradientSumDType(stream, args.chunks[0]);
  for (const ConstTensorView& chunk : args.chunks) {
    CheckPacked("a chunk", chunk, dtype, chunk.shape());
    SWITCHYARD_CHECK(chunk.element_count() <= kNormChunk)
        << "expected at most " << kNormChunk << " elements, found "
        << chunk.shape().ToString();
  }
  CheckPacked("result", args.result, DType::kFloat64, args.result.shape());
  SWITCHYARD_CHECK(args.places.size() == args.chunks.size())
      << args.places.size() << " places for " << args.chunks.size()
      << " chunks";
  for (const int64_t place : args.places) {
    SWITCHYARD_CHECK(place >= 0 && place < args.result.dim(0))
        << place << " of " << args.result.dim(0);
  }
  SWITCHYARD_RETURN_IF_CUDA(stream, cuda::SumOfSquares(stream, args));
  const int threads = stream.device().threads();
  stream.Enqueue([args, threads] { cpu::SumOfSquares(args, threads); });
}

}  // namespace switchyard::kernels
