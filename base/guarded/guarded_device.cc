// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/base/guarded/guarded_device.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <functional>
#include <utility>
#include <vector>

#include "switchyard/base/check.h"
#include "switchyard/base/out_of_memory.h"
#include "switchyard/base/stream.h"

namespace switchyard {
namespace {

class GuardedStream : public Stream {
 public:
  explicit GuardedStream(Device& device)
      : Stream(device, /*runs_at_once=*/false) {}
  ~GuardedStream() override {
    SWITCHYARD_CHECK(queue_.empty())
        << queue_.size() << " pieces of work were never waited for";
  }

  void Wait() override {
    if (queue_.empty()) return;
    device().OpenMemory();
    for (const std::function<void()>& work : queue_) work();
    queue_.clear();
    device().CloseMemory();
  }

 protected:
  void EnqueueLate(std::function<void()> work) override {
    queue_.push_back(std::move(work));
  }

 private:
  std::vector<std::function<void()>> queue_;
};

size_t RoundToPages(size_t bytes) {
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return (bytes / page + 1) * page;
}

}  // namespace

GuardedDevice::GuardedDevice(int threads) : threads_(threads) {
  SWITCHYARD_CHECK(threads >= 1) << threads;
}

GuardedDevice::~GuardedDevice() {
  SWITCHYARD_CHECK(regions_.empty()) << regions_.size() << " blocks leaked";
}

void* GuardedDevice::Allocate(size_t bytes) {
  const size_t mapped = RoundToPages(bytes);
  void* data = mmap(nullptr, mapped, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data == MAP_FAILED) EndOutOfMemory(mapped);
  std::memset(data, 0xff, mapped);  // a NaN in every floating-point dtype
  std::lock_guard<std::mutex> lock(mutex_);
  regions_.emplace(data, mapped);
  if (open_count_ == 0) {
    SWITCHYARD_CHECK(mprotect(data, mapped, PROT_NONE) == 0);
  }
  return data;
}

void GuardedDevice::Free(void* data, size_t /*bytes*/) {
  std::lock_guard<std::mutex> lock(mutex_);
  const auto region = regions_.find(data);
  SWITCHYARD_CHECK(region != regions_.end()) << data << " is not ours";
  munmap(region->first, region->second);
  regions_.erase(region);
}

std::unique_ptr<Stream> GuardedDevice::NewStream() {
  return std::make_unique<GuardedStream>(*this);
}

void GuardedDevice::OpenMemory() {
  std::lock_guard<std::mutex> lock(mutex_);
  if (open_count_++ == 0) ProtectAll(PROT_READ | PROT_WRITE);
}

void GuardedDevice::CloseMemory() {
  std::lock_guard<std::mutex> lock(mutex_);
  SWITCHYARD_CHECK(open_count_ > 0);
  if (--open_count_ == 0) ProtectAll(PROT_NONE);
}

void GuardedDevice::ProtectAll(int protection) {
  for (const auto& [data, mapped] : regions_) {
    SWITCHYARD_CHECK(mprotect(data, mapped, protection) == 0);
  }
}

}  // namespace switchyard
