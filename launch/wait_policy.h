// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// How long a thread of OpenMP spins before it sleeps.
#ifndef SWITCHYARD_LAUNCH_WAIT_POLICY_H_
#define SWITCHYARD_LAUNCH_WAIT_POLICY_H_

namespace switchyard::launch {

// Makes threads that wait for others sleep after a short spin, unless the
// environment decides about it. Call it first in main: it starts the program
// again, in the same process, because libgomp reads its variables while it is
// loaded. Returns in the program that is to go on.
void ShortenSpinning(char** arguments);

}  // namespace switchyard::launch

#endif  // SWITCHYARD_LAUNCH_WAIT_POLICY_H_
