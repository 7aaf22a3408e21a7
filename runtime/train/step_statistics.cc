// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/train/step_statistics.h"

#include <algorithm>

#include "switchyard/base/status.h"

namespace switchyard {

StepStatistics::StepStatistics(Stream& stream, comm::Communicator& world,
                               int64_t micro_batches, int layers, int experts)
    : stream_(stream),
      world_(world),
      micro_batches_(micro_batches),
      layers_(layers),
      experts_(experts),
      host_losses_(micro_batches * loss_columns()),
      counts_(host_counts() + 3 * int64_t{layers}),
      tokens_(2 * micro_batches + 1) {
  const int64_t losses = static_cast<int64_t>(host_losses_.size());
  const int64_t counts = static_cast<int64_t>(counts_.size());
  const int64_t tokens = static_cast<int64_t>(tokens_.size());
  storage_ =
      Storage(stream.device(), DType::kInt64, {losses + counts + tokens});
  losses_ = storage_.View(DType::kFloat64, {micro_batches, loss_columns()});
  counts_view_ =
      storage_.View(DType::kInt64, {counts}, losses * sizeof(double));
  tokens_view_ = storage_.View(DType::kInt64, {tokens},
                               (losses + counts) * sizeof(int64_t));
}

void StepStatistics::Clear() {
  std::fill(tokens_.begin(), tokens_.end(), 0);
  std::fill(counts_.begin(), counts_.end(), 0);
  stream_.Zero(losses_);
  stream_.Zero(counts_view_);
}

void StepStatistics::SetTokens(int64_t micro_batch, int64_t labels,
                               int64_t valid) {
  tokens_[2 * micro_batch] = labels;
  tokens_[2 * micro_batch + 1] = valid;
}

absl::Status StepStatistics::ShareTokens(bool failed) {
  tokens_.back() = failed ? 1 : 0;
  stream_.CopyToDevice(tokens_view_, tokens_.data());
  SWITCHYARD_RETURN_IF_ERROR(world_
                                 .AllReduce(stream_, tokens_view_,
                                            comm::ReduceOp::kSum,
                                            {-1, "tokens"})
                                 .Wait());
  stream_.CopyToHost(tokens_.data(), tokens_view_);
  return comm::WaitForResults(stream_, world_);
}

int64_t StepStatistics::total_labels() const {
  int64_t total = 0;
  for (int64_t i = 0; i < micro_batches_; ++i) total += labels(i);
  return total;
}

int64_t StepStatistics::total_valid() const {
  int64_t total = 0;
  for (int64_t i = 0; i < micro_batches_; ++i) total += valid(i);
  return total;
}

TensorView StepStatistics::LossSlot(int64_t micro_batch) const {
  return losses_.Rows(micro_batch, micro_batch + 1).Columns(0, 1).Reshaped({1});
}

TensorView StepStatistics::RouterLossSlot(int64_t micro_batch) const {
  return losses_.Rows(micro_batch, micro_batch + 1)
      .Columns(1, 1 + 2 * layers_)
      .Reshaped({layers_, 2});
}

TensorView StepStatistics::DeviceLossSlot(int64_t micro_batch) const {
  return losses_.Rows(micro_batch, micro_batch + 1)
      .Columns(1 + 2 * layers_, 1 + 4 * layers_)
      .Reshaped({layers_, 2});
}

TensorView StepStatistics::EntropySlot(int64_t micro_batch, int layer) const {
  const int64_t column = 1 + 4 * int64_t{layers_} + layer;
  return losses_.Rows(micro_batch, micro_batch + 1)
      .Columns(column, column + 1)
      .Reshaped({1});
}

TensorView StepStatistics::PairSlot(int layer) const {
  const int64_t first = host_counts() + 3 * int64_t{layer};
  return counts_view_.Rows(first, first + 3);
}

void StepStatistics::AddRouting(int layer, const Routing& routing) {
  const absl::Span<const int32_t> counts[kCounts] = {
      routing.assigned, routing.kept, routing.over_capacity, routing.rerouted,
      routing.lost_tokens};
  for (int which = 0; which < kCounts; ++which) {
    int64_t* sums =
        counts_.data() + (int64_t{which} * layers_ + layer) * experts_;
    for (int expert = 0; expert < experts_; ++expert) {
      sums[expert] += counts[which][expert];
    }
  }
  counts_[kCounts * int64_t{layers_} * experts_ + layer] +=
      routing.outgoing_rows;
}

absl::Status StepStatistics::ShareResults() {
  stream_.CopyToDevice(counts_view_.Rows(0, host_counts()), counts_.data());
  comm::Ticket counts = world_.AllReduce(stream_, counts_view_,
                                         comm::ReduceOp::kSum, {-1, "counts"});
  absl::Status status = counts.Wait();
  // A micro-batch has one rank: all other addends are zero, and the sum exact.
  comm::Ticket losses =
      world_.AllReduce(stream_, losses_, comm::ReduceOp::kSum, {-1, "losses"});
  status.Update(losses.Wait());
  SWITCHYARD_RETURN_IF_ERROR(status);
  stream_.CopyToHost(counts_.data(), counts_view_);
  stream_.CopyToHost(host_losses_.data(), losses_);
  return comm::WaitForResults(stream_, world_);
}

double StepStatistics::loss_sum() const {
  double sum = 0.0;
  for (int64_t i = 0; i < micro_batches_; ++i) sum += Loss(i, 0);
  return sum;
}

double StepStatistics::WeightedRouterLoss(int which) const {
  const double total = static_cast<double>(total_valid());
  double sum = 0.0;
  if (total == 0.0) return sum;
  for (int64_t i = 0; i < micro_batches_; ++i) {
    const double weight = static_cast<double>(valid(i)) / total;
    for (int layer = 0; layer < layers_; ++layer) {
      sum += weight * Loss(i, 1 + 2 * layer + which);
    }
  }
  return sum;
}

double StepStatistics::WeightedRouterLoss(int layer, int which) const {
  const double total = static_cast<double>(total_valid());
  double sum = 0.0;
  if (total == 0.0) return sum;
  for (int64_t i = 0; i < micro_batches_; ++i) {
    const double weight = static_cast<double>(valid(i)) / total;
    sum += weight * Loss(i, 1 + 2 * layer + which);
  }
  return sum;
}

double StepStatistics::balance() const { return WeightedRouterLoss(0); }
double StepStatistics::z() const { return WeightedRouterLoss(1); }

double StepStatistics::balance(int layer) const {
  return WeightedRouterLoss(layer, 0);
}
double StepStatistics::z(int layer) const {
  return WeightedRouterLoss(layer, 1);
}

double StepStatistics::device_balance() const {
  return WeightedRouterLoss(2 * layers_);
}
double StepStatistics::communication_balance() const {
  return WeightedRouterLoss(2 * layers_ + 1);
}

double StepStatistics::entropy_sum(int layer) const {
  double sum = 0.0;
  for (int64_t i = 0; i < micro_batches_; ++i) {
    sum += Loss(i, 1 + 4 * int64_t{layers_} + layer);
  }
  return sum;
}

ConstTensorView StepStatistics::AssignedView(int layer) const {
  const int64_t begin = int64_t{layer} * experts_;
  return counts_view_.Rows(begin, begin + experts_);
}

absl::Span<const int64_t> StepStatistics::Counts(Count which) const {
  const int64_t size = int64_t{layers_} * experts_;
  return absl::MakeSpan(counts_).subspan(which * size, size);
}

absl::Span<const int64_t> StepStatistics::Counts(Count which, int layer) const {
  return Counts(which).subspan(int64_t{layer} * experts_, experts_);
}

absl::Span<const int64_t> StepStatistics::assigned(int layer) const {
  return Counts(kAssigned, layer);
}

absl::Span<const int64_t> StepStatistics::kept(int layer) const {
  return Counts(kKept, layer);
}

absl::Span<const int64_t> StepStatistics::over_capacity(int layer) const {
  return Counts(kOverCapacity, layer);
}

absl::Span<const int64_t> StepStatistics::rerouted(int layer) const {
  return Counts(kRerouted, layer);
}

absl::Span<const int64_t> StepStatistics::lost_tokens(int layer) const {
  return Counts(kLostTokens, layer);
}

int64_t StepStatistics::sent(int layer) const {
  return counts_[kCounts * int64_t{layers_} * experts_ + layer];
}

absl::Span<const int64_t> StepStatistics::pairs(int layer) const {
  return absl::MakeSpan(counts_).subspan(host_counts() + 3 * int64_t{layer}, 3);
}

int64_t StepStatistics::dropped() const {
  int64_t dropped = 0;
  for (int64_t count : assigned()) dropped += count;
  for (int64_t count : kept()) dropped -= count;
  return dropped;
}

double StepStatistics::dropped_share() const {
  int64_t sum = 0;
  for (int64_t count : assigned()) sum += count;
  if (sum == 0) return 0.0;
  return static_cast<double>(dropped()) / static_cast<double>(sum);
}

int64_t StepStatistics::dead_experts() const {
  return std::count(assigned().begin(), assigned().end(), 0);
}

double StepStatistics::max_load() const {
  double result = 0.0;
  for (int layer = 0; layer < layers_; ++layer) {
    int64_t sum = 0, largest = 0;
    for (int64_t load : assigned(layer)) {
      sum += load;
      largest = std::max(largest, load);
    }
    if (sum == 0) continue;
    result = std::max(result, static_cast<double>(largest) * experts_ /
                                  static_cast<double>(sum));
  }
  return result;
}

}  // namespace switchyard
