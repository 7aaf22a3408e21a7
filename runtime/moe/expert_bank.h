// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The experts that this rank owns: feed-forward networks, applied to segments
// of rows.
//
//   y = (f(x w1ᵀ) · (x w3ᵀ)) w2ᵀ      (names of Hugging Face's Mixtral)
//   y = f(x w1ᵀ) w2ᵀ                  if there is no gate
//
// with the model's activation f (kernels/activation.h). In training, elements
// of the product before w2 may be dropped (expert_dropout.h).
#ifndef SWITCHYARD_RUNTIME_MOE_EXPERT_BANK_H_
#define SWITCHYARD_RUNTIME_MOE_EXPERT_BANK_H_

#include <string>
#include <vector>

#include "absl/types/span.h"
#include "switchyard/kernels/activation.h"
#include "switchyard/kernels/segments.h"
#include "switchyard/runtime/moe/expert_dropout.h"
#include "switchyard/runtime/moe/routing.h"
#include "switchyard/runtime/nn/execution.h"
#include "switchyard/runtime/nn/model_config.h"
#include "switchyard/runtime/nn/parameter.h"

namespace switchyard {

class ExpertBank {
 public:
  // `prefix` is that of the layer's mixture: ends in "block_sparse_moe".
  static void Declare(ParameterStore& store, const ModelConfig& config,
                      const std::string& prefix);
  ExpertBank(const ParameterStore& store, const Grid& grid,
             const ModelConfig& config, const std::string& prefix);

  struct Saved {
    ConstTensorView input;  // [segment rows, hidden]
    TensorView gate_up;     // [segment rows, 2 · intermediate or less]
    TensorView act;         // [segment rows, intermediate]: f, dropped, if so
    ExpertDropout dropout;
  };
  // Buffers hold the segments in their first rows, and maybe others behind
  // them. Makes room for all of the routing's.
  Saved Begin(const Execution& run, const Routing& routing,
              const ConstTensorView& buffer,
              const ExpertDropout& dropout = {}) const;
  // Fills the rows of a chunk's segments in `output_buffer`.
  void Forward(const Execution& run, const RoutingChunk& chunk,
               const Saved& saved, const TensorView& output_buffer) const;

  // Likewise: gradients of the inputs, for which other ranks wait. Overwrites
  // the saved gate_up by its gradient.
  void BackwardInput(const Execution& run, const RoutingChunk& chunk,
                     const Saved& saved, const ConstTensorView& doutput_buffer,
                     const TensorView& dinput_buffer) const;
  // Afterwards, of all segments: gradients of the weights. Those of gate and up
  // are put off where `run` allows it; they need what was saved, but not
  // `doutput_buffer`.
  void BackwardWeights(const Execution& run,
                       absl::Span<const kernels::Segment> segments,
                       const Saved& saved,
                       const ConstTensorView& doutput_buffer) const;

 private:
  int64_t intermediate_;
  kernels::ActivationKind activation_;
  std::vector<ConstTensorView>
      gate_up_weights_;                        // w1 (above w3), by own expert
  std::vector<ConstTensorView> down_weights_;  // w2
  std::vector<kernels::GradientSum> gate_up_gradients_;  // w1, w3 by expert
  std::vector<kernels::GradientSum> down_gradients_;
};

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_MOE_EXPERT_BANK_H_
