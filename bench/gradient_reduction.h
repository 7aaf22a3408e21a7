// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The reduction of a step's gradients into the optimizer's shards: buckets as
// in runtime/optim/sharded_adamw.cc, of int64 or fp32 elements.
#ifndef SWITCHYARD_BENCH_GRADIENT_REDUCTION_H_
#define SWITCHYARD_BENCH_GRADIENT_REDUCTION_H_

#include "absl/status/status.h"
#include "switchyard/base/stream.h"
#include "switchyard/bench/bench_tensor.h"
#include "switchyard/comm/communicator.h"

namespace switchyard::bench {

class GradientReduction {
 public:
  GradientReduction(Stream& stream, comm::Communicator& world,
                    int64_t element_count);

  absl::Status Run(DType dtype);
  // Both dtypes give the sum of what the ranks put in.
  absl::Status Verify();

 private:
  absl::Status VerifyOne(DType dtype);

  Stream& stream_;
  comm::Communicator& world_;
  BenchTensor integers_, floats_;
};

}  // namespace switchyard::bench

#endif  // SWITCHYARD_BENCH_GRADIENT_REDUCTION_H_
