// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/launch/version.h"

namespace switchyard::launch {

const char* Version() { return SWITCHYARD_VERSION; }

}  // namespace switchyard::launch
