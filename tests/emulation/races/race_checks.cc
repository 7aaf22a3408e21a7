// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "races/race_checks.h"

#include <cstdlib>
#include <cstring>
#include <mutex>

#include "emulation/control.h"
#include "engine/address_space.h"
#include "engine/failure.h"
#include "races/describe.h"
#include "races/order.h"
#include "runtime/memory.h"
#include "runtime/stream.h"

namespace switchyard::emulation {
namespace {

// Says which byte of a range is in a race, and with whom.
void FailRange(const Operation& operation, const void* address, AccessKind kind,
               const Record& before, bool wrote) {
  Record now;
  now.operation = operation.number;
  RecordFailure("race: " + DescribeOperation(operation.number) + " " +
                VerbOf(kind) + " " + DescribeAddress(address) + "; " +
                DescribePrevious(before, now, wrote));
}

bool FromEnvironment() {
  const char* const value = std::getenv("SWITCHYARD_EMULATION_RACES");
  return value != nullptr && std::strcmp(value, "0") != 0;
}

}  // namespace

bool g_race_checks = FromEnvironment();

void SetRaceChecks(bool on) {
  if (on == g_race_checks) return;
  g_race_checks = on;
  if (!on) return;
  Shadow& shadow = Shadow::Get();
  shadow.ForgetRecords();
  // What happened unseen may have written everything.
  for (const Allocation& allocation : Memory::Get().All()) {
    shadow.Allocate(OffsetOf(allocation.address), allocation.bytes, true);
  }
}

void NoteAllocated(const void* address, size_t bytes) {
  if (!RaceChecks()) return;
  const size_t offset = OffsetOf(address);
  // The host may have written all of pinned memory.
  Shadow::Get().Allocate(offset, bytes, RegionOf(offset) == Region::kPinned);
}

void NoteFreed(const void* address, size_t bytes) {
  if (RaceChecks()) Shadow::Get().Free(OffsetOf(address), bytes);
}

void NoteUninitialised(const void* address, size_t bytes) {
  if (!RaceChecks()) return;
  Shadow::Get().SetInitialised(OffsetOf(address), bytes, false);
}

void NoteRange(const void* address, size_t bytes, AccessKind kind) {
  const Operation* const operation = CurrentOperation();
  if (!RaceChecks() || operation == nullptr || !InAddressSpace(address)) return;
  Shadow& shadow = Shadow::Get();
  OrderJudge judge(*operation);
  Record now;
  now.operation = operation->number;
  const size_t offset = OffsetOf(address);
  for (size_t word = offset / kWordBytes * kWordBytes; word < offset + bytes;
       word += kWordBytes) {
    now.bytes = MaskOf(word, offset, bytes);
    Cell& cell = shadow.cell(word);
    if (const Record* const before =
            FindConflict(cell, now, kind, false, judge)) {
      const bool wrote = before == &cell.writes[0] || before == &cell.writes[1];
      FailRange(*operation, g_address_space + word, kind, *before, wrote);
      return;
    }
    Remember(cell, now, kind, false, judge);
  }
  if (kind == AccessKind::kWrite) shadow.SetInitialised(offset, bytes, true);
}

void NoteCopy(const void* to, const void* from, size_t bytes) {
  if (!RaceChecks()) return;
  NoteRange(from, bytes, AccessKind::kRead);
  NoteRange(to, bytes, AccessKind::kWrite);
  if (InAddressSpace(to) && InAddressSpace(from)) {
    Shadow::Get().CopyInitialised(OffsetOf(to), OffsetOf(from), bytes);
  }
}

void NoteHostAccess(const void* address, size_t bytes, AccessKind kind,
                    const void* pc) {
  if (!InAddressSpace(address) || DeviceFailed()) return;
  const size_t offset = OffsetOf(address);
  const std::string who = std::string("host code ") + VerbOf(kind) + " " +
                          std::to_string(bytes) + " bytes at ";
  if (RegionOf(offset) != Region::kPinned) {
    RecordFailure(who + DescribeCode(pc) + ": " + DescribeAddress(address) +
                  ", which only the device can reach");
    return;
  }
  const std::lock_guard lock(DeviceMutex());
  Operation host;
  host.before = HostClock();
  OrderJudge judge(host);
  Record now;
  for (size_t word = offset / kWordBytes * kWordBytes; word < offset + bytes;
       word += kWordBytes) {
    now.bytes = MaskOf(word, offset, bytes);
    const Cell& cell = Shadow::Get().cell(word);
    const Record* const before = FindConflict(cell, now, kind, false, judge);
    if (before == nullptr) continue;
    const bool wrote = before == &cell.writes[0] || before == &cell.writes[1];
    RecordFailure("race: " + who + DescribeCode(pc) + ": " +
                  DescribeAddress(address) + "; " +
                  DescribePrevious(*before, now, wrote));
    return;
  }
}

}  // namespace switchyard::emulation
