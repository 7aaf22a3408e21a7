// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// AdamW whose state is cut over the ranks that hold the same parameters. Each
// rank reduces gradients into its shard, updates it, and all ranks gather the
// new weights.
//
//   ShardedAdamW optimizer(stream, grid, store, options, seed);
//   ...  // forward and backward passes add to the gradients; in the last one
//        // of a step the optimizer may listen (Execution::listener), so that
//        // a layer's gradients travel while the layers below compute
//   SWITCHYARD_ASSIGN_OR_RETURN(const GradientReport report,
//                               optimizer.ReduceGradients());
//   SWITCHYARD_RETURN_IF_ERROR(optimizer.Update(learning_rate, report.norm));
#ifndef SWITCHYARD_RUNTIME_OPTIM_SHARDED_ADAMW_H_
#define SWITCHYARD_RUNTIME_OPTIM_SHARDED_ADAMW_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "switchyard/base/storage.h"
#include "switchyard/base/stream.h"
#include "switchyard/kernels/adamw.h"
#include "switchyard/runtime/nn/execution.h"
#include "switchyard/runtime/nn/parameter.h"
#include "switchyard/runtime/optim/shard_layout.h"
#include "switchyard/runtime/optim/state_visitor.h"

namespace switchyard {

struct AdamWOptions {
  double beta1 = 0.9;
  double beta2 = 0.95;
  double eps = 1e-8;
  double weight_decay = 0.1;  // on matrices
  bool decay_norms = false;   // on norms and biases too
  double clip_norm = 0.0;     // 0: no clipping
  int fraction_bits = 44;     // of gradient sums
};

// What all ranks know of the reduced gradient.
struct GradientReport {
  double norm = 0.0;  // of the whole gradient, each parameter once
  // Elements that were not finite or too large, of all ranks. The gradient is
  // not to be used unless it is 0. Of sums in fp32: norm chunks that are not
  // finite.
  int64_t refused = 0;
  std::string parameter;  // the first that had one
  int rank = -1;          // the first rank that met one in it; -1: not known
};

class ShardedAdamW : public BackwardListener {
 public:
  // Call after store.Initialize: master weights of bf16 parameters are their
  // initial values before rounding.
  ShardedAdamW(Stream& stream, const Grid& grid, ParameterStore& store,
               const AdamWOptions& options, uint64_t seed);

  // Starts the reduction of the buckets that are complete. A collective call.
  absl::Status GradientsComplete(int first) override;
  void Poll() override;

  // Sums gradients over ranks, each rank its shard: those that the backward
  // pass has not told of, and waits for all. A collective call.
  absl::StatusOr<GradientReport> ReduceGradients();

  // One update with the reduced gradient, clipped to clip_norm by `norm`; then
  // all ranks get the new weights. `learning_rate` is rank 0's. A collective
  // call.
  absl::Status Update(double learning_rate, double norm);

  int64_t updates() const { return updates_; }
  // Elements whose state this rank holds.
  int64_t own_element_count() const;
  int64_t state_bytes() const;

  // Shows all weights that this rank holds, its shard of the moments and
  // masters, and the numbers. When no collective is under way; not a collective
  // call.
  absl::Status VisitState(StateVisitor& visitor);

  // Shows this rank's shard of the gradients, by their parameters' names:
  // int64 or fp32, the sums over all ranks once ReduceGradients has returned
  // and until they are zeroed. Ranges begin and end where norm chunks do, and
  // every element is shown by one rank. Not a collective call.
  absl::Status VisitGradients(StateVisitor& visitor);

 private:
  struct Shard {
    ParameterGroup* group = nullptr;
    ShardLayout layout;
    // Buckets of this step whose reduction has not started: the first ones, for
    // a backward pass ends with the first parameters.
    size_t waiting_buckets = 0;
    Storage storage;
    TensorView m, v;    // fp32 [own elements]
    TensorView master;  // likewise; undefined where weights are fp32
  };
  Shard MakeShard(ParameterGroup& group, uint64_t seed);
  absl::Status StartReduction(Shard& shard, const Bucket& bucket);
  absl::Status FinishReduction();
  absl::Status GatherShard(Shard& shard);
  absl::StatusOr<double> GradientNorm();
  absl::Status CountRefused(GradientReport& report);
  void FindBrokenSums(GradientReport& report) const;
  absl::StatusOr<double> FromRankZero(double value);
  kernels::AdamWSettings Settings(double learning_rate, double norm) const;
  static absl::Status VisitWeights(const Shard& shard, StateVisitor& visitor);
  static absl::Status VisitMoments(const Shard& shard, StateVisitor& visitor);
  void UpdateShard(const Shard& shard,
                   const kernels::AdamWSettings& settings) const;

  Stream& stream_;
  comm::Communicator& world_;
  ParameterStore& store_;
  AdamWOptions options_;
  int64_t updates_ = 0;
  double beta1_power_ = 1.0;  // beta1 to the power of updates_
  double beta2_power_ = 1.0;
  // Reductions under way, the oldest at started_ modulo their number: a few,
  // for a library that moves them in its calls. On a GPU there is room for all:
  // to wait for one would hold back the backward pass.
  std::vector<comm::Ticket> reductions_;
  size_t started_ = 0;
  std::vector<Shard> shards_;
  std::vector<ConstTensorView> chunks_;  // of gradients that this rank owns
  std::vector<int64_t> chunk_places_;    // their numbers among those of all
  Storage chunk_sum_storage_;
  TensorView chunk_sums_;  // fp64 [chunks of all parameters]
  std::vector<double> host_chunk_sums_;
  Storage total_refused_storage_;
  TensorView total_refused_;  // int64 [parameters]
  std::vector<int64_t> host_refused_;
  std::vector<int64_t> host_total_refused_;
};

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_OPTIM_SHARDED_ADAMW_H_
