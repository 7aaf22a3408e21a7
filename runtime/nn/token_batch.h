// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// One micro-batch on the device, as modules see it.
#ifndef SWITCHYARD_RUNTIME_NN_TOKEN_BATCH_H_
#define SWITCHYARD_RUNTIME_NN_TOKEN_BATCH_H_

#include <cstdint>

#include "switchyard/base/tensor_view.h"

namespace switchyard {

class KvCache;  // runtime/generate/kv_cache.h

// Whole sequences, one after the other. A rank without a micro-batch passes
// zero tokens.
struct TokenBatch {
  ConstTensorView ids;     // int32 [tokens]
  ConstTensorView labels;  // int32 [tokens], -100: no loss
  ConstTensorView valid;   // uint8 [tokens], 0: padding

  // For what is random or differs in an evaluation. Token t of the batch is
  // token `micro_batch` · tokens + t of the step, whichever rank holds it.
  // Ranks that compute at the same time have micro-batches of consecutive
  // indices, in the order of ranks.
  int64_t micro_batch = 0;  // of the step, by index
  bool training = false;    // false: nothing random, nothing is updated

  // int32 [layers · tokens, k]: the experts that tokens go to, whatever their
  // scores; undefined: routers choose. A router is given its own layer's rows.
  ConstTensorView replayed = {};
  // fp32 [tokens, experts]: added to a router's logits where it chooses
  // experts, and nowhere else; undefined: nothing. A layer gives it to its
  // router.
  ConstTensorView selection_noise = {};
  // Generation: the sequences go on from the positions that are kept here, and
  // each layer adds its own. Null: sequences begin with this batch.
  KvCache* cache = nullptr;
};

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_NN_TOKEN_BATCH_H_
