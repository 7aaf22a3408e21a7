// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "runtime/stream_queue.h"

#include <chrono>
#include <utility>

#include "emulation/control.h"
#include "engine/failure.h"

namespace switchyard::emulation {
namespace {

constexpr uint64_t kLongestDelayMicroseconds = 300;
// As many as a driver takes about: who enqueues another waits, whatever for.
constexpr size_t kMostTasks = 1024;

}  // namespace

StreamQueue::StreamQueue(int id)
    : random_((settings().seed * 1000 + id) * 0x9E3779B97F4A7C15u | 1) {}

StreamQueue::~StreamQueue() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void StreamQueue::Run(const Task& task) {
  if (DeviceFailed() && !task.even_failed) return;
  const OperationScope scope(task.operation.get());
  task.work();
}

void StreamQueue::Enqueue(Task task) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return tasks_.size() < kMostTasks; });
  const bool idle = finished_ == enqueued_++;
  if (idle && !task.may_wait && settings().streams == Streams::kSynchronous) {
    lock.unlock();
    Run(task);
    lock.lock();
    ++finished_;
  } else {
    tasks_.push_back(std::move(task));
    if (!thread_.joinable()) thread_ = std::thread([this] { Work(); });
  }
  lock.unlock();
  changed_.notify_all();
}

void StreamQueue::Work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    // A task that runs in a caller is finished first.
    changed_.wait(lock, [this] {
      return (!tasks_.empty() && enqueued_ - finished_ == tasks_.size()) ||
             (tasks_.empty() && stopping_);
    });
    if (tasks_.empty()) return;
    const Task task = std::move(tasks_.front());
    lock.unlock();
    Delay();
    Run(task);
    lock.lock();
    tasks_.pop_front();
    ++finished_;
    changed_.notify_all();
  }
}

void StreamQueue::Delay() {
  if (settings().streams != Streams::kThreads) return;
  random_ ^= random_ << 13;
  random_ ^= random_ >> 7;
  random_ ^= random_ << 17;
  if (random_ & 1) return;
  std::this_thread::sleep_for(
      std::chrono::microseconds((random_ >> 8) % kLongestDelayMicroseconds));
}

bool StreamQueue::Idle() const {
  const std::lock_guard lock(mutex_);
  return finished_ == enqueued_;
}

void StreamQueue::WaitIdle() {
  std::unique_lock lock(mutex_);
  const uint64_t target = enqueued_;
  changed_.wait(lock, [this, target] { return finished_ >= target; });
}

}  // namespace switchyard::emulation
