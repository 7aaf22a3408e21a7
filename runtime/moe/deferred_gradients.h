// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Weight gradients that no other rank waits for. A backward pass puts them off
// and makes them while this rank waits for rows of others: experts are seldom
// loaded alike, and in each layer the ranks with fewer rows would be idle until
// those with more are done. Sums of gradients have no order, so no bit depends
// on when they are made.
#ifndef SWITCHYARD_RUNTIME_MOE_DEFERRED_GRADIENTS_H_
#define SWITCHYARD_RUNTIME_MOE_DEFERRED_GRADIENTS_H_

#include <cstdint>
#include <vector>

#include "switchyard/base/stream.h"
#include "switchyard/kernels/matmul.h"

namespace switchyard {

class DeferredGradients {
 public:
  // `most` that wait at the same time: the model's layers. How many do depends
  // on the other ranks' pace, and none may allocate in a step.
  explicit DeferredGradients(int most) {
    waiting_.reserve(static_cast<size_t>(most));
  }

  // Everything that `args` refers to must live until it was made.
  void Add(const kernels::GroupedWeightGradientArgs& args);

  // Makes the oldest one of a single segment; false if none is left.
  bool MakeOne(Stream& stream);
  // Makes the first `count` that were ever added.
  void MakeUntil(Stream& stream, int64_t count);
  void MakeAll(Stream& stream) { MakeUntil(stream, added_); }

  // How often Add was called.
  int64_t added() const { return added_; }

 private:
  std::vector<kernels::GroupedWeightGradientArgs> waiting_;
  size_t next_ = 0;          // in waiting_
  size_t next_segment_ = 0;  // of it
  int64_t added_ = 0;
  int64_t made_ = 0;
};

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_MOE_DEFERRED_GRADIENTS_H_
