// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#ifndef SWITCHYARD_LAUNCH_VERSION_H_
#define SWITCHYARD_LAUNCH_VERSION_H_

namespace switchyard::launch {

// Of the project: "0.1.0".
const char* Version();

}  // namespace switchyard::launch

#endif  // SWITCHYARD_LAUNCH_VERSION_H_
