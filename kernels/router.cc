// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/router.h"

#include "switchyard/kernels/checks.h"
#include "switchyard/kernels/cpu/router.h"
#include "switchyard/kernels/cuda/router.h"

namespace switchyard::kernels {
namespace {

// fp32 [tokens, experts], with at least k experts, and [tokens, k].
void CheckShapes(const ConstTensorView& probabilities,
                 const ConstTensorView& experts) {
  SWITCHYARD_CHECK(probabilities.shape().rank() == 2 &&
                   experts.shape().rank() == 2)
      << "expected [tokens, experts] and [tokens, k], got "
      << probabilities.shape().ToString() << " and "
      << experts.shape().ToString();
  SWITCHYARD_CHECK(1 <= experts.dim(1) &&
                   experts.dim(1) <= probabilities.dim(1))
      << "cannot choose " << experts.dim(1) << " of " << probabilities.dim(1)
      << " experts";
}

void CheckGates(const RouterRule& rule, int64_t k) {
  SWITCHYARD_CHECK(rule.gates != GateNormalization::kSoftmax ||
                   (rule.scoring == RouterScoring::kSoftmax && k >= 2))
      << "gates by a softmax over the chosen logits need softmax scoring and "
         "two choices, got "
      << k;
}

void CheckGroups(const RouterRule& rule, int64_t experts, int64_t k) {
  SWITCHYARD_CHECK(1 <= rule.groups && experts % rule.groups == 0 &&
                   1 <= rule.groups_per_token &&
                   rule.groups_per_token <= rule.groups)
      << "cannot choose " << rule.groups_per_token << " of " << rule.groups
      << " groups of " << experts << " experts";
  const int64_t size = experts / rule.groups;
  SWITCHYARD_CHECK(k <= rule.groups_per_token * size)
      << "cannot choose " << k << " experts from " << rule.groups_per_token
      << " groups of " << size;
  SWITCHYARD_CHECK(rule.groups == 1 || size >= 2 ||
                   rule.group_score != GroupScore::kSumOfTwo)
      << "a group of one expert has no two best";
}

}  // namespace

void Router(Stream& stream, const RouterArgs& args) {
  CheckShapes(args.logits, args.experts);
  const Shape& all = args.logits.shape();
  const Shape chosen = {all[0], args.experts.dim(1)};
  CheckGates(args.rule, chosen[1]);
  CheckGroups(args.rule, all[1], chosen[1]);
  CheckTensor("logits", args.logits, DType::kFloat32, all);
  if (args.selection_bias.defined()) {
    CheckPacked("selection_bias", args.selection_bias, DType::kFloat32,
                {all[1]});
  }
  if (args.selection_noise.defined()) {
    CheckTensor("selection_noise", args.selection_noise, DType::kFloat32, all);
  }
  CheckTensor("probabilities", args.probabilities, DType::kFloat32, all);
  CheckPacked("logsumexp", args.logsumexp, DType::kFloat32, {all[0]});
  CheckTensor("experts", args.experts, DType::kInt32, chosen);
  CheckTensor("gates", args.gates, DType::kFloat32, chosen);
  if (args.replayed.defined()) {
    CheckTensor("replayed", args.replayed, DType::kInt32, chosen);
  }
  SWITCHYARD_RETURN_IF_CUDA(stream, cuda::Router(stream, args));
  const int threads = stream.device().threads();
  stream.Enqueue([args, threads] { cpu::Router(args, threads); });
}

void RouterBackward(Stream& stream, const RouterBackwardArgs& args) {
  CheckShapes(args.probabilities, args.experts);
  const Shape& all = args.probabilities.shape();
  const Shape chosen = {all[0], args.experts.dim(1)};
  CheckGates(args.rule, chosen[1]);
  if (args.rule.scoring == RouterScoring::kSigmoid) {
    CheckTensor("logits", args.logits, DType::kFloat32, all);
  }
  CheckTensor("probabilities", args.probabilities, DType::kFloat32, all);
  CheckPacked("logsumexp", args.logsumexp, DType::kFloat32, {all[0]});
  CheckTensor("experts", args.experts, DType::kInt32, chosen);
  CheckTensor("gates", args.gates, DType::kFloat32, chosen);
  CheckTensor("dgates", args.dgates, DType::kFloat32, chosen);
  CheckPacked("valid", args.valid, DType::kUInt8, {all[0]});
  if (args.balance_gradient.defined()) {
    CheckRank(args.balance_gradient, 2);
    const int64_t sequences = args.balance_gradient.dim(0);
    SWITCHYARD_CHECK(sequences > 0 && all[0] % sequences == 0)
        << "expected sequences that divide " << all[0] << " tokens, found "
        << sequences;
    CheckPacked("balance_gradient", args.balance_gradient, DType::kFloat32,
                {sequences, all[1]});
  }
  CheckTensor("dlogits", args.dlogits, DType::kFloat32, all);
  SWITCHYARD_RETURN_IF_CUDA(stream, cuda::RouterBackward(stream, args));
  const int threads = stream.device().threads();
  stream.Enqueue([args, threads] { cpu::RouterBackward(args, threads); });
}

}  // namespace switchyard::kernels
