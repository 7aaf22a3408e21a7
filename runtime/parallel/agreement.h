// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// What ranks decide together around the training loop. Collective calls of
// `world`: an error that only one rank sees is known to all before any leaves.
#ifndef SWITCHYARD_RUNTIME_PARALLEL_AGREEMENT_H_
#define SWITCHYARD_RUNTIME_PARALLEL_AGREEMENT_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "switchyard/comm/communicator.h"
#include "switchyard/kernels/instruction_set.h"

namespace switchyard {

// `mine` of every rank, rank by rank; as many integers on each.
absl::StatusOr<std::vector<int64_t>> GatherIntegers(
    comm::Communicator& world, absl::Span<const int64_t> mine);

// Of what GatherIntegers gave, `each` integers of every rank: the ranks whose
// integer `index` is not rank 0's, as "3 (host b), 4 (host b)"; empty if none.
std::string RanksThatDiffer(const comm::Communicator& world,
                            absl::Span<const int64_t> all, size_t each,
                            size_t index);

// What an integer means, for a message.
using IntegerText = std::string (*)(int64_t);

// The same with what was found, as "found 7 on rank 3 (host b), 4 (host b) and
// 5 on rank 0 (host a)". Where `text` is null the integers say nothing:
// "found another on rank 3 (host b) than on rank 0 (host a)".
std::string DifferenceOfRanks(const comm::Communicator& world,
                              absl::Span<const int64_t> all, size_t each,
                              size_t index, IntegerText text);

// The text of rank 0 on every rank.
absl::StatusOr<std::string> TextOfRankZero(comm::Communicator& world,
                                           absl::string_view text);

// OK if every rank's status is; otherwise, on every rank, the status of the
// lowest rank that has none.
absl::Status AgreeOnStatus(comm::Communicator& world,
                           const absl::Status& status);

// Fixes the instruction set of all operators: the least that a rank can use
// (what its process has fixed already, or else all that its processor has), and
// at most `cap` if that is not empty. An error if a rank has fixed a wider one.
absl::StatusOr<kernels::InstructionSet> AgreeOnInstructionSet(
    comm::Communicator& world, absl::string_view cap);

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_PARALLEL_AGREEMENT_H_
