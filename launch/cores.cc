// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/launch/cores.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "switchyard/base/philox.h"
#include "switchyard/base/status.h"
#include "switchyard/runtime/parallel/agreement.h"

namespace switchyard::launch {
namespace {

RankCores MyCores(const comm::Communicator& world) {
  RankCores cores;
  cores.node = world.members()[world.rank()].node;
  // Room for 8192 cores; a fixed cpu_set_t holds 1024.
  std::vector<cpu_set_t> mask(8);
  const size_t bytes = mask.size() * sizeof(cpu_set_t);
  CPU_ZERO_S(bytes, mask.data());
  if (sched_getaffinity(0, bytes, mask.data()) != 0) {
    cores.count = 1;
    return cores;
  }
  cores.count = CPU_COUNT_S(bytes, mask.data());
  for (size_t core = 0; core < bytes * 8; ++core) {
    if (!CPU_ISSET_S(core, bytes, mask.data())) continue;
    cores.mask = static_cast<int64_t>(
        MixKey(static_cast<uint64_t>(cores.mask), uint64_t{core}));
  }
  return cores;
}

}  // namespace

absl::StatusOr<std::vector<RankCores>> GatherCores(comm::Communicator& world) {
  const RankCores mine = MyCores(world);
  SWITCHYARD_ASSIGN_OR_RETURN(
      const std::vector<int64_t> all,
      GatherIntegers(world, {mine.node, mine.mask, mine.count}));
  std::vector<RankCores> ranks;
  for (size_t i = 0; i < all.size(); i += 3) {
    ranks.push_back({all[i], all[i + 1], all[i + 2]});
  }
  return ranks;
}

int64_t ShareOfCores(absl::Span<const RankCores> ranks, int rank) {
  const RankCores& mine = ranks[rank];
  const int64_t sharing =
      std::count_if(ranks.begin(), ranks.end(), [&](const RankCores& other) {
        return other.node == mine.node && other.mask == mine.mask;
      });
  return std::max<int64_t>(1, mine.count / sharing);
}

absl::Status CheckThreads(int64_t threads) {
  constexpr int64_t kMostOfACore = 4;
  const int64_t cores = std::max<int64_t>(1, sysconf(_SC_NPROCESSORS_ONLN));
  if (threads <= kMostOfACore * cores) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "expected --threads of at most ", kMostOfACore, " times the ", cores,
      cores == 1 ? " core" : " cores", " of the machine, found ", threads,
      "; lower it or leave it out"));
}

std::string WarnAboutBinding(absl::Span<const RankCores> ranks,
                             int64_t threads) {
  for (size_t rank = 0; rank < ranks.size(); ++rank) {
    if (ranks[rank].count >= threads) continue;
    return absl::StrCat("rank ", rank, " has ", threads,
                        " threads but may use ", ranks[rank].count,
                        ranks[rank].count == 1 ? " core" : " cores",
                        "; start with launch/mpirun.sh or mpirun --bind-to "
                        "none, or lower --threads");
  }
  return "";
}

}  // namespace switchyard::launch
