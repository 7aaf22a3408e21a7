// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Expert choice (2202.09368): experts choose tokens, each the same number. So
// loads are level without a loss, and a token gets between none and all of the
// experts. Who is chosen depends on all tokens of the micro-batch, also on
// later ones and on other sequences: a decoder trained so sees the future.
//
// An operand of another shape or dtype is a bug: a check ends the process.
#ifndef SWITCHYARD_KERNELS_EXPERT_CHOICE_H_
#define SWITCHYARD_KERNELS_EXPERT_CHOICE_H_

#include <cstdint>

#include "switchyard/base/stream.h"

namespace switchyard::kernels {

// Every expert e takes the `rows` valid tokens with the largest
// probabilities[t, e], or all where there are fewer; ties to the lower token,
// NaN last. A token's row then holds the experts that took it, highest
// probability first, ties to the lower expert, and kNoExpert (no_expert.h)
// behind them; its gates are scaling · probability, and 0 behind them.
struct ExpertChoiceArgs {
  ConstTensorView probabilities;  // fp32 [tokens, experts]
  ConstTensorView valid;          // uint8 [tokens]: 0 is padding
  int64_t rows = 0;
  float scaling = 1.0f;
  TensorView experts;  // int32 [tokens, experts]
  TensorView gates;    // fp32 [tokens, experts]
};
void ExpertChoice(Stream& stream, const ExpertChoiceArgs& args);

}  // namespace switchyard::kernels

#endif  // SWITCHYARD_KERNELS_EXPERT_CHOICE_H_
