// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/train/routing_files.h"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "switchyard/base/status.h"
#include "switchyard/runtime/parallel/agreement.h"
#include "switchyard/runtime/train/routing_trace.h"

namespace switchyard {
namespace {

std::string FileText(int64_t identity) {
  if (identity == 0) return "none";
  return absl::StrCat("one of checksum ", absl::Hex(identity));
}

}  // namespace

absl::StatusOr<std::unique_ptr<RoutingReplay>> OpenReplay(
    const TrainOptions& options, comm::Communicator& world) {
  std::unique_ptr<RoutingReplay> replay;
  absl::Status status;
  if (!options.routing_replay.empty()) {
    auto opened = RoutingReplay::Open(options);
    status = opened.status();
    if (opened.ok()) replay = *std::move(opened);
  }
  SWITCHYARD_RETURN_IF_ERROR(AgreeOnStatus(world, status));
  const int64_t identity =
      replay == nullptr ? 0 : static_cast<int64_t>(replay->identity());
  SWITCHYARD_ASSIGN_OR_RETURN(const std::vector<int64_t> all,
                              GatherIntegers(world, {&identity, 1}));
  const std::string difference =
      DifferenceOfRanks(world, all, /*each=*/1, /*index=*/0, FileText);
  if (difference.empty()) return replay;
  return absl::InvalidArgumentError(
      absl::StrCat("expected the same --routing_replay on all ranks, ",
                   difference, "; give all ranks the same file"));
}

absl::Status CheckRoutingFiles(const TrainOptions& options,
                               comm::Communicator& world) {
  SWITCHYARD_RETURN_IF_ERROR(OpenReplay(options, world).status());
  absl::Status status;
  if (world.rank() == 0 && !options.routing_trace.empty()) {
    status = RoutingTrace::CheckPath(options.routing_trace);
  }
  return AgreeOnStatus(world, status);
}

}  // namespace switchyard
