// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// How much memory the system lets this process and those beside it have:
// containers and batch systems put jobs into control groups with a limit.
#ifndef SWITCHYARD_LAUNCH_CONTROL_GROUP_H_
#define SWITCHYARD_LAUNCH_CONTROL_GROUP_H_

#include <cstdint>
#include <string>

namespace switchyard::launch {

// The least limit, in bytes, of this process's control groups and of all above
// them, in versions 1 and 2; the largest int64_t if there is none or it cannot
// be read. `root` is put before /proc and /sys, for tests.
int64_t ReadControlGroupLimit(const std::string& root = "");

}  // namespace switchyard::launch

#endif  // SWITCHYARD_LAUNCH_CONTROL_GROUP_H_
