// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// What a command says, and how it ends.
#ifndef SWITCHYARD_LAUNCH_MESSAGES_H_
#define SWITCHYARD_LAUNCH_MESSAGES_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "switchyard/comm/communicator.h"

namespace switchyard::launch {

// A line on standard output.
void Say(absl::string_view line);
// Text on standard output. An error if it does not take it: a disk is full,
// say.
absl::Status WriteOutput(absl::string_view text);
// "switchyard: <kind><line>" on standard error.
void Complain(absl::string_view kind, absl::string_view line);

// Says what went wrong on any rank, once, and gives the exit code. A collective
// call where `status` is an error, of all ranks.
int Finish(const absl::Status& status, comm::Communicator& world);

}  // namespace switchyard::launch

#endif  // SWITCHYARD_LAUNCH_MESSAGES_H_
