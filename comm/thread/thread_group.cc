// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/comm/thread/thread_group.h"

#include <algorithm>
#include <chrono>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "switchyard/base/check.h"
#include "switchyard/comm/failure.h"
#include "switchyard/comm/thread/execute.h"

namespace switchyard::comm {

ThreadGroup::ThreadGroup(std::shared_ptr<ThreadJob> job,
                         std::vector<Member> members)
    : job_(std::move(job)),
      members_(std::move(members)),
      left_(members_.size(), false) {}

absl::Status ThreadGroup::Arrive(int64_t sequence, int rank, const Call& call) {
  std::unique_lock<std::mutex> lock(job_->mutex);
  if (!job_->failure.ok()) return LaterFailure(job_->failure);
  Meeting& meeting = MeetingOf(sequence);
  for (int other = 0; other < size(); ++other) {
    if (meeting.calls[other] == nullptr) continue;
    if (!SameCall(*meeting.calls[other], call)) {
      return Fail(absl::StatusCode::kFailedPrecondition,
                  absl::StrCat("rank ", other, " called ",
                               NameOf(meeting.calls[other]->kind), ", rank ",
                               rank, " ", NameOf(call.kind)));
    }
    break;  // those that came agree with each other
  }
  meeting.calls[rank] = &call;
  ++meeting.arrived_count;
  if (const int leaver = MissingLeaver(meeting); leaver >= 0) {
    return FailForLeaver(meeting, leaver);
  }
  if (meeting.arrived_count < size()) return absl::OkStatus();

  // No rank returns from Await while this one works on its buffers.
  meeting.executing = true;
  lock.unlock();
  const bool matched = Execute(meeting.calls);
  lock.lock();
  meeting.executing = false;
  job_->changed.notify_all();
  if (!matched) {
    if (!job_->failure.ok()) return LaterFailure(job_->failure);
    return Fail(absl::StatusCode::kFailedPrecondition,
                "the blocks of the ranks do not match");
  }
  if (call.kind == CallKind::kSplit) MakeChildren(meeting);
  meeting.done = true;
  return absl::OkStatus();
}

absl::Status ThreadGroup::Await(int64_t sequence, int rank) {
  std::unique_lock<std::mutex> lock(job_->mutex);
  Meeting& meeting = MeetingOf(sequence);
  SWITCHYARD_CHECK(meeting.calls[rank] != nullptr) << sequence;
  const auto deadline =
      std::chrono::steady_clock::now() +
      std::chrono::duration_cast<std::chrono::steady_clock::duration>(
          std::chrono::duration<double>(job_->options.timeout_seconds));
  while (!meeting.done) {
    if (meeting.executing) {  // its time does not count: nobody is missing
      job_->changed.wait(lock);
      continue;
    }
    if (!job_->failure.ok()) return job_->failure;
    if (const int leaver = MissingLeaver(meeting); leaver >= 0) {
      return FailForLeaver(meeting, leaver);
    }
    if (std::chrono::steady_clock::now() >= deadline) {
      return FailForDeadline(meeting);
    }
    job_->changed.wait_until(lock, deadline);
  }
  if (meeting.calls[rank]->kind != CallKind::kSplit) Finished(meeting);
  return absl::OkStatus();
}

std::shared_ptr<ThreadGroup> ThreadGroup::TakeChild(int64_t sequence,
                                                    int color) {
  std::lock_guard<std::mutex> lock(job_->mutex);
  Meeting& meeting = MeetingOf(sequence);
  std::shared_ptr<ThreadGroup> child = meeting.children.at(color);
  Finished(meeting);
  return child;
}

void ThreadGroup::Leave(int rank) {
  std::lock_guard<std::mutex> lock(job_->mutex);
  left_[rank] = true;
  job_->changed.notify_all();
}

bool ThreadGroup::failed() const {
  std::lock_guard<std::mutex> lock(job_->mutex);
  return !job_->failure.ok();
}

ThreadGroup::Meeting& ThreadGroup::MeetingOf(int64_t sequence) {
  Meeting* free = nullptr;
  for (const std::unique_ptr<Meeting>& meeting : meetings_) {
    if (meeting->sequence == sequence) return *meeting;
    if (meeting->sequence == 0) free = meeting.get();
  }
  if (free == nullptr) {
    meetings_.push_back(std::make_unique<Meeting>());
    free = meetings_.back().get();
  }
  free->sequence = sequence;
  free->calls.assign(members_.size(), nullptr);
  return *free;
}

void ThreadGroup::Finished(Meeting& meeting) {
  if (++meeting.finished_count < size()) return;
  meeting.sequence = 0;
  meeting.arrived_count = 0;
  meeting.finished_count = 0;
  meeting.done = false;
  meeting.children.clear();
}

absl::Status ThreadGroup::Fail(absl::StatusCode code,
                               const std::string& report) {
  job_->failure = absl::Status(code, report);
  job_->changed.notify_all();
  return job_->failure;
}

int ThreadGroup::MissingLeaver(const Meeting& meeting) const {
  for (int r = 0; r < size(); ++r) {
    if (left_[r] && meeting.calls[r] == nullptr) return r;
  }
  return -1;
}

absl::Status ThreadGroup::FailForLeaver(const Meeting& meeting, int leaver) {
  return Fail(
      absl::StatusCode::kUnavailable,
      absl::StrCat("rank ", leaver, " left before call ", meeting.sequence));
}

absl::Status ThreadGroup::FailForDeadline(const Meeting& meeting) {
  return Fail(absl::StatusCode::kDeadlineExceeded,
              absl::StrCat("call ", meeting.sequence, " is not complete after ",
                           job_->options.timeout_seconds, " s"));
}

void ThreadGroup::MakeChildren(Meeting& meeting) {
  // (color, key, rank) sorted: the order of the ranks in their new groups.
  std::vector<std::tuple<int, int, int>> order;
  for (int r = 0; r < size(); ++r) {
    order.emplace_back(meeting.calls[r]->color, meeting.calls[r]->key, r);
  }
  std::sort(order.begin(), order.end());
  for (size_t begin = 0; begin < order.size();) {
    const int color = std::get<0>(order[begin]);
    std::vector<Member> members;
    size_t i = begin;
    for (; i < order.size() && std::get<0>(order[i]) == color; ++i) {
      members.push_back(members_[std::get<2>(order[i])]);
    }
    meeting.children[color] =
        std::make_shared<ThreadGroup>(job_, std::move(members));
    begin = i;
  }
}

}  // namespace switchyard::comm
