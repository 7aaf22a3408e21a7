// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/comm/ledger/wording.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace switchyard::comm::ledger {
namespace {

std::string StateWord(const RankSnapshot& rank) {
  if (rank.readable && rank.state == kLeft) return "left";
  if (rank.process_known) {
    if (rank.process == ProcessState::kDead) return "dead";
    if (rank.process == ProcessState::kStopped) return "stopped";
  }
  if (rank.readable && rank.state == kFailed) return "gave up";
  return rank.process_known ? "running" : "state unknown";
}

// What is reduced, moved or synchronised.
std::string Operands(const CallSnapshot& call) {
  const std::string elements =
      absl::StrCat(call.count, " ", switchyard::NameOf(call.dtype));
  switch (call.kind) {
    case CallKind::kAllReduce:
    case CallKind::kReduceScatter:
      return absl::StrCat(" (", NameOf(call.op), ", ", elements, ")");
    case CallKind::kAllGather:
    case CallKind::kAllToAllV:
      return absl::StrCat(" (", elements, ")");
    case CallKind::kBroadcast:
      return absl::StrCat(" (from rank ", call.root, ", ", elements, ")");
    case CallKind::kBarrier:
    case CallKind::kSplit:
      return "";
  }
  return "";
}

struct CallInGroup {
  const GroupSnapshot* group = nullptr;
  const CallSnapshot* call = nullptr;
};

// The call that a rank is in: of those under way, the one that began last. If
// there is none, the one that ended last.
CallInGroup LatestCall(const RankSnapshot& rank) {
  CallInGroup latest;
  for (const GroupSnapshot& group : rank.groups) {
    for (const CallSnapshot& call : group.calls) {
      const CallSnapshot* best = latest.call;
      const bool under_way = call.end_ns == 0;
      if (best != nullptr && best->end_ns == 0 && !under_way) continue;
      const bool other_kind = best != nullptr && under_way && best->end_ns != 0;
      if (best == nullptr || other_kind || call.start_ns > best->start_ns) {
        latest = {&group, &call};
      }
    }
  }
  return latest;
}

}  // namespace

std::string Ranges(const std::vector<int>& ranks) {
  std::string text;
  for (size_t i = 0; i < ranks.size();) {
    size_t last = i;
    while (last + 1 < ranks.size() && ranks[last + 1] == ranks[last] + 1) {
      ++last;
    }
    if (!text.empty()) absl::StrAppend(&text, ", ");
    absl::StrAppend(&text, ranks[i]);
    if (last > i) absl::StrAppend(&text, "-", ranks[last]);
    i = last + 1;
  }
  return text;
}

std::string Ranks(const std::vector<int>& ranks) {
  return absl::StrCat(ranks.size() == 1 ? "rank " : "ranks ", Ranges(ranks));
}

std::string Place(int layer, const std::string& phase) {
  const std::string words = phase.empty() ? "unnamed" : phase;
  return layer < 0 ? words : absl::StrCat("layer ", layer, ", ", words);
}

std::string Describe(const CallSnapshot& call) {
  return absl::StrCat(NameOf(call.kind), Operands(call), " by ",
                      Place(call.layer, call.phase));
}

std::string Describe(const RankSnapshot& rank) {
  return absl::StrCat("rank ", rank.member.world_rank, " (host ",
                      rank.member.host, ", process ", rank.member.process, ", ",
                      StateWord(rank), ")");
}

std::string Whereabouts(const RankSnapshot& rank, int64_t now_ns) {
  if (!rank.readable) return "its ledger cannot be read from here";
  std::string text;
  if (rank.position_ns > 0) {
    text = absl::StrFormat("step %d, %s, for %.1f s; ", rank.step,
                           Place(rank.layer, rank.phase),
                           1e-9 * (now_ns - rank.position_ns));
  }
  const CallInGroup latest = LatestCall(rank);
  if (latest.call == nullptr) return text + "no call yet";
  const CallSnapshot& call = *latest.call;
  const bool under_way = call.end_ns == 0;
  absl::StrAppendFormat(
      &text, "%s call %d of group %s: %s, %.1f s ago",
      under_way ? "in" : "after", call.sequence, latest.group->name,
      Describe(call),
      1e-9 * (now_ns - (under_way ? call.start_ns : call.end_ns)));
  return text;
}

}  // namespace switchyard::comm::ledger
