// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// How reports speak of calls and ranks.
#ifndef SWITCHYARD_COMM_LEDGER_WORDING_H_
#define SWITCHYARD_COMM_LEDGER_WORDING_H_

#include <string>
#include <vector>

#include "switchyard/comm/ledger/snapshot.h"

namespace switchyard::comm::ledger {

// {0, 1, 2, 5} is "0-2, 5". Ascending.
std::string Ranges(const std::vector<int>& ranks);
// "rank 5", "ranks 0-2, 5".
std::string Ranks(const std::vector<int>& ranks);

// "layer 3, dispatch"; "dispatch" outside the layers.
std::string Place(int layer, const std::string& phase);

// "all-reduce (sum, 100 fp32) by layer 3, backward".
std::string Describe(const CallSnapshot& call);

// "rank 2 (host a, process 77, stopped)".
std::string Describe(const RankSnapshot& rank);

// Where the rank is: position and call, on one line without its name.
std::string Whereabouts(const RankSnapshot& rank, int64_t now_ns);

}  // namespace switchyard::comm::ledger

#endif  // SWITCHYARD_COMM_LEDGER_WORDING_H_
