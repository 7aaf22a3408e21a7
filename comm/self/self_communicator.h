// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// A world of one rank. Needs no launcher and no MPI.
#ifndef SWITCHYARD_COMM_SELF_SELF_COMMUNICATOR_H_
#define SWITCHYARD_COMM_SELF_SELF_COMMUNICATOR_H_

#include <memory>

#include "switchyard/comm/communicator.h"

namespace switchyard::comm {

std::unique_ptr<Communicator> NewSelfCommunicator();

}  // namespace switchyard::comm

#endif  // SWITCHYARD_COMM_SELF_SELF_COMMUNICATOR_H_
