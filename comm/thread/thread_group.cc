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
      left_(members_.size(), false) {
  // How many calls are open depends on the ranks' pace. More than a runtime has
  // under way are made here, so that none is made in a step.
  constexpr int kOpenCalls = 32;
  for (int i = 0; i < kOpenCalls; ++i) {
    meetings_.push_back(std::make_unique<Meeting>());
    meetings_.back()->calls.reserve(members_.size());
  }
}

absl::Status ThreadGroup::Arrive(int64_t sequence, int rank, const Call& call,
                                 const Record& record) {
  std::unique_lock<std::mutex> lock(job_->mutex);
  if (!job_->failure.ok()) return LaterFailure(job_->failure);
  Meeting& meeting = MeetingOf(sequence);
  const auto first = std::find_if(meeting.calls.begin(), meeting.calls.end(),
                                  [](const Call* c) { return c != nullptr; });
  if (first != meeting.calls.end() && !SameCall(**first, call)) {
    return Fail(sequence, record, MismatchError());
  }
  meeting.calls[rank] = &call;
  ++meeting.arrived_count;
  if (const absl::Status status = CheckPresent(meeting); !status.ok()) {
    return Fail(sequence, record, status);
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
    return Fail(sequence, record, MismatchError());
  }
  if (call.kind == CallKind::kSplit) MakeChildren(meeting);
  meeting.done = true;
  return absl::OkStatus();
}

absl::Status ThreadGroup::Await(int64_t sequence, int rank,
                                const Record& record) {
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
    if (const absl::Status status = CheckPresent(meeting); !status.ok()) {
      return Fail(sequence, record, status);
    }
    if (std::chrono::steady_clock::now() >= deadline) {
      return Fail(sequence, record,
                  DeadlineError(job_->options.timeout_seconds));
    }
    job_->changed.wait_until(lock, deadline);
  }
  if (meeting.calls[rank]->kind != CallKind::kSplit) Finished(meeting);
  return absl::OkStatus();
}

bool ThreadGroup::IsDone(int64_t sequence) {
  std::lock_guard<std::mutex> lock(job_->mutex);
  const Meeting& meeting = MeetingOf(sequence);
  return meeting.done || (!meeting.executing && !job_->failure.ok());
}

void ThreadGroup::Settle(int64_t sequence) {
  std::unique_lock<std::mutex> lock(job_->mutex);
  for (const std::unique_ptr<Meeting>& meeting : meetings_) {
    if (meeting->sequence != sequence) continue;
    job_->changed.wait(lock, [&] { return !meeting->executing; });
    return;
  }
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

absl::Status ThreadGroup::failure() const {
  std::lock_guard<std::mutex> lock(job_->mutex);
  return job_->failure;
}

absl::Status ThreadGroup::EndJob(int64_t sequence, const Record& record,
                                 const absl::Status& cause) {
  std::lock_guard<std::mutex> lock(job_->mutex);
  if (!job_->failure.ok()) return job_->failure;
  return Fail(sequence, record, cause);
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

absl::Status ThreadGroup::Fail(int64_t sequence, const Record& record,
                               const absl::Status& cause) {
  job_->failure = record.Explain(sequence, cause);
  record.ledger().NoteFailed();
  job_->changed.notify_all();
  return job_->failure;
}

absl::Status ThreadGroup::CheckPresent(const Meeting& meeting) const {
  for (int r = 0; r < size(); ++r) {
    if (!left_[r] || meeting.calls[r] != nullptr) continue;
    return absl::UnavailableError(absl::StrCat(
        "cannot be completed: rank ", members_[r].world_rank, " left"));
  }
  return absl::OkStatus();
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
