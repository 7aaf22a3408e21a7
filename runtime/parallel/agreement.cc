// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/parallel/agreement.h"

#include <algorithm>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "switchyard/base/cpu/cpu_device.h"
#include "switchyard/base/status.h"
#include "switchyard/base/storage.h"

namespace switchyard {
namespace {

// A report of the ranks' ledgers may be long; a message has an end.
constexpr int64_t kMaxMessageBytes = int64_t{1} << 16;

// `text` of rank `root`, `bytes` long, on every rank.
absl::StatusOr<std::string> ShareText(comm::Communicator& world,
                                      absl::string_view text, int root,
                                      int64_t bytes) {
  CpuDevice host;
  const std::unique_ptr<Stream> stream = host.NewStream();
  Storage storage(host, static_cast<size_t>(bytes));
  const TensorView view = storage.View(DType::kUInt8, {bytes});
  if (world.rank() == root) stream->CopyToDevice(view, text.data());
  SWITCHYARD_RETURN_IF_ERROR(
      world.Broadcast(*stream, view, root, {-1, "share a text"}).Wait());
  std::string shared(static_cast<size_t>(bytes), '\0');
  stream->CopyToHost(shared.data(), view);
  stream->Wait();
  return shared;
}

}  // namespace

absl::StatusOr<std::vector<int64_t>> GatherIntegers(
    comm::Communicator& world, absl::Span<const int64_t> mine) {
  CpuDevice host;
  const std::unique_ptr<Stream> stream = host.NewStream();
  const int64_t each = static_cast<int64_t>(mine.size());
  const int64_t all = each * world.size();
  Storage storage(host, DType::kInt64, {all});
  const TensorView view = storage.View(DType::kInt64, {all});
  const TensorView own =
      view.Rows(world.rank() * each, (world.rank() + 1) * each);
  stream->CopyToDevice(own, mine.data());
  const std::vector<int64_t> counts(static_cast<size_t>(world.size()), each);
  SWITCHYARD_RETURN_IF_ERROR(
      world.AllGather(*stream, own, view, counts, {-1, "gather integers"})
          .Wait());
  std::vector<int64_t> result(static_cast<size_t>(all));
  stream->CopyToHost(result.data(), view);
  stream->Wait();
  return result;
}

std::string RanksThatDiffer(const comm::Communicator& world,
                            absl::Span<const int64_t> all, size_t each,
                            size_t index) {
  std::string ranks;
  for (int rank = 1; rank < world.size(); ++rank) {
    if (all[rank * each + index] == all[index]) continue;
    absl::StrAppend(&ranks, ranks.empty() ? "" : ", ", rank, " (",
                    world.members()[rank].host, ")");
  }
  return ranks;
}

std::string DifferenceOfRanks(const comm::Communicator& world,
                              absl::Span<const int64_t> all, size_t each,
                              size_t index, IntegerText text) {
  const std::string ranks = RanksThatDiffer(world, all, each, index);
  if (ranks.empty()) return "";
  const std::string first =
      absl::StrCat("rank 0 (", world.members()[0].host, ")");
  if (text == nullptr) {
    return absl::StrCat("found another on rank ", ranks, " than on ", first);
  }
  std::string found = "found ";
  int64_t said = all[index];
  for (int rank = 1; rank < world.size(); ++rank) {
    const int64_t value = all[rank * each + index];
    if (value == all[index]) continue;
    const bool begins = said == all[index];
    absl::StrAppend(&found, begins ? "" : ", ",
                    value == said ? "" : absl::StrCat(text(value), " on rank "),
                    rank, " (", world.members()[rank].host, ")");
    said = value;
  }
  return absl::StrCat(found, " and ", text(all[index]), " on ", first);
}

absl::StatusOr<std::string> TextOfRankZero(comm::Communicator& world,
                                           absl::string_view text) {
  const int64_t bytes = static_cast<int64_t>(text.size());
  SWITCHYARD_ASSIGN_OR_RETURN(const std::vector<int64_t> all,
                              GatherIntegers(world, {&bytes, 1}));
  return ShareText(world, text, /*root=*/0, all[0]);
}

absl::Status AgreeOnStatus(comm::Communicator& world,
                           const absl::Status& status) {
  const int64_t bytes = std::min<int64_t>(
      static_cast<int64_t>(status.message().size()), kMaxMessageBytes);
  const absl::StatusOr<std::vector<int64_t>> all =
      GatherIntegers(world, {static_cast<int64_t>(status.code()), bytes});
  // Ranks that cannot talk cannot agree: the rank's own error says more.
  if (!all.ok()) return status.ok() ? all.status() : status;
  for (int rank = 0; rank < world.size(); ++rank) {
    const auto code = static_cast<absl::StatusCode>((*all)[2 * rank]);
    if (code == absl::StatusCode::kOk) continue;
    SWITCHYARD_ASSIGN_OR_RETURN(
        const std::string message,
        ShareText(world, status.message(), rank, (*all)[2 * rank + 1]));
    return absl::Status(code, message);
  }
  return absl::OkStatus();
}

absl::StatusOr<kernels::InstructionSet> AgreeOnInstructionSet(
    comm::Communicator& world, absl::string_view cap) {
  kernels::InstructionSet best = kernels::WidestInstructionSet();
  absl::Status status;
  if (!cap.empty()) {
    const auto parsed = kernels::ParseInstructionSet({cap.data(), cap.size()});
    status = parsed.status();
    if (parsed.ok()) best = std::min(best, *parsed);
  }
  SWITCHYARD_RETURN_IF_ERROR(AgreeOnStatus(world, status));
  SWITCHYARD_ASSIGN_OR_RETURN(
      const std::vector<int64_t> all,
      GatherIntegers(world, {static_cast<int64_t>(best)}));
  const auto least = static_cast<kernels::InstructionSet>(
      *std::min_element(all.begin(), all.end()));
  SWITCHYARD_RETURN_IF_ERROR(
      AgreeOnStatus(world, kernels::SetInstructionSet(least)));
  return least;
}

}  // namespace switchyard
