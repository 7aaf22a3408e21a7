// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Routing by token id (Hash layers, 2106.04426; kernels/hash_router.h).
#ifndef SWITCHYARD_RUNTIME_MOE_HASH_ROUTER_H_
#define SWITCHYARD_RUNTIME_MOE_HASH_ROUTER_H_

#include <cstdint>
#include <string>

#include "switchyard/runtime/moe/router.h"

namespace switchyard {

// Every layer hashes by itself, and every run alike: the key is the layer's
// name and no seed. It has no weight, and its input gets no gradient.
class HashRouter : public Router {
 public:
  HashRouter(const ModelConfig& config, const std::string& prefix);

  RouterOutput Forward(const Execution& run, const ConstTensorView& input,
                       const TokenBatch& batch) const override;
  void Backward(const Execution& run, const ConstTensorView& input,
                const RouterOutput& output, const RouterGradients& gradients,
                const TensorView& dinput) const override;

 private:
  uint64_t key_;
  int64_t experts_;
  int64_t experts_per_token_;
};

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_MOE_HASH_ROUTER_H_
