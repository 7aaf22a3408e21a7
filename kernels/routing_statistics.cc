// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/routing_statistics.h"

#include "switchyard/kernels/checks.h"
#include "switchyard/kernels/cpu/routing_statistics.h"
#include "switchyard/kernels/cuda/routing_statistics.h"

namespace switchyard::kernels {

void RoutingStatistics(Stream& stream, const RoutingStatisticsArgs& args) {
  CheckRank(args.probabilities, 2);
  CheckRank(args.experts, 2);
  const Shape& shape = args.probabilities.shape();
  CheckTensor("probabilities", args.probabilities, DType::kFloat32, shape);
  CheckTensor("experts", args.experts, DType::kInt32,
              {shape[0], args.experts.dim(1)});
  CheckPacked("valid", args.valid, DType::kUInt8, {shape[0]});
  CheckPacked("entropy", args.entropy, DType::kFloat64, {1});
  CheckPacked("pairs", args.pairs, DType::kInt64, {3});
  SWITCHYARD_CHECK(args.experts.dim(1) >= 1 && args.sequence_length >= 1 &&
                   shape[0] % args.sequence_length == 0)
      << "expected whole sequences of " << args.sequence_length
      << " tokens with a choice each, found experts "
      << args.experts.shape().ToString();
  SWITCHYARD_RETURN_IF_CUDA(stream, cuda::RoutingStatistics(stream, args));
  const int threads = stream.device().threads();
  stream.Enqueue([args, threads] { cpu::RoutingStatistics(args, threads); });
}

void ValueRange(Stream& stream, const ValueRangeArgs& args) {
  CheckRank(args.values, 1);
  CheckPacked("values", args.values, DType::kFloat32, args.values.shape());
  CheckPacked("range", args.range, DType::kFloat32, {2});
  SWITCHYARD_CHECK(args.values.dim(0) > 0) << "expected a value, found none";
  SWITCHYARD_RETURN_IF_CUDA(stream, cuda::ValueRange(stream, args));
  stream.Enqueue([args] { cpu::ValueRange(args); });
}

}  // namespace switchyard::kernels
