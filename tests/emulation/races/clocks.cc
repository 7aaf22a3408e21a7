// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "races/clocks.h"

#include <algorithm>
#include <deque>
#include <mutex>
#include <set>

#include "races/race_checks.h"

namespace switchyard::emulation {
namespace {

struct Numbered {
  int stream;
  const std::string* name;
};

std::mutex g_mutex;
thread_local const Operation* t_operation = nullptr;

// Index 0 is not an operation.
std::deque<Numbered>& Operations() {
  static auto* const operations = new std::deque<Numbered>(1);
  return *operations;
}

VectorClock& Host() {
  static auto* const host = new VectorClock;
  return *host;
}

const std::string* Intern(const std::string& name) {
  static auto* const names = new std::set<std::string>;
  return &*names->insert(name).first;
}

}  // namespace

void VectorClock::Advance(int stream, OperationNumber operation) {
  if (stream >= static_cast<int>(latest_.size())) latest_.resize(stream + 1);
  latest_[stream] = std::max(latest_[stream], operation);
}

void VectorClock::Join(const VectorClock& other) {
  if (other.latest_.size() > latest_.size()) {
    latest_.resize(other.latest_.size());
  }
  for (size_t i = 0; i < other.latest_.size(); ++i) {
    latest_[i] = std::max(latest_[i], other.latest_[i]);
  }
}

std::shared_ptr<const Operation> NumberOperation(int stream,
                                                 const std::string& name,
                                                 VectorClock& clock) {
  if (!RaceChecks()) return nullptr;
  const std::lock_guard lock(g_mutex);
  auto operation = std::make_shared<Operation>();
  operation->number = static_cast<OperationNumber>(Operations().size());
  operation->stream = stream;
  Operations().push_back({stream, Intern(name)});
  clock.Join(Host());
  clock.Advance(stream, operation->number);
  operation->before = clock;
  return operation;
}

void HostKnows(const VectorClock& clock) {
  const std::lock_guard lock(g_mutex);
  Host().Join(clock);
}

VectorClock HostClock() {
  const std::lock_guard lock(g_mutex);
  return Host();
}

int StreamOf(OperationNumber operation) {
  const std::lock_guard lock(g_mutex);
  return Operations()[operation].stream;
}

std::string DescribeOperation(OperationNumber operation) {
  const std::lock_guard lock(g_mutex);
  const Numbered& numbered = Operations()[operation];
  return *numbered.name + " (operation " + std::to_string(operation) +
         ", stream " + std::to_string(numbered.stream) + ")";
}

const Operation* CurrentOperation() { return t_operation; }

OperationScope::OperationScope(const Operation* operation) {
  t_operation = operation;
}

OperationScope::~OperationScope() { t_operation = nullptr; }

}  // namespace switchyard::emulation
