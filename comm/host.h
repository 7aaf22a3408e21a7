// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The machine that a rank runs on, as far as ranks must tell each other.
#ifndef SWITCHYARD_COMM_HOST_H_
#define SWITCHYARD_COMM_HOST_H_

#include <string>

namespace switchyard::comm {

std::string HostName();

// Equal for two processes exactly if they share a kernel and a host name: names
// alone repeat ("localhost" in containers), and so do kernels (several host
// names on one machine stand for several nodes in tests of batch systems).
std::string NodeIdentity();

}  // namespace switchyard::comm

#endif  // SWITCHYARD_COMM_HOST_H_
