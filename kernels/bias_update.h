// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The rule of loss-free balancing (2408.15664, algorithm 1; DeepSeek-V3
// 2412.19437, section 2.1.2) for the biases by which experts are chosen:
//
//   b_e -= rate  if counts_e · E > sum of counts   (above its share)
//   b_e += rate  if counts_e · E < sum of counts
//
// and unchanged at equality; compared as integers.
//
// An operand of another shape or dtype is a bug: a check ends the process.
#ifndef SWITCHYARD_KERNELS_BIAS_UPDATE_H_
#define SWITCHYARD_KERNELS_BIAS_UPDATE_H_

#include "switchyard/base/stream.h"

namespace switchyard::kernels {

struct BiasUpdateArgs {
  ConstTensorView counts;  // int64 [experts], none negative
  float rate = 0.0f;       // gamma
  TensorView bias;         // fp32 [experts]
};
void BiasUpdate(Stream& stream, const BiasUpdateArgs& args);

}  // namespace switchyard::kernels

#endif  // SWITCHYARD_KERNELS_BIAS_UPDATE_H_
