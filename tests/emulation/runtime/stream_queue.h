// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The operations of a stream, one after the other. What can run at once does,
// in the caller (kSynchronous), so that a program's schedule is its own order;
// what has to wait, and all that follows it, goes to a thread of the stream.
// With kThreads everything does, after a random while.
#ifndef SWITCHYARD_TESTS_EMULATION_RUNTIME_STREAM_QUEUE_H_
#define SWITCHYARD_TESTS_EMULATION_RUNTIME_STREAM_QUEUE_H_

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "races/clocks.h"

namespace switchyard::emulation {

struct Task {
  std::function<void()> work;
  // Null while races are not checked.
  std::shared_ptr<const Operation> operation;
  bool may_wait = false;     // for something that others do
  bool even_failed = false;  // runs on a device that failed, too
};

class StreamQueue {
 public:
  // `id` tells the delays of streams apart.
  explicit StreamQueue(int id);
  StreamQueue(const StreamQueue&) = delete;
  StreamQueue& operator=(const StreamQueue&) = delete;
  ~StreamQueue();

  void Enqueue(Task task);
  bool Idle() const;
  // Until all that was enqueued before has run.
  void WaitIdle();

 private:
  static void Run(const Task& task);
  void Work();
  void Delay();

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Task> tasks_;
  uint64_t enqueued_ = 0;
  uint64_t finished_ = 0;
  bool stopping_ = false;
  uint64_t random_;
  std::thread thread_;  // started when it is needed first
};

}  // namespace switchyard::emulation

#endif  // SWITCHYARD_TESTS_EMULATION_RUNTIME_STREAM_QUEUE_H_
