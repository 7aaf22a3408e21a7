// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Accesses of device threads.
#include "races/device_checks.h"

#include <link.h>

#include <optional>

#include "engine/address_space.h"
#include "engine/engine.h"
#include "races/describe.h"
#include "races/order.h"
#include "races/race_checks.h"

namespace switchyard::emulation {
namespace {

// Of the kernel that runs.
std::optional<OrderJudge> g_judge;

struct Access {
  const void* address;
  size_t bytes;
  AccessKind kind;
  const void* pc;
};

std::string Describe(const Access& access) {
  return std::string(VerbOf(access.kind)) + " " + std::to_string(access.bytes) +
         " bytes at " + DescribeCode(access.pc) + ": ";
}

[[noreturn]] void Fail(const Access& access, const std::string& problem) {
  Engine::Get().Fail(Describe(access) + problem);
}

// Constants and variables of the program, which the host compiler puts beside
// its own.
bool InLoadedObject(const void* address) {
  struct Search {
    uintptr_t address;
    bool found;
  } search = {reinterpret_cast<uintptr_t>(address), false};
  const auto visit = [](dl_phdr_info* info, size_t, void* data) {
    auto* const search = static_cast<Search*>(data);
    for (int i = 0; i < info->dlpi_phnum; ++i) {
      const auto& segment = info->dlpi_phdr[i];
      if (segment.p_type != PT_LOAD) continue;
      const uintptr_t start = info->dlpi_addr + segment.p_vaddr;
      if (search->address - start < segment.p_memsz) search->found = true;
    }
    return search->found ? 1 : 0;
  };
  dl_iterate_phdr(visit, &search);
  return search.found;
}

void CheckForeign(const Access& access) {
  const Engine& engine = Engine::Get();
  if (engine.OnDeviceStack(access.address) || engine.Owns(access.address)) {
    return;
  }
  // The object that was found last, as most such accesses are to one.
  static const void* last_page = nullptr;
  const auto page = reinterpret_cast<const void*>(
      reinterpret_cast<uintptr_t>(access.address) / 4096);
  if (page == last_page) return;
  if (!InLoadedObject(access.address)) {
    Fail(access, "memory of the host, which the device cannot reach");
  }
  last_page = page;
}

void CheckWord(const Access& access, size_t word, Record& now, bool shared) {
  Shadow& shadow = Shadow::Get();
  now.bytes = MaskOf(word, OffsetOf(access.address), access.bytes);
  if ((now.bytes & ~shadow.Allocated(word)) != 0) {
    Fail(access, "outside of any allocation; before it lies " +
                     DescribeBefore(access.address));
  }
  if (access.kind != AccessKind::kWrite &&
      (now.bytes & ~shadow.Initialised(word)) != 0) {
    Fail(access,
         DescribeAddress(g_address_space + word) + ", which was never written");
  }
  Cell& cell = shadow.cell(word);
  if (const Record* const before =
          FindConflict(cell, now, access.kind, shared, *g_judge)) {
    const bool wrote = before == &cell.writes[0] || before == &cell.writes[1];
    Fail(access, "race: " + DescribeAddress(g_address_space + word) + "; " +
                     DescribePrevious(*before, now, wrote));
  }
  Remember(cell, now, access.kind, shared, *g_judge);
  if (access.kind != AccessKind::kRead) {
    shadow.AddInitialised(word, now.bytes);
  }
}

}  // namespace

void BeginKernelChecks(const Operation* operation) {
  g_judge.reset();
  if (RaceChecks() && operation != nullptr) g_judge.emplace(*operation);
}

void NoteDeviceAccess(const void* address, size_t bytes, AccessKind kind,
                      const void* pc) {
  if (!g_judge) return;
  const Access access = {address, bytes, kind, pc};
  const size_t offset = OffsetOf(address);
  if (offset >= kAddressSpaceBytes) return CheckForeign(access);
  const Region region = RegionOf(offset);
  if (region == Region::kPinned) {
    Fail(access, DescribeAddress(address) +
                     ": device code follows an address "
                     "of the host");
  }
  Record now = Engine::Get().CurrentRecord();
  now.operation = g_judge->operation().number;
  now.atomic = kind == AccessKind::kAtomic;
  const bool shared = region == Region::kShared;
  for (size_t word = offset / kWordBytes * kWordBytes; word < offset + bytes;
       word += kWordBytes) {
    CheckWord(access, word, now, shared);
  }
}

void FailMisaligned(const void* address, size_t bytes, AccessKind kind,
                    const void* pc) {
  Fail({address, bytes, kind, pc}, "misaligned, " + DescribeAddress(address));
}

}  // namespace switchyard::emulation
