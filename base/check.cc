// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/base/check.h"

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <utility>

#include "switchyard/base/fatal_handler.h"

namespace switchyard {
namespace {

thread_local int thread_rank = -1;
std::atomic<int> process_rank{-1};

struct Handler {
  std::mutex mutex;
  std::function<void(const std::string&)> call;
};

Handler& TheHandler() {
  static Handler* handler = new Handler;  // outlives every static destructor
  return *handler;
}

}  // namespace

void SetThreadRank(int rank) { thread_rank = rank; }
void SetProcessRank(int rank) { process_rank = rank; }
int ThreadRank() {
  return thread_rank >= 0 ? thread_rank : process_rank.load();
}

void SetFatalHandler(std::function<void(const std::string&)> handler) {
  Handler& the = TheHandler();
  std::lock_guard<std::mutex> lock(the.mutex);
  the.call = std::move(handler);
}

namespace internal {

void CallFatalHandler(const std::string& message) {
  std::function<void(const std::string&)> call;
  {
    std::lock_guard<std::mutex> lock(TheHandler().mutex);
    call = TheHandler().call;
  }
  if (call) call(message);
}

FatalMessage::FatalMessage(const char* file, int line, const char* condition) {
  if (ThreadRank() >= 0) stream_ << "rank " << ThreadRank() << ": ";
  stream_ << file << ":" << line << ": check failed: " << condition << " ";
}

FatalMessage::~FatalMessage() {
  const std::string message = stream_.str();
  std::fprintf(stderr, "%s\n", message.c_str());
  std::fflush(stderr);
  CallFatalHandler(message);
  std::abort();
}

}  // namespace internal
}  // namespace switchyard
