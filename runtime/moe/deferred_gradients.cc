// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/moe/deferred_gradients.h"

namespace switchyard {

void DeferredGradients::Add(const kernels::GroupedWeightGradientArgs& args) {
  if (next_ == waiting_.size()) {
    waiting_.clear();
    next_ = 0;
  }
  waiting_.push_back(args);
  ++added_;
}

bool DeferredGradients::MakeOne(Stream& stream) {
  while (next_ < waiting_.size()) {
    kernels::GroupedWeightGradientArgs args = waiting_[next_];
    const size_t segment = next_segment_++;
    if (next_segment_ >= args.segments.size()) {
      next_segment_ = 0;
      ++next_;
      ++made_;
    }
    args.segments = args.segments.subspan(segment, 1);
    if (args.segments.empty() || args.segments[0].rows == 0) continue;
    kernels::GroupedWeightGradient(stream, args);
    return true;
  }
  return false;
}

void DeferredGradients::MakeUntil(Stream& stream, int64_t count) {
  while (made_ < count && MakeOne(stream)) {
  }
}

}  // namespace switchyard
