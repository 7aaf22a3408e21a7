// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Carries out a collective when the buffers of all ranks are in one address
// space.
#ifndef SWITCHYARD_COMM_THREAD_EXECUTE_H_
#define SWITCHYARD_COMM_THREAD_EXECUTE_H_

#include "absl/types/span.h"
#include "switchyard/comm/call.h"

namespace switchyard::comm {

// `calls[r]` is rank r's call. They agree (SameCall). False if the blocks of an
// all-to-all-v do not: then some of them may have moved.
bool Execute(absl::Span<const Call* const> calls);

}  // namespace switchyard::comm

#endif  // SWITCHYARD_COMM_THREAD_EXECUTE_H_
