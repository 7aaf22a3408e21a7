// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Routing by token id (Hash layers, 2106.04426): every id has k distinct
// experts, for good, whatever the token's hidden state. There is nothing to
// learn and no gradient.
//
// An operand of another shape or dtype is a bug: a check ends the process.
#ifndef SWITCHYARD_KERNELS_HASH_ROUTER_H_
#define SWITCHYARD_KERNELS_HASH_ROUTER_H_

#include <cstdint>

#include "switchyard/base/stream.h"

namespace switchyard::kernels {

// Choice j of an id is number floor(w · (E - j) / 2^32), in order, of the
// experts that are not among its choices yet; w is word j % 4 of Philox with
// the key and the counter (id, j / 4, 0x68617368, 0). A gate is 1 / k, and so
// is the probability of a chosen expert; of the others it is 0.
struct HashRouterArgs {
  ConstTensorView ids;  // int32 [tokens]
  uint64_t key = 0;
  TensorView probabilities;  // fp32 [tokens, E]
  TensorView logsumexp;      // fp32 [tokens], 0: there are no logits
  TensorView experts;        // int32 [tokens, k]
  TensorView gates;          // fp32 [tokens, k]
};
void HashRouter(Stream& stream, const HashRouterArgs& args);

}  // namespace switchyard::kernels

#endif  // SWITCHYARD_KERNELS_HASH_ROUTER_H_
