// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "races/describe.h"

#include <dlfcn.h>
#include <elf.h>

#include <algorithm>
#include <array>
#include <cstdio>

#include "engine/address_space.h"
#include "engine/engine.h"
#include "runtime/memory.h"

namespace switchyard::emulation {
namespace {

std::string Run(const std::string& command) {
  std::string output;
  FILE* const pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return output;
  std::array<char, 256> part;
  while (std::fgets(part.data(), part.size(), pipe) != nullptr) {
    output += part.data();
  }
  pclose(pipe);
  return output;
}

}  // namespace

const char* VerbOf(AccessKind kind) {
  switch (kind) {
    case AccessKind::kRead:
      return "reads";
    case AccessKind::kWrite:
      return "writes";
    default:
      return "updates";
  }
}

std::string DescribeCode(const void* pc) {
  Dl_info object;
  if (dladdr(pc, &object) == 0) return "an unknown place";
  auto address = reinterpret_cast<uintptr_t>(pc) - 1;  // the call itself
  const auto* const header = static_cast<const Elf64_Ehdr*>(object.dli_fbase);
  if (header->e_type != ET_EXEC) {
    address -= reinterpret_cast<uintptr_t>(object.dli_fbase);
  }
  char command[1024];
  std::snprintf(command, sizeof command,
                "addr2line -s -C -f -e '%s' %#zx 2>/dev/null", object.dli_fname,
                static_cast<size_t>(address));
  const std::string lines = Run(command);
  const size_t end = lines.find('\n');
  if (end == std::string::npos || lines.compare(0, 2, "??") == 0) {
    std::snprintf(command, sizeof command, "%s+%#zx", object.dli_fname,
                  static_cast<size_t>(address));
    return command;
  }
  std::string function = lines.substr(0, end);
  constexpr char kAnonymous[] = "(anonymous namespace)::";
  if (const size_t at = function.find(kAnonymous); at != std::string::npos) {
    function.erase(at, sizeof kAnonymous - 1);
  }
  function.resize(std::min(function.find('('), function.size()));
  const std::string place = lines.substr(end + 1);
  return place.substr(0, place.find_first_of(" \n")) + " (" + function + ")";
}

std::string DescribeAddress(const void* address) {
  if (RegionOf(OffsetOf(address)) == Region::kShared) {
    return Engine::Get().DescribeShared(address);
  }
  const auto found = Memory::Get().Find(address);
  if (!found) return "memory that belongs to no allocation";
  const std::string place =
      "byte " +
      std::to_string(static_cast<const char*>(address) - found->address) +
      " of " + std::to_string(found->bytes) + " of an allocation ";
  if (found->kind == MemoryKind::kPinned) return place + "of pinned memory";
  return place + "of device " + std::to_string(found->device);
}

std::string DescribeBefore(const void* address) {
  if (RegionOf(OffsetOf(address)) == Region::kShared) {
    return Engine::Get().DescribeShared(address);
  }
  const auto found = Memory::Get().FindBefore(address);
  if (!found) return "nothing";
  return "byte " +
         std::to_string(static_cast<const char*>(address) - found->address) +
         " of an allocation of " + std::to_string(found->bytes) + " bytes";
}

std::string DescribePrevious(const Record& before, const Record& now,
                             bool wrote) {
  const std::string verb = wrote ? " wrote it" : " read it";
  if (before.operation != now.operation) {
    return DescribeOperation(before.operation) + verb +
           ", and nothing orders that before (an event to wait for, or the "
           "host waiting)";
  }
  const std::string thread = "thread " + std::to_string(before.thread);
  if (before.block != now.block) {
    return thread + " of block " + std::to_string(before.block) + verb +
           ", and nothing orders blocks of a launch";
  }
  if (before.thread / 32 == now.thread / 32) {
    return thread + " of the same warp" + verb +
           ", without __syncwarp or __syncthreads between";
  }
  return thread + " of the block" + verb + ", without __syncthreads between";
}

}  // namespace switchyard::emulation
