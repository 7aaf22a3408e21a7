// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/comm/ledger/diagnosis.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "switchyard/comm/ledger/wording.h"

namespace switchyard::comm::ledger {
namespace {

// A rank of the group and its calls there.
struct Party {
  const RankSnapshot* rank = nullptr;
  const GroupSnapshot* group = nullptr;  // null: cannot be read
};

std::vector<Party> PartiesOf(const GroupInfo& group,
                             const std::vector<RankSnapshot>& world) {
  std::vector<Party> parties;
  for (const int r : group.world_ranks) {
    parties.push_back({&world[r], world[r].Find(group.id)});
  }
  return parties;
}

std::string WordsFor(const Party& a, const CallSnapshot& call) {
  return absl::StrCat(Describe(*a.rank), " calls ", Describe(call));
}

// What differs in one call between two ranks; empty if they agree. For calls
// that look the same the counts for each rank do.
std::string CompareCalls(const Party& a, const CallSnapshot& of_a,
                         const Party& b, const CallSnapshot& of_b) {
  if (!Agree(of_a, of_b)) {
    return absl::StrCat(WordsFor(a, of_a), "; ", WordsFor(b, of_b),
                        of_a.kind == of_b.kind && of_a.count == of_b.count &&
                                of_a.counts_key != of_b.counts_key
                            ? ", with other counts for each rank"
                            : "");
  }
  if (of_a.kind != CallKind::kAllToAllV) return "";
  const int64_t sent = of_a.sent_bytes[b.group->rank];
  const int64_t expected = of_b.received_bytes[a.group->rank];
  if (sent == expected) return "";
  return absl::StrCat(Describe(*a.rank), " sends ", sent, " bytes to ",
                      Describe(*b.rank), ", which expects ", expected, ", in ",
                      Describe(of_a));
}

// What differs in call `sequence`; empty if nothing that is known does.
std::string CompareAll(const std::vector<Party>& parties, int64_t sequence) {
  const Party* first = nullptr;
  const CallSnapshot* of_first = nullptr;
  for (const Party& a : parties) {
    const CallSnapshot* of_a =
        a.group == nullptr ? nullptr : a.group->Find(sequence);
    if (of_a == nullptr) continue;
    if (first == nullptr) {
      first = &a;
      of_first = of_a;
    }
    if (!Agree(*of_first, *of_a)) {
      return CompareCalls(*first, *of_first, a, *of_a);
    }
    if (of_a->kind != CallKind::kAllToAllV) continue;
    for (const Party& b : parties) {
      const CallSnapshot* of_b =
          b.group == nullptr ? nullptr : b.group->Find(sequence);
      if (of_b == nullptr) continue;
      std::string difference = CompareCalls(a, *of_a, b, *of_b);
      if (!difference.empty()) return difference;
    }
  }
  return "";
}

}  // namespace

Diagnosis Diagnose(const GroupInfo& group, int64_t sequence,
                   const std::vector<RankSnapshot>& world) {
  const std::vector<Party> parties = PartiesOf(group, world);
  Diagnosis diagnosis;
  // The first call that someone has not made.
  diagnosis.sequence = sequence;
  int64_t oldest = sequence;
  for (const Party& party : parties) {
    if (party.group == nullptr) continue;
    diagnosis.sequence = std::min(diagnosis.sequence, party.group->begun + 1);
    if (!party.group->calls.empty()) {
      oldest = std::min(oldest, party.group->calls.front().sequence);
    }
  }
  for (int64_t s = oldest; s <= sequence; ++s) {
    diagnosis.mismatch = CompareAll(parties, s);
    if (!diagnosis.mismatch.empty()) {
      diagnosis.sequence = s;
      return diagnosis;
    }
  }
  for (const Party& party : parties) {
    const int r = party.rank->member.world_rank;
    if (party.group == nullptr) {
      // A ledger that holds the group no longer belongs to a rank that left it.
      (party.rank->readable ? diagnosis.missing : diagnosis.unknown)
          .push_back(r);
      continue;
    }
    if (party.group->begun < diagnosis.sequence) {
      diagnosis.missing.push_back(r);
      continue;
    }
    const CallSnapshot* call = party.group->Find(diagnosis.sequence);
    if (call != nullptr && call->end_ns == 0) diagnosis.unfinished.push_back(r);
  }
  std::sort(diagnosis.missing.begin(), diagnosis.missing.end());
  std::sort(diagnosis.unfinished.begin(), diagnosis.unfinished.end());
  std::sort(diagnosis.unknown.begin(), diagnosis.unknown.end());
  return diagnosis;
}

bool IsLost(const RankSnapshot& rank) {
  if (rank.process_known && rank.process == ProcessState::kDead) return true;
  return rank.readable && rank.state != kActive;
}

}  // namespace switchyard::comm::ledger
