// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Gumbel noise. The k experts with the largest logit + noise are a sample of
// the softmax of the logits without replacement (Kool et al., 1903.06059),
// which for k = 1 is Switch's "sample softmax" (2101.03961).
//
// An operand of another shape or dtype is a bug: a check ends the process.
#ifndef SWITCHYARD_KERNELS_GUMBEL_NOISE_H_
#define SWITCHYARD_KERNELS_GUMBEL_NOISE_H_

#include <cstdint>

#include "switchyard/base/stream.h"

namespace switchyard::kernels {

// noise[t, e] = -ln(-ln u), from -2.9 to 16.7. With T = first_token + t, w the
// word e % 4 of Philox with the key and the counter (e / 4, T mod 2^32, T /
// 2^32, 0x67756d62): u = (floor(w / 2^9) + 1/2) · 2^-23.
struct GumbelNoiseArgs {
  TensorView noise;  // fp32 [tokens, experts]
  uint64_t key = 0;
  int64_t first_token = 0;
};
void GumbelNoise(Stream& stream, const GumbelNoiseArgs& args);

}  // namespace switchyard::kernels

#endif  // SWITCHYARD_KERNELS_GUMBEL_NOISE_H_
