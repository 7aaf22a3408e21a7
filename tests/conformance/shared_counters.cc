// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/tests/conformance/shared_counters.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "switchyard/base/status.h"
#include "switchyard/tests/conformance/buffer.h"

namespace switchyard::comm {
namespace {

using Counter = std::atomic<int>;
static_assert(Counter::is_always_lock_free, "processes share them");

constexpr size_t kBytes = SharedCounters::kCount * sizeof(Counter);

// Memory without a name: nothing stays behind, whatever ends the test.
int NewFile() {
  const int file = memfd_create("switchyard_counters", MFD_CLOEXEC);
  if (file >= 0 && ftruncate(file, kBytes) != 0) return -1;
  return file;
}

// Other processes find it among the open files of rank 0's.
absl::StatusOr<int> OpenFile(Rank& rank) {
  const int own = rank.rank() == 0 ? NewFile() : -1;
  Buffer<int32_t> number(rank, std::vector<int32_t>{own});
  SWITCHYARD_RETURN_IF_ERROR(
      rank.world.Broadcast(rank.stream, number.view(), 0, {-1, "counters"})
          .Wait());
  if (rank.rank() == 0) return own;
  const std::string path = absl::StrCat(
      "/proc/", rank.world.members()[0].process, "/fd/", number.Values()[0]);
  return open(path.c_str(), O_RDWR | O_CLOEXEC);
}

Counter& At(void* memory, int counter) {
  return static_cast<Counter*>(memory)[counter];
}

}  // namespace

absl::StatusOr<std::unique_ptr<SharedCounters>> SharedCounters::Open(
    Rank& rank) {
  SWITCHYARD_ASSIGN_OR_RETURN(const int file, OpenFile(rank));
  if (file < 0) return absl::ErrnoToStatus(errno, "no shared counters");
  void* memory =
      mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (memory == MAP_FAILED) {
    close(file);
    return absl::ErrnoToStatus(errno, "no shared counters");
  }
  return std::unique_ptr<SharedCounters>(new SharedCounters(file, memory));
}

SharedCounters::~SharedCounters() {
  munmap(memory_, kBytes);
  close(file_);
}

void SharedCounters::Add(int counter) { ++At(memory_, counter); }

int SharedCounters::Get(int counter) const { return At(memory_, counter); }

absl::Status SharedCounters::AwaitAtLeast(int counter, int value) const {
  const auto deadline =
      std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (Get(counter) < value) {
    if (std::chrono::steady_clock::now() > deadline) {
      return absl::DeadlineExceededError(
          absl::StrCat("counter ", counter, " is ", Get(counter),
                       " and should become ", value));
    }
    std::this_thread::yield();
  }
  return absl::OkStatus();
}

}  // namespace switchyard::comm
