// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "engine/failure.h"

#include <atomic>
#include <mutex>

namespace switchyard::emulation {
namespace {

std::mutex g_mutex;
std::string g_text;
std::atomic<bool> g_failed = false;

}  // namespace

void RecordFailure(const std::string& text) {
  const std::lock_guard lock(g_mutex);
  if (g_failed) return;
  g_text = text;
  g_failed = true;
}

bool DeviceFailed() { return g_failed; }

std::string LastFailure() {
  const std::lock_guard lock(g_mutex);
  return g_text;
}

void ClearFailure() {
  const std::lock_guard lock(g_mutex);
  g_text.clear();
  g_failed = false;
}

Counters& mutable_counters() {
  static Counters counters;
  return counters;
}

Counters counters() { return mutable_counters(); }

void ResetCounters() { mutable_counters() = {}; }

}  // namespace switchyard::emulation
