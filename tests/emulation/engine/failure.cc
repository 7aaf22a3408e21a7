// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "engine/failure.h"

#include <atomic>
#include <mutex>

namespace switchyard::emulation {
namespace {

std::mutex g_mutex;
std::atomic<bool> g_failed = false;

// Outlives threads that still run at the end of the process.
std::string& Text() {
  static auto* const text = new std::string;
  return *text;
}

}  // namespace

void RecordFailure(const std::string& text) {
  const std::lock_guard lock(g_mutex);
  if (g_failed) return;
  Text() = text;
  g_failed = true;
}

bool DeviceFailed() { return g_failed; }

std::string LastFailure() {
  const std::lock_guard lock(g_mutex);
  return Text();
}

void ForgetFailure() {
  const std::lock_guard lock(g_mutex);
  Text().clear();
  g_failed = false;
}

Counters& mutable_counters() {
  static Counters counters;
  return counters;
}

Counters counters() { return mutable_counters(); }

void ResetCounters() { mutable_counters() = {}; }

}  // namespace switchyard::emulation
