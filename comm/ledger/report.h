// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The texts that users see. Their first line stands alone: later errors repeat
// it.
#ifndef SWITCHYARD_COMM_LEDGER_REPORT_H_
#define SWITCHYARD_COMM_LEDGER_REPORT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "switchyard/comm/ledger/diagnosis.h"
#include "switchyard/comm/ledger/snapshot.h"

namespace switchyard::comm::ledger {

// Why call `sequence` of `group` could not be completed on rank `rank` of the
// world. `cause` is what that rank saw, such as "is not complete after 3 s";
// the code is its own unless the calls differ, which is a failed precondition.
absl::Status ExplainCall(const GroupInfo& group, int64_t sequence,
                         const absl::Status& cause, int rank,
                         const std::vector<RankSnapshot>& world);

// The state of everything, as seen from rank `rank`, which is in `groups`.
std::string DescribeJob(const std::vector<GroupInfo>& groups, int rank,
                        const std::vector<RankSnapshot>& world);

}  // namespace switchyard::comm::ledger

#endif  // SWITCHYARD_COMM_LEDGER_REPORT_H_
