// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/comm/node_order.h"

#include <algorithm>
#include <map>
#include <numeric>

namespace switchyard::comm {

std::vector<int> NumberNodes(const std::vector<std::string>& identities) {
  std::map<std::string, int> seen;
  std::vector<int> nodes;
  for (const std::string& identity : identities) {
    nodes.push_back(
        seen.emplace(identity, static_cast<int>(seen.size())).first->second);
  }
  return nodes;
}

std::vector<int> OrderByNode(const std::vector<int>& nodes) {
  std::vector<int> order(nodes.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](int a, int b) { return nodes[a] < nodes[b]; });
  return order;
}

}  // namespace switchyard::comm
