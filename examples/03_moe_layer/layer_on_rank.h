// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// One rank's part of a mixture-of-experts layer, and what goes through it.
#ifndef SWITCHYARD_EXAMPLES_03_MOE_LAYER_LAYER_ON_RANK_H_
#define SWITCHYARD_EXAMPLES_03_MOE_LAYER_LAYER_ON_RANK_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "switchyard/base/arena.h"
#include "switchyard/base/cpu/cpu_device.h"
#include "switchyard/comm/communicator.h"
#include "switchyard/runtime/moe/moe_layer.h"
#include "switchyard/runtime/parallel/grid.h"

namespace switchyard::examples {

inline constexpr int kMicroBatches = 4;
inline constexpr int kTokens = 128;  // of a micro-batch

// What came out. Checksums are of a tensor's bits.
struct Results {
  std::vector<int64_t> outputs;           // by micro-batch
  std::vector<int64_t> input_gradients;   // by micro-batch
  std::vector<int64_t> weight_gradients;  // summed ones, by parameter
  std::vector<int64_t> loads;             // assignments, by expert
  std::vector<int64_t> received_rows;     // by rank
};

class LayerOnRank {
 public:
  // A collective call; `width` divides the ranks and the experts.
  static absl::StatusOr<std::unique_ptr<LayerOnRank>> Create(
      comm::Communicator& world, int width);

  // All micro-batches, in rounds of one for each rank, then the sums over
  // ranks. The same results on every rank. A collective call.
  absl::StatusOr<Results> Run();

 private:
  explicit LayerOnRank(Grid grid);

  absl::Status RunMicroBatch(int micro_batch, Results& results);
  absl::Status SumGradients(Results& results);
  absl::Status SumOverRanks(std::vector<int64_t>& values);
  int64_t ChecksumOf(const ConstTensorView& tensor);

  CpuDevice device_;
  const std::unique_ptr<Stream> stream_;
  Arena arena_;
  Arena decision_arena_;
  Arena host_arena_;
  const Grid grid_;
  ParameterStore store_;
  std::unique_ptr<MoeLayer> layer_;
};

}  // namespace switchyard::examples

#endif  // SWITCHYARD_EXAMPLES_03_MOE_LAYER_LAYER_ON_RANK_H_
