// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/comm/ledger/report.h"

#include <map>

#include "absl/strings/str_cat.h"
#include "switchyard/comm/ledger/clock.h"
#include "switchyard/comm/ledger/wording.h"

namespace switchyard::comm::ledger {
namespace {

// "rank 2 (host a, process 77, stopped)"; several by number once there are
// many.
std::string DescribeRanks(const std::vector<int>& ranks,
                          const std::vector<RankSnapshot>& world) {
  constexpr size_t kMany = 8;
  if (ranks.size() > kMany) return Ranks(ranks);
  std::string text;
  for (const int r : ranks) {
    absl::StrAppend(&text, text.empty() ? "" : ", ", Describe(world[r]));
  }
  return text;
}

bool IsDead(const RankSnapshot& rank) {
  return rank.process_known && rank.process == ProcessState::kDead;
}

bool DoesNotRun(const RankSnapshot& rank) {
  return IsDead(rank) ||
         (rank.process_known && rank.process == ProcessState::kStopped);
}

bool IsStoppedOrLost(const RankSnapshot& rank) {
  return IsLost(rank) || DoesNotRun(rank);
}

using Those = bool(const RankSnapshot& rank);

std::vector<int> Select(const std::vector<int>& ranks,
                        const std::vector<RankSnapshot>& world, Those* those) {
  std::vector<int> result;
  for (const int r : ranks) {
    if (those(world[r])) result.push_back(r);
  }
  return result;
}

// Who keeps call `sequence` from completing: whose process does not run, for
// what others have not done may follow from that, then who is missing, then who
// has given up.
std::string DescribeCulprits(const GroupInfo& group, const Diagnosis& diagnosis,
                             int64_t sequence,
                             const std::vector<RankSnapshot>& world) {
  const auto not_made = [&](const std::vector<int>& ranks) {
    return absl::StrCat(DescribeRanks(ranks, world),
                        ranks.size() == 1 ? " has" : " have", " not made ",
                        diagnosis.sequence == sequence
                            ? "it"
                            : absl::StrCat("call ", diagnosis.sequence));
  };
  std::vector<int> ranks = Select(diagnosis.missing, world, DoesNotRun);
  if (!ranks.empty()) return not_made(ranks);
  ranks = Select(diagnosis.unfinished, world, DoesNotRun);
  const std::string did_not_finish = " did not finish it";
  if (!ranks.empty()) return DescribeRanks(ranks, world) + did_not_finish;
  ranks = Select(group.world_ranks, world, IsDead);
  if (!ranks.empty()) {
    return DescribeRanks(ranks, world) + " cannot take part any more";
  }
  if (!diagnosis.missing.empty()) return not_made(diagnosis.missing);
  ranks = Select(diagnosis.unfinished, world, IsStoppedOrLost);
  if (!ranks.empty()) return DescribeRanks(ranks, world) + did_not_finish;
  if (diagnosis.unfinished.empty()) return "no rank is known to be late";
  return absl::StrCat(Ranks(diagnosis.unfinished),
                      diagnosis.unfinished.size() == 1 ? " is" : " are",
                      " in it, no other rank is known to be late");
}

std::string DescribeDelay(const GroupInfo& group, const Diagnosis& diagnosis,
                          int64_t sequence,
                          const std::vector<RankSnapshot>& world) {
  std::string text =
      absl::StrCat(": ", DescribeCulprits(group, diagnosis, sequence, world));
  if (!diagnosis.unknown.empty()) {
    absl::StrAppend(&text, "; what ", Ranks(diagnosis.unknown),
                    " called is not known on this host");
  }
  return text;
}

std::string DescribeWorld(const std::vector<RankSnapshot>& world) {
  const int64_t now_ns = NowNs();
  std::string text = "\nWhere each rank is:";
  std::map<std::string, std::vector<int>> elsewhere;  // by host
  for (const RankSnapshot& rank : world) {
    if (!rank.readable && !rank.process_known) {
      elsewhere[rank.member.host].push_back(rank.member.world_rank);
      continue;
    }
    absl::StrAppend(&text, "\n  ", Describe(rank), ": ",
                    Whereabouts(rank, now_ns));
  }
  for (const auto& [host, ranks] : elsewhere) {
    absl::StrAppend(&text, "\n  ", Ranks(ranks), " (host ", host,
                    "): on another host, whose ledgers cannot be read here");
  }
  return text;
}

std::string ExplainFirstLine(const GroupInfo& group, int64_t sequence,
                             const absl::Status& cause,
                             const Diagnosis& diagnosis, int rank,
                             const std::vector<RankSnapshot>& world) {
  if (!diagnosis.mismatch.empty()) {
    return absl::StrCat("the ranks differ at call ", diagnosis.sequence,
                        " of group ", group.name, ": ", diagnosis.mismatch);
  }
  std::string what;
  if (const GroupSnapshot* own = world[rank].Find(group.id)) {
    if (const CallSnapshot* call = own->Find(sequence)) {
      what = absl::StrCat(Describe(*call), ", ");
    }
  }
  return absl::StrCat("call ", sequence, " of group ", group.name, ", ", what,
                      cause.message(),
                      DescribeDelay(group, diagnosis, sequence, world));
}

// The first call of a group that this rank is in; 0 if none.
int64_t OpenCall(const GroupInfo& group, const RankSnapshot& self) {
  const GroupSnapshot* own = self.Find(group.id);
  if (own == nullptr) return 0;
  for (const CallSnapshot& call : own->calls) {
    if (call.end_ns == 0) return call.sequence;
  }
  return 0;
}

}  // namespace

absl::Status ExplainCall(const GroupInfo& group, int64_t sequence,
                         const absl::Status& cause, int rank,
                         const std::vector<RankSnapshot>& world) {
  const Diagnosis diagnosis = Diagnose(group, sequence, world);
  const absl::StatusCode code = diagnosis.mismatch.empty()
                                    ? cause.code()
                                    : absl::StatusCode::kFailedPrecondition;
  return absl::Status(
      code, absl::StrCat(ExplainFirstLine(group, sequence, cause, diagnosis,
                                          rank, world),
                         DescribeWorld(world)));
}

std::string DescribeJob(const std::vector<GroupInfo>& groups, int rank,
                        const std::vector<RankSnapshot>& world) {
  std::vector<int> lost;
  for (const RankSnapshot& r : world) {
    if (IsStoppedOrLost(r)) lost.push_back(r.member.world_rank);
  }
  std::string text = lost.empty() ? "no rank is known to be dead or stopped"
                                  : absl::StrCat("lost or stopped: ",
                                                 DescribeRanks(lost, world));
  for (const GroupInfo& group : groups) {
    const int64_t sequence = OpenCall(group, world[rank]);
    if (sequence == 0) continue;
    const Diagnosis diagnosis = Diagnose(group, sequence, world);
    absl::StrAppend(
        &text, "\n",
        ExplainFirstLine(group, sequence, absl::UnknownError("is not complete"),
                         diagnosis, rank, world));
  }
  return text + DescribeWorld(world);
}

}  // namespace switchyard::comm::ledger
