// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/balance_loss.h"

#include "switchyard/kernels/checks.h"
#include "switchyard/kernels/cpu/balance_loss.h"
#include "switchyard/kernels/cuda/balance_loss.h"

namespace switchyard::kernels {
namespace {

// Of [sequences, experts + devices] for so many tokens and experts.
void CheckCounts(const ConstTensorView& counts, int64_t tokens,
                 int64_t experts) {
  CheckRank(counts, 2);
  CheckPacked("counts", counts, DType::kInt64, counts.shape());
  const int64_t sequences = counts.dim(0);
  const int64_t devices = counts.dim(1) - experts;
  SWITCHYARD_CHECK(sequences > 0 && tokens % sequences == 0)
      << "expected sequences that divide " << tokens << " tokens, found "
      << sequences;
  SWITCHYARD_CHECK(devices == 0 || (devices > 0 && experts % devices == 0))
      << "expected devices that divide " << experts << " experts, found "
      << devices;
}

}  // namespace

void ExpertCounts(Stream& stream, const ExpertCountsArgs& args) {
  CheckRank(args.experts, 2);
  CheckRank(args.counts, 2);
  const Shape& shape = args.experts.shape();
  CheckTensor("experts", args.experts, DType::kInt32, shape);
  CheckPacked("valid", args.valid, DType::kUInt8, {shape[0]});
  CheckCounts(args.counts, shape[0], args.counts.dim(1) - args.devices);
  SWITCHYARD_CHECK(0 <= args.choices && args.choices <= shape[1])
      << "expected at most " << shape[1] << " choices, found " << args.choices;
  SWITCHYARD_RETURN_IF_CUDA(stream, cuda::ExpertCounts(stream, args));
  const int threads = stream.device().threads();
  stream.Enqueue([args, threads] { cpu::ExpertCounts(args, threads); });
}

void BalanceLoss(Stream& stream, const BalanceLossArgs& args) {
  CheckRank(args.probabilities, 2);
  const Shape& shape = args.probabilities.shape();
  CheckTensor("probabilities", args.probabilities, DType::kFloat32, shape);
  CheckPacked("logsumexp", args.logsumexp, DType::kFloat32, {shape[0]});
  CheckPacked("valid", args.valid, DType::kUInt8, {shape[0]});
  CheckCounts(args.counts, shape[0], shape[1]);
  SWITCHYARD_CHECK(args.counts.dim(1) == shape[1] ||
                   (args.counted_choices > 0.0 && args.devices_per_token > 0.0))
      << "expected what a token chooses, found " << args.counted_choices
      << " choices on " << args.devices_per_token << " devices";
  CheckPacked("losses", args.losses, DType::kFloat64, {2});
  if (args.device_losses.defined()) {
    CheckPacked("device_losses", args.device_losses, DType::kFloat64, {2});
  }
  CheckPacked("balance_gradient", args.balance_gradient, DType::kFloat32,
              {args.counts.dim(0), shape[1]});
  SWITCHYARD_RETURN_IF_CUDA(stream, cuda::BalanceLoss(stream, args));
  const int threads = stream.device().threads();
  stream.Enqueue([args, threads] { cpu::BalanceLoss(args, threads); });
}

}  // namespace switchyard::kernels
