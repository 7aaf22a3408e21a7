// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The implementations that need one process.
#include "switchyard/comm/self/self_communicator.h"
#include "switchyard/comm/thread/thread_communicator.h"
#include "switchyard/tests/conformance/implementation.h"

namespace switchyard::comm {

std::vector<Implementation> Implementations() {
  std::vector<Implementation> list;
  list.push_back({"Self", 1, [](const Options&, const RankMain& rank_main) {
                    return rank_main(*NewSelfCommunicator());
                  }});
  for (const int ranks : {1, 2, 3, 4, 7}) {
    list.push_back({"Thread", ranks,
                    [ranks](const Options& options, const RankMain& rank_main) {
                      return RunRanks(ranks, options, rank_main);
                    }});
  }
  return WithDevices(std::move(list));
}

}  // namespace switchyard::comm
