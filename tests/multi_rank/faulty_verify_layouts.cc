// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// `switchyard verify-layouts` of a trainer with a fault: rank 1 adds 1/4 to
// element 7 of the head's gradient in its third micro-batch.
#include <memory>
#include <string>
#include <vector>

#include "switchyard/launch/commands/verify_layouts.h"

namespace switchyard {
namespace {

class FaultyLoss : public NextTokenLoss {
 public:
  FaultyLoss(const Parameter& head, int rank)
      : NextTokenLoss(head), head_(head), rank_(rank) {}
  void EvaluateWithGradient(const Execution& run, const TokenBatch& batch,
                            const ConstTensorView& hidden, float scale,
                            const TensorView& loss_sum,
                            const TensorView& dhidden) const override {
    NextTokenLoss::EvaluateWithGradient(run, batch, hidden, scale, loss_sum,
                                        dhidden);
    if (++micro_batches_ != 3 || rank_ != 1) return;
    constexpr int64_t kQuarter = int64_t{1} << 42;  // in units of 2^-44
    run.stream.Wait();
    head_.gradient.sum.data<int64_t>()[7] += kQuarter;
  }

 private:
  const Parameter& head_;
  const int rank_;
  mutable int micro_batches_ = 0;
};

TrainerParts FaultyParts(const comm::Communicator& world) {
  TrainerParts parts;
  parts.make_loss = [rank = world.rank()](const Transformer& model) {
    return std::make_unique<FaultyLoss>(model.head(), rank);
  };
  return parts;
}

}  // namespace
}  // namespace switchyard

// `arguments` begin with the subcommand, as the command's do.
int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 2, argv + argc);
  return switchyard::launch::VerifyLayouts(arguments, switchyard::FaultyParts);
}
