// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The order of a world's ranks: by node, so that consecutive ranks are near
// each other whatever the launcher's mapping.
#ifndef SWITCHYARD_COMM_NODE_ORDER_H_
#define SWITCHYARD_COMM_NODE_ORDER_H_

#include <string>
#include <vector>

namespace switchyard::comm {

// The number of each rank's node; `identities` has a name for each rank's node.
// Nodes are numbered by their first rank.
std::vector<int> NumberNodes(const std::vector<std::string>& identities);

// The ranks ordered by node, those of a node as before.
std::vector<int> OrderByNode(const std::vector<int>& nodes);

}  // namespace switchyard::comm

#endif  // SWITCHYARD_COMM_NODE_ORDER_H_
