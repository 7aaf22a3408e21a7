// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The ledger of one rank, as communicators write it. Reports read those of its
// peers beside it.
#ifndef SWITCHYARD_COMM_LEDGER_RANK_LEDGER_H_
#define SWITCHYARD_COMM_LEDGER_RANK_LEDGER_H_

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "switchyard/comm/call.h"
#include "switchyard/comm/communicator.h"
#include "switchyard/comm/ledger.h"
#include "switchyard/comm/ledger/diagnosis.h"
#include "switchyard/comm/ledger/layout.h"
#include "switchyard/comm/ledger/ledger_file.h"
#include "switchyard/comm/ledger/snapshot.h"

namespace switchyard::comm::ledger {

// How the ledger of another rank is reached.
struct Peer {
  Member member;
  std::string path;              // empty: no file that this host could read
  const void* memory = nullptr;  // of a rank in this process
  // 0: on another host. A process id means nothing in another namespace of ids,
  // such as another container's; SetPeers finds out.
  int64_t process_start = 0;
};

class RankLedger : public Ledger {
 public:
  // For a rank whose peers are in this process, if it has any.
  static std::shared_ptr<RankLedger> InMemory(const Member& self,
                                              int world_size);
  // For one whose peers are other processes. `job` is the same on all ranks and
  // like no other. Empty `directory`: the first of the usual ones that can be
  // written, or memory if none can. An error if the one that is named cannot.
  static absl::StatusOr<std::shared_ptr<RankLedger>> InFile(
      const Member& self, int world_size, const std::string& job,
      const std::string& directory);
  ~RankLedger() override;

  // By rank in the world, this one included. Once, before the first report.
  void SetPeers(std::vector<Peer> peers);
  const std::string& path() const { return file_->path(); }
  const void* memory() const { return file_->data(); }

  void SetPosition(int64_t step, int layer, const char* phase) override;
  std::string Report() const override;

  // Makes room for the calls of a group; -1 if there is none left: then the
  // group has no records, and reports say less.
  int OpenGroup(const GroupInfo& group, int rank);
  void CloseGroup(int region);
  void Begin(int region, int64_t sequence, const Call& call);
  void End(int region, int64_t sequence);
  // This rank's communication has failed; or it is over, in peace.
  void NoteFailed() { header().state = kFailed; }
  void NoteLeft() {
    if (header().state == kActive) header().state = kLeft;
  }

  // `cause` with a report as its message: what is known about call `sequence`
  // of a group that could not be completed. The code says so if calls differ.
  absl::Status Explain(int region, int64_t sequence,
                       const absl::Status& cause) const;
  // While a rank waits for call `sequence`: an error, to be explained, if it
  // will wait in vain, because calls differ or a rank is lost. Copies what all
  // peers have on record of the group: not for every turn of a wait.
  absl::Status LookForTrouble(int region, int64_t sequence) const;
  // False if the next or the previous rank of the group is known to have made
  // another call `sequence` than this rank. Cheap enough for every call. If not
  // all ranks of a group on one host agree, some two neighbours differ, and the
  // later of them to call finds it, in whatever order the ranks come.
  bool AgreesWithNeighbours(int region, int64_t sequence) const;

 private:
  RankLedger(std::unique_ptr<LedgerFile> file, const Member& self,
             int world_size);

  Header& header() const { return *static_cast<Header*>(file_->data()); }
  std::optional<GroupInfo> InfoOf(int region) const;
  std::vector<RankSnapshot> ReadWorld(uint64_t group_id) const;
  void ClearRecords(int region);
  // Whether the ledger `other` is known to hold another call `sequence` of the
  // group in this rank's `region`.
  bool DiffersFrom(const Header& other, int region, int64_t sequence) const;

  const int rank_;
  const Layout layout_;
  const std::unique_ptr<LedgerFile> file_;
  std::vector<Peer> peers_;
  std::vector<std::unique_ptr<LedgerFile>> peer_files_;  // null: none

  // Of the previous and the next rank of each region's group: their ledgers'
  // headers; null if they cannot be read.
  std::vector<std::array<const Header*, 2>> neighbours_;

  // Reports may run on another thread than the rank's.
  mutable std::mutex groups_mutex_;
  std::vector<std::optional<GroupInfo>> groups_;  // by region
  int next_region_ = 0;
};

// One group's part of a ledger.
class GroupLedger {
 public:
  // `members` of the group, by rank; `name` is what reports call it.
  GroupLedger(std::shared_ptr<RankLedger> ledger, uint64_t id,
              const std::string& name, int rank,
              const std::vector<Member>& members);
  ~GroupLedger();
  GroupLedger(const GroupLedger&) = delete;
  GroupLedger& operator=(const GroupLedger&) = delete;

  RankLedger& ledger() const { return *ledger_; }
  const std::shared_ptr<RankLedger>& shared_ledger() const { return ledger_; }
  void Begin(int64_t sequence, const Call& call) {
    if (region_ >= 0) ledger_->Begin(region_, sequence, call);
  }
  void End(int64_t sequence) {
    if (region_ >= 0) ledger_->End(region_, sequence);
  }
  absl::Status Explain(int64_t sequence, const absl::Status& cause) const {
    return ledger_->Explain(region_, sequence, cause);
  }
  absl::Status LookForTrouble(int64_t sequence) const {
    return ledger_->LookForTrouble(region_, sequence);
  }
  bool AgreesWithNeighbours(int64_t sequence) const {
    return region_ < 0 || ledger_->AgreesWithNeighbours(region_, sequence);
  }

 private:
  const std::shared_ptr<RankLedger> ledger_;
  int region_;
};

}  // namespace switchyard::comm::ledger

#endif  // SWITCHYARD_COMM_LEDGER_RANK_LEDGER_H_
