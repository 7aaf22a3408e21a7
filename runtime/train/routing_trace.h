// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Writes a run's routing into a file (routing_file.h). Rank 0 gets every
// rank's, round by round, which is the order of micro-batches: so the file is
// the same in every layout.
#ifndef SWITCHYARD_RUNTIME_TRAIN_ROUTING_TRACE_H_
#define SWITCHYARD_RUNTIME_TRAIN_ROUTING_TRACE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "switchyard/base/storage.h"
#include "switchyard/base/stream.h"
#include "switchyard/comm/communicator.h"
#include "switchyard/runtime/moe/moe_layer.h"
#include "switchyard/runtime/train/routing_file.h"

namespace switchyard {

class RoutingTrace {
 public:
  // An error if Create would meet one on rank 0. Leaves no file behind.
  static absl::Status CheckPath(const std::string& path);

  // Of options.routing_trace; on rank 0 an error if that file exists or cannot
  // be made. Not a collective call. `world` and `stream` must outlive it.
  static absl::StatusOr<std::unique_ptr<RoutingTrace>> Create(
      const TrainOptions& options, comm::Communicator& world, Stream& stream);
  // Removes a file into which no step was written.
  ~RoutingTrace();

  // Keeps what was decided about a micro-batch of this rank's, until its step
  // is written.
  void Keep(int64_t micro_batch,
            absl::Span<MoeLayer::Decision* const> decisions);

  // Hands the step's micro-batches to rank 0, which writes them. A collective
  // call. `file_error`: what rank 0 alone met; then nothing of the step stays
  // in the file.
  absl::Status Write(int64_t step, absl::Status* file_error);

 private:
  RoutingTrace(const TrainOptions& options, comm::Communicator& world,
               Stream& stream);
  bool writes() const { return world_.rank() == 0; }
  // Rounds of one micro-batch a rank that a step has, and the micro-batches of
  // one: number `round` · ranks and the following.
  int64_t rounds() const;
  int64_t Present(int64_t round) const;
  // This rank's of the round.
  TensorView Own(int64_t round) const {
    return own_.Rows(round, round + 1).Reshaped({own_.dim(1)});
  }
  absl::Status Open();
  absl::Status Collect(int64_t round);
  absl::Status WriteRound(int64_t step, int64_t round);
  absl::Status WriteBytes(absl::string_view bytes);

  const std::string path_;
  const RoutingHeader header_;
  comm::Communicator& world_;
  Stream& stream_;
  Storage storage_;
  TensorView own_;       // int32 [rounds, payload / 4]
  TensorView received_;  // int32 [ranks · payload / 4], of a round, on rank 0
  std::vector<comm::Block> sent_blocks_, received_blocks_;
  std::vector<char> blocks_;  // as they are in the file, on rank 0
  std::vector<char> payloads_;
  int file_ = -1;
  int64_t whole_bytes_ = 0;  // of the header and of whole steps
  int64_t header_bytes_ = 0;
};

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_TRAIN_ROUTING_TRACE_H_
