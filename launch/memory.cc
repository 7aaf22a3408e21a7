// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/launch/memory.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <limits>

#include "absl/strings/str_cat.h"
#include "switchyard/base/number_text.h"
#include "switchyard/launch/control_group.h"

namespace switchyard::launch {
namespace {

constexpr int64_t kNoLimit = std::numeric_limits<int64_t>::max();

}  // namespace

HostMemory ReadHostMemory(const std::string& host) {
  HostMemory memory = {host, kNoLimit, kNoLimit, ReadControlGroupLimit()};
  const int64_t pages = sysconf(_SC_PHYS_PAGES);
  const int64_t page_bytes = sysconf(_SC_PAGESIZE);
  if (pages > 0 && page_bytes > 0 && pages <= kNoLimit / page_bytes) {
    memory.physical = pages * page_bytes;
  }
  rlimit limit = {};
  if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
    memory.address_space =
        static_cast<int64_t>(std::min<rlim_t>(limit.rlim_cur, kNoLimit));
  }
  return memory;
}

absl::Status CheckMemory(const HostMemory& memory, int64_t ranks,
                         int64_t rank_bytes) {
  constexpr char kWhat[] =
      "expected weights, gradients and optimizer state that fit into ";
  if (rank_bytes > memory.address_space) {
    return absl::ResourceExhaustedError(absl::StrCat(
        kWhat, "a process on ", memory.host, ", found that a rank needs ",
        ByteText(rank_bytes), " and may use ", ByteText(memory.address_space),
        "; raise the limit (ulimit -v), use more ranks or a smaller model"));
  }
  // Divided, so that the product cannot overflow.
  const bool limited = memory.control_group < memory.physical;
  const int64_t all = limited ? memory.control_group : memory.physical;
  if (rank_bytes > all / ranks) {
    return absl::ResourceExhaustedError(absl::StrCat(
        kWhat, "the memory of ", memory.host, ", found that ",
        ranks == 1 ? "one rank needs " : absl::StrCat(ranks, " ranks need "),
        ranks == 1 ? "" : "each ", ByteText(rank_bytes),
        limited ? " and the job's control group may use " : " and it has ",
        ByteText(all),
        limited ? "; raise that limit (of the container or the "
                  "job),"
                : ";",
        " use more hosts, a wider --expert_parallel or a smaller model "
        "(--dry_run prints the plan)"));
  }
  return absl::OkStatus();
}

}  // namespace switchyard::launch
