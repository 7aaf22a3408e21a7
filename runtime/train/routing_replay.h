// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Reads the file of another run's routing (routing_file.h): the experts that
// tokens go to instead of those that their router would choose. Gates are the
// router's own, made from its scores of those experts, so it still learns.
// Files are hostile until checked.
#ifndef SWITCHYARD_RUNTIME_TRAIN_ROUTING_REPLAY_H_
#define SWITCHYARD_RUNTIME_TRAIN_ROUTING_REPLAY_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "switchyard/runtime/train/routing_file.h"

namespace switchyard {

class RoutingReplay {
 public:
  // Of options.routing_replay. An error if the file is none, is cut or comes
  // from a run of other sizes or of fewer steps.
  static absl::StatusOr<std::unique_ptr<RoutingReplay>> Open(
      const TrainOptions& options);
  ~RoutingReplay();

  // The experts of a micro-batch of step `step`, which counts from 1: int32
  // [layers, tokens, k]. An error if the file was damaged.
  absl::Status Read(int64_t step, int64_t micro_batch,
                    std::vector<int32_t>* experts);

  // Tells this file from others, also of the same model and sizes.
  uint64_t identity() const { return identity_; }

 private:
  RoutingReplay(std::string path, int file)
      : path_(std::move(path)), file_(file) {}
  absl::Status ReadHeader(const TrainOptions& options);
  absl::Status CheckSizes(const RoutingSizes& wanted) const;
  absl::Status CheckSteps(int64_t file_bytes, int64_t wanted);
  absl::Status Identify(int64_t file_bytes);
  absl::Status ReadBytes(int64_t offset, int64_t count, char* bytes) const;
  absl::Status Error(absl::string_view sentence) const;

  const std::string path_;
  const int file_;
  RoutingSizes sizes_;
  int64_t header_bytes_ = 0;
  uint64_t identity_ = 0;
  std::vector<char> block_;
};

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_TRAIN_ROUTING_REPLAY_H_
