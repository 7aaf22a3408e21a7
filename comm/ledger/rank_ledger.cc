// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/comm/ledger/rank_ledger.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "absl/strings/str_cat.h"
#include "switchyard/base/status.h"
#include "switchyard/comm/ledger/clock.h"
#include "switchyard/comm/ledger/process_state.h"
#include "switchyard/comm/ledger/report.h"
#include "switchyard/comm/ledger/wording.h"

namespace switchyard::comm::ledger {
namespace {

std::vector<std::string> UsualDirectories() {
  std::vector<std::string> directories = {"/dev/shm"};
  const char* tmpdir = std::getenv("TMPDIR");
  if (tmpdir != nullptr && *tmpdir != '\0') directories.push_back(tmpdir);
  directories.push_back("/tmp");
  return directories;
}

absl::StatusOr<std::unique_ptr<LedgerFile>> CreateFile(
    const std::string& directory, const std::string& name,
    const Layout& layout) {
  SWITCHYARD_ASSIGN_OR_RETURN(
      std::unique_ptr<LedgerFile> file,
      LedgerFile::Create(directory, name, layout.file_bytes()));
  if (!file->Reserve(0, layout.region_offset(1))) {
    return absl::UnavailableError(absl::StrCat(directory, ": no space left"));
  }
  return file;
}

}  // namespace

RankLedger::RankLedger(std::unique_ptr<LedgerFile> file, const Member& self,
                       int world_size)
    : rank_(self.world_rank),
      layout_(world_size),
      file_(std::move(file)),
      neighbours_(kMaxRegions),
      groups_(kMaxRegions) {
  Header& h = header();
  h.rank = self.world_rank;
  h.world_size = world_size;
  h.process = self.process;
  h.process_start = ProcessStart(self.process);
  h.host = self.host.c_str();
  h.state = kActive;
  h.layer = -1;
  h.magic = kMagic;
}

// A peer may have it mapped still.
RankLedger::~RankLedger() { NoteLeft(); }

std::shared_ptr<RankLedger> RankLedger::InMemory(const Member& self,
                                                 int world_size) {
  return std::shared_ptr<RankLedger>(new RankLedger(
      LedgerFile::InMemory(Layout(world_size).file_bytes()), self, world_size));
}

absl::StatusOr<std::shared_ptr<RankLedger>> RankLedger::InFile(
    const Member& self, int world_size, const std::string& job,
    const std::string& directory) {
  const Layout layout(world_size);
  const std::string name = absl::StrCat(job, "-", self.world_rank);
  if (!directory.empty()) {
    absl::StatusOr<std::unique_ptr<LedgerFile>> file =
        CreateFile(directory, name, layout);
    if (!file.ok()) {
      return absl::UnavailableError(absl::StrCat(
          "the ledger needs a directory that can be written: ",
          file.status().message(), "; name another one, best in memory"));
    }
    return std::shared_ptr<RankLedger>(
        new RankLedger(*std::move(file), self, world_size));
  }
  for (const std::string& usual : UsualDirectories()) {
    absl::StatusOr<std::unique_ptr<LedgerFile>> file =
        CreateFile(usual, name, layout);
    if (!file.ok()) continue;
    return std::shared_ptr<RankLedger>(
        new RankLedger(*std::move(file), self, world_size));
  }
  return InMemory(self, world_size);
}

void RankLedger::SetPeers(std::vector<Peer> peers) {
  peers_ = std::move(peers);
  peer_files_.resize(peers_.size());
  for (size_t r = 0; r < peers_.size(); ++r) {
    // Now everyone is there: who has no such process here has its id elsewhere.
    if (ProcessStart(peers_[r].member.process) != peers_[r].process_start) {
      peers_[r].process_start = 0;
    }
    if (peers_[r].memory != nullptr || peers_[r].path.empty()) continue;
    peer_files_[r] =
        LedgerFile::OpenForReading(peers_[r].path, layout_.file_bytes());
    if (peer_files_[r] != nullptr) {
      peers_[r].memory = peer_files_[r]->data();
    }
  }
  // Its own is read in place.
  peers_[rank_].memory = file_->data();
  peer_files_[rank_] = nullptr;
}

void RankLedger::SetPosition(int64_t step, int layer, const char* phase) {
  Header& h = header();
  h.step = step;
  h.layer = layer;
  h.phase = phase;
  h.position_ns = NowNs();
}

int RankLedger::OpenGroup(const GroupInfo& group, int rank) {
  std::lock_guard<std::mutex> lock(groups_mutex_);
  // A closed group's records stay readable for as long as possible.
  for (int i = 0; i < kMaxRegions; ++i) {
    const int region = (next_region_ + i) % kMaxRegions;
    if (groups_[region].has_value()) continue;
    if (!file_->Reserve(layout_.region_offset(region),
                        layout_.region_bytes())) {
      return -1;
    }
    next_region_ = (region + 1) % kMaxRegions;
    header().group_ids[region] = 0;
    ClearRecords(region);
    GroupHeader& h = *layout_.group(file_->data(), region);
    h.begun = 0;
    h.rank = rank;
    h.size = static_cast<int32_t>(group.world_ranks.size());
    h.name = group.name.c_str();
    header().group_ids[region] = group.id;
    groups_[region] = group;
    const int size = h.size;
    const int previous = group.world_ranks[(rank + size - 1) % size];
    const int next = group.world_ranks[(rank + 1) % size];
    neighbours_[region] = {static_cast<const Header*>(peers_[previous].memory),
                           static_cast<const Header*>(peers_[next].memory)};
    return region;
  }
  return -1;
}

// Those of the group that was there before would pass for this one's.
void RankLedger::ClearRecords(int region) {
  GroupHeader* group = layout_.group(file_->data(), region);
  for (int i = 0; i < layout_.depth(); ++i) {
    layout_.record(group, i)->sequence = 0;
  }
}

void RankLedger::CloseGroup(int region) {
  std::lock_guard<std::mutex> lock(groups_mutex_);
  groups_[region].reset();
}

void RankLedger::Begin(int region, int64_t sequence, const Call& call) {
  GroupHeader* group = layout_.group(file_->data(), region);
  Record& record = *layout_.record(group, sequence);
  record.sequence = 0;
  record.kind = static_cast<int32_t>(call.kind);
  record.dtype = static_cast<int32_t>(call.dtype);
  record.op = static_cast<int32_t>(call.op);
  record.root = call.root;
  record.count = call.count;
  uint64_t key = 0;
  for (const int64_t count : call.counts) {
    key = key * 0x9e3779b97f4a7c15 + static_cast<uint64_t>(count) + 1;
  }
  record.counts_key = key;
  record.layer = call.caller.layer;
  record.phase = call.caller.phase;
  if (call.kind == CallKind::kAllToAllV) {
    const int size = group->size;
    Field<int64_t>* peers = record.peers();
    for (int p = 0; p < 2 * size; ++p) peers[p] = 0;
    const int64_t bytes = call.element_bytes();
    for (const Block& block : call.send_blocks) {
      peers[block.peer] = peers[block.peer] + block.count * bytes;
    }
    for (const Block& block : call.recv_blocks) {
      Field<int64_t>& from = peers[size + block.peer];
      from = from + block.count * bytes;
    }
  }
  record.start_ns = NowNs();
  record.end_ns = 0;
  record.sequence = sequence;
  group->begun = sequence;
}

void RankLedger::End(int region, int64_t sequence) {
  Record& record =
      *layout_.record(layout_.group(file_->data(), region), sequence);
  if (record.sequence == sequence) record.end_ns = NowNs();
}

std::optional<GroupInfo> RankLedger::InfoOf(int region) const {
  std::lock_guard<std::mutex> lock(groups_mutex_);
  if (region < 0) return std::nullopt;
  return groups_[region];
}

std::vector<RankSnapshot> RankLedger::ReadWorld(uint64_t group_id) const {
  std::vector<RankSnapshot> world(peers_.size());
  for (size_t r = 0; r < peers_.size(); ++r) {
    const Peer& peer = peers_[r];
    RankSnapshot& rank = world[r];
    rank.member = peer.member;
    if (peer_files_[r] != nullptr && peer_files_[r]->OwnerIsGone()) {
      rank.process_known = true;
      rank.process = ProcessState::kDead;
    } else if (peer.process_start != 0) {
      rank.process_known = true;
      rank.process = StateOfProcess(peer.member.process, peer.process_start);
    }
    if (peer.memory != nullptr) {
      ReadLedger(peer.memory, layout_, group_id, rank);
    }
  }
  return world;
}

absl::Status RankLedger::LookForTrouble(int region, int64_t sequence) const {
  const std::optional<GroupInfo> group = InfoOf(region);
  if (!group.has_value()) return absl::OkStatus();
  const std::vector<RankSnapshot> world = ReadWorld(group->id);
  const Diagnosis diagnosis = Diagnose(*group, sequence, world);
  bool trouble = !diagnosis.mismatch.empty();
  for (const std::vector<int>* ranks :
       {&diagnosis.missing, &diagnosis.unfinished}) {
    for (const int r : *ranks) {
      trouble =
          trouble || (IsLost(world[r]) && world[r].Find(group->id) != nullptr);
    }
  }
  return trouble ? absl::UnavailableError("cannot be completed")
                 : absl::OkStatus();
}

bool RankLedger::AgreesWithNeighbours(int region, int64_t sequence) const {
  for (const Header* neighbour : neighbours_[region]) {
    if (neighbour != nullptr && DiffersFrom(*neighbour, region, sequence)) {
      return false;
    }
  }
  return true;
}

bool RankLedger::DiffersFrom(const Header& other, int region,
                             int64_t sequence) const {
  const uint64_t id = header().group_ids[region];
  // Ranks open their groups in about the same order.
  int theirs = region;
  for (int i = 0; i < kMaxRegions && other.group_ids[theirs] != id; ++i) {
    theirs = i;
  }
  if (other.group_ids[theirs] != id) return false;
  const Record& a =
      *layout_.record(layout_.group(file_->data(), region), sequence);
  const Record& b = *layout_.record(layout_.group(&other, theirs), sequence);
  if (a.sequence != sequence || b.sequence != sequence) return false;
  const bool agree = Agree(a, b);
  // Unless its owner has written over it meanwhile.
  return !agree && b.sequence == sequence && other.group_ids[theirs] == id;
}

absl::Status RankLedger::Explain(int region, int64_t sequence,
                                 const absl::Status& cause) const {
  const std::optional<GroupInfo> group = InfoOf(region);
  if (group.has_value()) {
    return ExplainCall(*group, sequence, cause, rank_, ReadWorld(0));
  }
  return absl::Status(cause.code(),
                      absl::StrCat("call ", sequence,
                                   " of a group for which the ledger had no ",
                                   "room ", cause.message(), "\n", Report()));
}

std::string RankLedger::Report() const {
  std::vector<GroupInfo> groups;
  {
    std::lock_guard<std::mutex> lock(groups_mutex_);
    for (const std::optional<GroupInfo>& group : groups_) {
      if (group.has_value()) groups.push_back(*group);
    }
  }
  return DescribeJob(groups, rank_, ReadWorld(0));
}

GroupLedger::GroupLedger(std::shared_ptr<RankLedger> ledger, uint64_t id,
                         const std::string& name, int rank,
                         const std::vector<Member>& members)
    : ledger_(std::move(ledger)) {
  GroupInfo group;
  group.id = id;
  for (const Member& member : members) {
    group.world_ranks.push_back(member.world_rank);
  }
  std::vector<int> sorted = group.world_ranks;
  std::sort(sorted.begin(), sorted.end());
  group.name = absl::StrCat(name, " (", Ranks(sorted), ")");
  region_ = ledger_->OpenGroup(group, rank);
}

GroupLedger::~GroupLedger() {
  if (region_ >= 0) ledger_->CloseGroup(region_);
}

}  // namespace switchyard::comm::ledger
