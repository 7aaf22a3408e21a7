// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/base/cuda/host_staging.h"

#include <algorithm>

#include "switchyard/base/cuda/cuda_device_impl.h"

namespace switchyard {
namespace {

constexpr size_t kFirstBytes = size_t{1} << 16;
constexpr size_t kAlignment = 64;

}  // namespace

HostStaging::~HostStaging() {
  for (const Block& block : blocks_) device_.FreePinned(block.data);
}

char* HostStaging::Take(size_t bytes) {
  const size_t rounded = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  if (blocks_.empty() || blocks_.back().bytes - used_ < rounded) Add(rounded);
  char* data = blocks_.back().data + used_;
  used_ += rounded;
  return data;
}

void HostStaging::Add(size_t bytes) {
  full_ = blocks_.empty() ? 0 : full_ + blocks_.back().bytes;
  Block block;
  block.bytes = std::max({bytes, full_, kFirstBytes});
  block.data = static_cast<char*>(device_.AllocatePinned(block.bytes));
  blocks_.push_back(block);
  used_ = 0;
}

void HostStaging::Reset() {
  used_ = 0;
  if (blocks_.size() < 2) return;
  // One block that holds as much as all did.
  size_t all = 0;
  for (const Block& block : blocks_) {
    all += block.bytes;
    device_.FreePinned(block.data);
  }
  blocks_.clear();
  full_ = 0;
  Add(all);
}

}  // namespace switchyard
