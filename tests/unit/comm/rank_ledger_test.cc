// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Reports about ranks that are dead, stopped or on other hosts, without MPI:
// the ledgers are real files, their owners child processes where that matters.
#include "switchyard/comm/ledger/rank_ledger.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "switchyard/comm/ledger/process_state.h"
#include "switchyard/comm/ledger/report.h"
#include "switchyard/tests/support/temporary_folder.h"

namespace switchyard::comm::ledger {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr uint64_t kWorld = 1;

Member MemberOf(int rank, const std::string& host = "here") {
  return {host, getpid(), host == "here" ? 0 : 1, rank};
}

Call CallOf(CallKind kind, int64_t count, const char* phase) {
  Call call;
  call.kind = kind;
  call.dtype = DType::kFloat32;
  call.count = count;
  call.caller = {2, phase};
  return call;
}

absl::Status Late() {
  return absl::DeadlineExceededError("is not complete after 3 s");
}

// Two ranks in this process, each with its file, and one on another host.
class RankLedgerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (int r = 0; r < 2; ++r) {
      auto ledger = RankLedger::InFile(MemberOf(r), 3, "job", Folder());
      ASSERT_TRUE(ledger.ok()) << ledger.status();
      ledgers_.push_back(*ledger);
    }
    std::vector<Peer> peers;
    for (int r = 0; r < 2; ++r) {
      peers.push_back(
          {MemberOf(r), ledgers_[r]->path(), nullptr, ProcessStart(getpid())});
    }
    peers.push_back({MemberOf(2, "elsewhere"), "", nullptr, 0});
    for (int r = 0; r < 2; ++r) {
      ledgers_[r]->SetPeers(peers);
      groups_.push_back(std::make_unique<GroupLedger>(
          ledgers_[r], kWorld, "world", r,
          std::vector<Member>{MemberOf(0), MemberOf(1),
                              MemberOf(2, "elsewhere")}));
    }
  }

  std::string Folder() const { return folder_.path().string(); }
  std::string Explain(int rank, int64_t sequence) {
    return std::string(groups_[rank]->Explain(sequence, Late()).message());
  }

  const testing::TemporaryFolder folder_;
  std::vector<std::shared_ptr<RankLedger>> ledgers_;
  std::vector<std::unique_ptr<GroupLedger>> groups_;
};

TEST_F(RankLedgerTest, WhatCannotBeReadIsSaid) {
  const Call call = CallOf(CallKind::kBroadcast, 5, "weights");
  for (const auto& group : groups_) group->Begin(1, call);
  EXPECT_THAT(
      Explain(0, 1),
      AllOf(StartsWith("call 1 of group world (ranks 0-2), broadcast (from "
                       "rank 0, 5 fp32) by layer 2, weights, is not complete "
                       "after 3 s: ranks 0-1 are in it, no other rank is known "
                       "to be late; what rank 2 called is not known on this "
                       "host"),
            HasSubstr("rank 2 (host elsewhere): on another host, whose ledgers "
                      "cannot be read here")));
}

TEST_F(RankLedgerTest, TheFirstCallThatARankHasNotMadeIsNamed) {
  for (int64_t s = 1; s <= 4; ++s) {
    groups_[0]->Begin(s, CallOf(CallKind::kBarrier, 0, "a"));
    if (s <= 2) groups_[1]->Begin(s, CallOf(CallKind::kBarrier, 0, "a"));
    if (s <= 1) groups_[0]->End(s), groups_[1]->End(s);
  }
  EXPECT_THAT(Explain(0, 4), HasSubstr("has not made call 3;"));
  EXPECT_THAT(Explain(0, 3), HasSubstr("has not made it;"));
}

// Both ranks have moved on past the call at which they parted.
TEST_F(RankLedgerTest, AnOldMismatchIsFound) {
  for (int64_t s = 1; s <= 9; ++s) {
    for (int r = 0; r < 2; ++r) {
      const bool odd = s == 5 && r == 1;
      groups_[r]->Begin(s, CallOf(CallKind::kAllReduce, odd ? 11 : 10, "sum"));
      groups_[r]->End(s);
    }
  }
  groups_[0]->Begin(10, CallOf(CallKind::kBarrier, 0, "end"));
  const absl::Status status = groups_[0]->Explain(10, Late());
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("differ at call 5"), HasSubstr("10 fp32"),
                    HasSubstr("11 fp32")));
  EXPECT_FALSE(groups_[0]->LookForTrouble(10).ok());
  EXPECT_TRUE(groups_[0]->AgreesWithNeighbours(4));
  EXPECT_FALSE(groups_[0]->AgreesWithNeighbours(5));
  EXPECT_TRUE(groups_[0]->AgreesWithNeighbours(10)) << "not made yet";
}

// Ranks that come in order, each done before the next one comes: the last sees
// the first's call, or the second sees the first's.
TEST(RankLedgerRingTest, EveryOrderOfRanksFindsTheOddOne) {
  for (const int odd : {0, 1, 2}) {
    const testing::TemporaryFolder folder;
    std::vector<std::shared_ptr<RankLedger>> ledgers;
    std::vector<Peer> peers;
    std::vector<Member> members;
    for (int r = 0; r < 3; ++r) {
      members.push_back(MemberOf(r));
      ledgers.push_back(
          *RankLedger::InFile(members[r], 3, "job", folder.path().string()));
      peers.push_back(
          {members[r], ledgers[r]->path(), nullptr, ProcessStart(getpid())});
    }
    for (const auto& ledger : ledgers) ledger->SetPeers(peers);
    int differences = 0;
    for (int r = 0; r < 3; ++r) {
      ledgers[r]->OpenGroup({kWorld, "world", {0, 1, 2}}, r);
      ledgers[r]->Begin(
          0, 1, CallOf(CallKind::kBroadcast, r == odd ? 12 : 8, "weights"));
      if (!ledgers[r]->AgreesWithNeighbours(0, 1)) ++differences;
    }
    EXPECT_GE(differences, 1) << odd;
  }
}

// A ring keeps the last calls: 256 of them on three ranks.
TEST_F(RankLedgerTest, OldCallsMakeRoom) {
  for (int64_t s = 1; s <= 1000; ++s) {
    const bool odd = s == 700;
    groups_[0]->Begin(s, CallOf(CallKind::kAllReduce, 10, "sum"));
    groups_[1]->Begin(s, CallOf(CallKind::kAllReduce, odd ? 11 : 10, "sum"));
    groups_[0]->End(s);
    groups_[1]->End(s);
  }
  EXPECT_THAT(Explain(0, 1000), Not(HasSubstr("differ")))
      << "call 700 is forgotten";
  groups_[1]->Begin(1001, CallOf(CallKind::kAllReduce, 11, "sum"));
  groups_[0]->Begin(1001, CallOf(CallKind::kAllReduce, 10, "sum"));
  EXPECT_THAT(Explain(0, 1001), HasSubstr("differ at call 1001"));
}

TEST_F(RankLedgerTest, BytesToEachPeerAreCompared) {
  const std::vector<Block> to_1 = {{1, 0, 3}, {1, 3, 4}, {0, 7, 9}};
  const std::vector<Block> from_0 = {{0, 0, 6}};
  Call send = CallOf(CallKind::kAllToAllV, 16, "dispatch");
  send.send_blocks = to_1;
  send.recv_blocks = absl::MakeConstSpan(&to_1[2], 1);
  Call recv = CallOf(CallKind::kAllToAllV, 0, "dispatch");
  recv.recv_blocks = from_0;
  groups_[0]->Begin(1, send);
  EXPECT_TRUE(groups_[0]->LookForTrouble(1).ok());
  groups_[1]->Begin(1, recv);
  EXPECT_THAT(Explain(1, 1),
              AllOf(HasSubstr("sends 28 bytes to rank 1"),
                    HasSubstr("which expects 24, in all-to-all-v")));
}

TEST_F(RankLedgerTest, ARankThatHasLeftIsTroubleOnlyIfItIsNeeded) {
  for (const auto& group : groups_) {
    group->Begin(1, CallOf(CallKind::kBarrier, 0, "a"));
  }
  groups_[1]->End(1);
  groups_[1].reset();
  ledgers_[1].reset();
  EXPECT_TRUE(groups_[0]->LookForTrouble(1).ok()) << "it did its part";
  groups_[0]->Begin(2, CallOf(CallKind::kBarrier, 0, "b"));
  EXPECT_FALSE(groups_[0]->LookForTrouble(2).ok());
  EXPECT_THAT(Explain(0, 2), HasSubstr("left) has not made it"));
}

TEST_F(RankLedgerTest, GroupsBeyondTheLedgersRoomStillGetErrors) {
  const std::vector<Member> members = {MemberOf(0), MemberOf(1)};
  std::vector<std::unique_ptr<GroupLedger>> many;
  for (uint64_t id = 2; id < 2 + 2 * kMaxRegions; ++id) {
    many.push_back(
        std::make_unique<GroupLedger>(ledgers_[0], id, "many", 0, members));
    many.back()->Begin(1, CallOf(CallKind::kBarrier, 0, "a"));
    many.back()->End(1);
    EXPECT_TRUE(many.back()->AgreesWithNeighbours(1));
    EXPECT_TRUE(many.back()->LookForTrouble(1).ok());
  }
  const absl::Status status = many.back()->Explain(1, Late());
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(std::string(status.message()), HasSubstr("is not complete"));
  many.clear();
  GroupLedger again(ledgers_[0], 1000, "again", 0, members);
  again.Begin(1, CallOf(CallKind::kBarrier, 0, "a"));
  EXPECT_THAT(std::string(again.Explain(1, Late()).message()),
              HasSubstr("group again (ranks 0-1)"))
      << "closed groups give their room back";
}

// More groups, one after the other, than there is room for at once.
TEST_F(RankLedgerTest, CallsOfGroupsThatAreGoneAreForgotten) {
  const std::vector<Member> members = {MemberOf(0), MemberOf(1)};
  for (uint64_t id = 2; id < 2 + 3 * kMaxRegions; ++id) {
    GroupLedger ours(ledgers_[0], id, "short", 0, members);
    GroupLedger theirs(ledgers_[1], id, "short", 1, members);
    ours.Begin(1, CallOf(CallKind::kAllReduce, static_cast<int64_t>(id), "a"));
    EXPECT_TRUE(ours.AgreesWithNeighbours(1)) << "the other has not called";
    EXPECT_TRUE(ours.LookForTrouble(1).ok());
    theirs.Begin(1,
                 CallOf(CallKind::kAllReduce, static_cast<int64_t>(id), "a"));
    EXPECT_TRUE(theirs.AgreesWithNeighbours(1));
  }
}

// Ranks in containers of one host share its folders, but not process ids.
TEST(RankLedgerProcessTest, AProcessIdOfAnotherNamespaceSaysNothing) {
  const testing::TemporaryFolder folder;
  const Member other = {"here", /*process=*/1 << 22, 0, /*world_rank=*/1};
  auto own = RankLedger::InFile(MemberOf(0), 2, "job", folder.path().string());
  auto theirs = RankLedger::InFile(other, 2, "job", folder.path().string());
  ASSERT_TRUE(own.ok() && theirs.ok()) << own.status() << theirs.status();
  (*own)->SetPeers(
      {{MemberOf(0), (*own)->path(), nullptr, ProcessStart(getpid())},
       {other, (*theirs)->path(), nullptr, /*process_start=*/12345}});
  GroupLedger group(*own, kWorld, "world", 0, {MemberOf(0), other});
  (*theirs)->SetPeers(
      {{MemberOf(0), (*own)->path(), nullptr, ProcessStart(getpid())},
       {other, (*theirs)->path(), nullptr, /*process_start=*/12345}});
  GroupLedger their_group(*theirs, kWorld, "world", 1, {MemberOf(0), other});
  group.Begin(1, CallOf(CallKind::kBarrier, 0, "start"));
  EXPECT_TRUE(group.LookForTrouble(1).ok());
  EXPECT_THAT((*own)->Report(),
              StartsWith("no rank is known to be dead or stopped"));
}

// A rank of its own process that makes one call and waits in the next.
class ChildRank {
 public:
  explicit ChildRank(const std::string& folder) {
    int ends[2];
    if (pipe(ends) != 0) std::abort();
    process_ = fork();
    if (process_ == 0) {
      Member self = MemberOf(1);
      self.process = getpid();
      const auto ledger = RankLedger::InFile(self, 2, "job", folder);
      if (!ledger.ok()) _exit(1);
      (*ledger)->SetPeers({{MemberOf(0), "", nullptr, 0},
                           {self, (*ledger)->path(), nullptr, 0}});
      GroupLedger group(*ledger, kWorld, "world", 1, {MemberOf(0), self});
      group.Begin(1, CallOf(CallKind::kBarrier, 0, "start"));
      group.End(1);
      (*ledger)->SetPosition(7, 5, "router");
      if (write(ends[1], "r", 1) != 1) _exit(1);
      for (;;) pause();
    }
    char byte;
    if (read(ends[0], &byte, 1) != 1) std::abort();
  }
  ~ChildRank() {
    kill(process_, SIGKILL);
    waitpid(process_, nullptr, 0);
  }
  pid_t process() const { return process_; }

 private:
  pid_t process_;
};

TEST(RankLedgerProcessTest, StoppedAndDeadRanksAreTold) {
  const testing::TemporaryFolder folder;
  ChildRank child(folder.path().string());
  auto own = RankLedger::InFile(MemberOf(0), 2, "job", folder.path().string());
  ASSERT_TRUE(own.ok()) << own.status();
  Member other = MemberOf(1);
  other.process = child.process();
  const std::string path = folder.path().string() + "/" + kFilePrefix + "job-1";
  (*own)->SetPeers(
      {{MemberOf(0), (*own)->path(), nullptr, ProcessStart(getpid())},
       {other, path, nullptr, ProcessStart(child.process())}});
  GroupLedger group(*own, kWorld, "world", 0, {MemberOf(0), other});
  group.Begin(1, CallOf(CallKind::kBarrier, 0, "start"));
  group.End(1);
  group.Begin(2, CallOf(CallKind::kAllReduce, 10, "backward"));
  const std::string name =
      "rank 1 (host here, process " + std::to_string(child.process());

  EXPECT_TRUE(group.LookForTrouble(2).ok()) << "it may still come";
  EXPECT_THAT((*own)->Report(),
              AllOf(StartsWith("no rank is known to be dead or stopped"),
                    HasSubstr(name + ", running) has not made it")));

  kill(child.process(), SIGSTOP);
  waitpid(child.process(), nullptr, WUNTRACED);
  EXPECT_TRUE(group.LookForTrouble(2).ok()) << "it may be woken";
  EXPECT_THAT((*own)->Report(),
              AllOf(StartsWith("lost or stopped: " + name + ", stopped)"),
                    HasSubstr("step 7, layer 5, router"),
                    HasSubstr("after call 1 of group world (ranks 0-1)")));

  kill(child.process(), SIGKILL);
  siginfo_t info;
  waitid(P_PID, child.process(), &info, WEXITED | WNOWAIT);
  EXPECT_EQ(group.LookForTrouble(2).code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT((*own)->Report(),
              AllOf(StartsWith("lost or stopped: " + name + ", dead)"),
                    HasSubstr("call 2 of group world (ranks 0-1), all-reduce "
                              "(sum, 10 fp32) by layer 2, backward, is not "
                              "complete: " +
                              name + ", dead) has not made it"),
                    HasSubstr("step 7, layer 5, router")));
}

// Of the first `ended` calls of a rank that has begun `begun`.
RankSnapshot RankAt(int rank, int64_t begun, int64_t ended) {
  RankSnapshot result;
  result.member = MemberOf(rank);
  result.process_known = result.readable = true;
  GroupSnapshot group;
  group.id = kWorld;
  group.rank = rank;
  group.begun = begun;
  for (int64_t s = 1; s <= begun; ++s) {
    CallSnapshot& call = group.calls.emplace_back();
    call.sequence = s;
    call.end_ns = s <= ended ? 1 : 0;
  }
  result.groups = {group};
  return result;
}

std::string ExplainTo(const std::vector<RankSnapshot>& world) {
  const GroupInfo group = {kWorld, "world", {0, 1, 2}};
  return std::string(
      ExplainCall(group, 2, absl::UnavailableError("failed"), 0, world)
          .message());
}

// What others have not done may follow from that.
TEST(ReportTest, TheDeadAreNamedBeforeTheLate) {
  std::vector<RankSnapshot> world = {RankAt(0, 2, 1), RankAt(1, 1, 1),
                                     RankAt(2, 2, 2)};
  EXPECT_THAT(ExplainTo(world), HasSubstr("running) has not made it\n"));
  world[2].process = ProcessState::kDead;
  EXPECT_THAT(ExplainTo(world), HasSubstr("dead) cannot take part any more\n"));
  world[2] = RankAt(2, 2, 1);
  world[2].process = ProcessState::kStopped;
  EXPECT_THAT(ExplainTo(world), HasSubstr("stopped) did not finish it\n"));
}

TEST(ReportTest, NobodyIsNamedForACallThatAllHaveFinished) {
  EXPECT_THAT(ExplainTo({RankAt(0, 2, 2), RankAt(1, 2, 2), RankAt(2, 2, 2)}),
              HasSubstr("failed: no rank is known to be late\n"));
}

TEST(RankLedgerFolderTest, ANamedFolderThatCannotBeWrittenIsAnError) {
  const auto ledger =
      RankLedger::InFile(MemberOf(0), 1, "job", "/nonexistent/folder");
  EXPECT_EQ(ledger.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(ledger.status().message()),
              AllOf(HasSubstr("/nonexistent/folder"),
                    HasSubstr("No such file or directory")));
}

}  // namespace
}  // namespace switchyard::comm::ledger
