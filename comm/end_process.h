// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// How Communicator::Abort ends a process.
#ifndef SWITCHYARD_COMM_END_PROCESS_H_
#define SWITCHYARD_COMM_END_PROCESS_H_

#include <functional>
#include <string>

namespace switchyard::comm {

// Prints `message`, calls the fatal handler (base/check.h), which may have
// files to put in order, then `end_others`, if there is one, and exits with a
// failure. Nothing is destroyed: other threads still run.
[[noreturn]] void EndProcess(const std::string& message,
                             const std::function<void()>& end_others = {});

}  // namespace switchyard::comm

#endif  // SWITCHYARD_COMM_END_PROCESS_H_
