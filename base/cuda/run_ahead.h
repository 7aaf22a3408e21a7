// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// How far the host is ahead of a stream. The driver queues some 1000 kernels,
// copies and events; a call that gives it more blocks inside the driver, where
// nobody sees that the stream waits for a rank that is lost. So the host waits
// before, where it can look around. Internal to Switchyard.
#ifndef SWITCHYARD_BASE_CUDA_RUN_AHEAD_H_
#define SWITCHYARD_BASE_CUDA_RUN_AHEAD_H_

#include <cuda_runtime.h>

#include <array>
#include <memory>

#include "switchyard/base/cuda/cuda_event.h"

namespace switchyard {

class RunAhead {
 public:
  // The stream was given so much.
  void Count(int work) { given_ += work; }

  bool BatchIsFull() const { return given_ >= kBatch; }
  // Call it with the stream's GPU as the current one.
  void EndBatch(cudaStream_t stream) {
    if (ends_[last_] == nullptr) ends_[last_] = std::make_unique<CudaEvent>();
    ends_[last_]->Record(stream);
    last_ = (last_ + 1) % kBatches;
    given_ = 1;  // the event
  }
  // Whether the stream has room for another batch.
  bool HasRoom() const {
    return ends_[last_] == nullptr || ends_[last_]->Reached();
  }

 private:
  static constexpr int kBatch = 192;
  static constexpr int kBatches = 3;  // at most, under way

  int given_ = 0;  // since the last batch ended
  std::array<std::unique_ptr<CudaEvent>, kBatches> ends_;
  int last_ = 0;  // the next batch's end, and until then the oldest
};

}  // namespace switchyard

#endif  // SWITCHYARD_BASE_CUDA_RUN_AHEAD_H_
