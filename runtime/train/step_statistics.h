// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// What a step observes, gathered so that no figure depends on the layout:
// losses are kept per micro-batch, in double, and added in the order of
// micro-batches; counts are integers. `layers` are those with experts, numbered
// from 0 in their order (Transformer::expert_layers).
#ifndef SWITCHYARD_RUNTIME_TRAIN_STEP_STATISTICS_H_
#define SWITCHYARD_RUNTIME_TRAIN_STEP_STATISTICS_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "switchyard/base/storage.h"
#include "switchyard/base/stream.h"
#include "switchyard/comm/communicator.h"
#include "switchyard/runtime/moe/routing.h"

namespace switchyard {

class StepStatistics {
 public:
  StepStatistics(Stream& stream, comm::Communicator& world,
                 int64_t micro_batches, int layers, int experts);

  // Before the forward passes: what each micro-batch of this rank holds.
  void Clear();
  void SetTokens(int64_t micro_batch, int64_t labels, int64_t valid);
  // Makes the numbers of all ranks known to all. `failed`: this rank could not
  // get its data; then every rank learns it.
  absl::Status ShareTokens(bool failed);
  bool any_rank_failed() const { return tokens_.back() > 0; }
  int64_t labels(int64_t micro_batch) const { return tokens_[2 * micro_batch]; }
  int64_t valid(int64_t micro_batch) const {
    return tokens_[2 * micro_batch + 1];
  }
  int64_t total_labels() const;
  int64_t total_valid() const;

  // Where the operators of a micro-batch write: fp64 [1], and [layers, 2] for
  // balance and z, and for the balance of device groups and of communication.
  TensorView LossSlot(int64_t micro_batch) const;
  TensorView RouterLossSlot(int64_t micro_batch) const;
  TensorView DeviceLossSlot(int64_t micro_batch) const;
  // Of one layer (kernels/routing_statistics.h): fp64 [1], and int64 [3] that
  // all micro-batches of this rank add to.
  TensorView EntropySlot(int64_t micro_batch, int layer) const;
  TensorView PairSlot(int layer) const;
  void AddRouting(int layer, const Routing& routing);

  // After the passes: sums over all ranks.
  absl::Status ShareResults();
  double loss_sum() const;  // of token losses
  // Sums over layers, micro-batches weighted by their share of valid tokens;
  // without coefficient.
  double balance() const;
  double z() const;
  double device_balance() const;
  double communication_balance() const;
  int64_t dropped() const;       // assignments
  double dropped_share() const;  // of the assignments
  int64_t dead_experts() const;  // without an assignment, of all layers
  // The largest over layers of (largest load of an expert) / (mean load).
  double max_load() const;
  // [layers, experts]: assignments before dropping and rows that were kept;
  // then, by the expert that was chosen, assignments that it had no room for,
  // those of them that another expert took, and tokens that lost all they were
  // assigned to (moe/routing.h).
  absl::Span<const int64_t> assigned() const { return Counts(kAssigned); }
  absl::Span<const int64_t> kept() const { return Counts(kKept); }
  absl::Span<const int64_t> over_capacity() const {
    return Counts(kOverCapacity);
  }
  absl::Span<const int64_t> rerouted() const { return Counts(kRerouted); }
  absl::Span<const int64_t> lost_tokens() const { return Counts(kLostTokens); }

  // int64 [experts] of the device: those assigned in a layer.
  ConstTensorView AssignedView(int layer) const;

  // The same of one layer: [experts], and losses without coefficient.
  absl::Span<const int64_t> assigned(int layer) const;
  absl::Span<const int64_t> kept(int layer) const;
  absl::Span<const int64_t> over_capacity(int layer) const;
  absl::Span<const int64_t> rerouted(int layer) const;
  absl::Span<const int64_t> lost_tokens(int layer) const;
  double balance(int layer) const;
  double z(int layer) const;
  // Kept assignments whose expert is on another rank than their token.
  int64_t sent(int layer) const;
  // 0 where no operator wrote into the slots.
  double entropy_sum(int layer) const;  // over valid tokens, in nats
  // Neighbours, those with the same first choice, and those whose two best
  // choices meet.
  absl::Span<const int64_t> pairs(int layer) const;

 private:
  // Parts of counts_.
  enum Count {
    kAssigned,
    kKept,
    kOverCapacity,
    kRerouted,
    kLostTokens,
    kCounts
  };
  absl::Span<const int64_t> Counts(Count which) const;
  absl::Span<const int64_t> Counts(Count which, int layer) const;
  // By micro-batch: the loss; balance and z by layer; those of devices and of
  // communication by layer; entropies by layer.
  int64_t loss_columns() const { return 1 + 5 * int64_t{layers_}; }
  double Loss(int64_t micro_batch, int64_t column) const {
    return host_losses_[micro_batch * loss_columns() + column];
  }
  // What the operators count on the device comes after what the host does.
  int64_t host_counts() const {
    return kCounts * int64_t{layers_} * experts_ + layers_;
  }
  // Of the layers' columns `which`, `which` + 2 and so on.
  double WeightedRouterLoss(int which) const;
  double WeightedRouterLoss(int layer, int which) const;

  Stream& stream_;
  comm::Communicator& world_;
  const int64_t micro_batches_;
  const int layers_;
  const int experts_;
  Storage storage_;
  TensorView losses_;       // fp64 [micro-batches, 1 + 5 · layers]
  TensorView counts_view_;  // int64: that of counts_
  TensorView tokens_view_;  // int64 [2 · micro-batches + 1]
  std::vector<double> host_losses_;
  // [kCounts, layers, experts]; sent by layer; pairs, [layers, 3].
  std::vector<int64_t> counts_;
  std::vector<int64_t> tokens_;  // labels and valid by micro-batch; failures
};

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_TRAIN_STEP_STATISTICS_H_
