// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// A tensor for tests: guard elements on both sides, contents set and read
// through the stream, as a device with memory of its own needs it. A new one
// holds a pattern that no test expects as a result.
#ifndef SWITCHYARD_TESTS_CONFORMANCE_BUFFER_H_
#define SWITCHYARD_TESTS_CONFORMANCE_BUFFER_H_

#include <cstring>
#include <vector>

#include "gtest/gtest.h"
#include "switchyard/base/storage.h"
#include "switchyard/base/stream.h"
#include "switchyard/tests/conformance/implementation.h"

namespace switchyard {

inline bool operator==(BFloat16 a, BFloat16 b) { return a.bits == b.bits; }
inline std::ostream& operator<<(std::ostream& out, BFloat16 x) {
  return out << "bf16 bits " << x.bits;
}

namespace comm {

template <typename T>
class Buffer {
 public:
  // `count` elements of the guard pattern.
  Buffer(Rank& rank, int64_t count)
      : stream_(rank.stream),
        count_(count),
        storage_(rank.device, kDTypeOf<T>, {count + 2 * kGuards}) {
    const std::vector<T> pattern(count + 2 * kGuards, Pattern());
    stream_.CopyToDevice(Whole(), pattern.data());
  }
  Buffer(Rank& rank, const std::vector<T>& values)
      : Buffer(rank, static_cast<int64_t>(values.size())) {
    stream_.CopyToDevice(view(), values.data());
  }
  // Every buffer proves that nothing was written beside it.
  ~Buffer() {
    std::vector<T> all(count_ + 2 * kGuards);
    stream_.CopyToHost(all.data(), Whole());
    stream_.Wait();
    for (int64_t i = 0; i < kGuards; ++i) {
      EXPECT_TRUE(SameBits(all[i], Pattern())) << "before the buffer, " << i;
      EXPECT_TRUE(SameBits(all[kGuards + count_ + i], Pattern()))
          << "behind the buffer, " << i;
    }
  }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  TensorView view() { return view(0, count_); }
  // Elements [begin, end).
  TensorView view(int64_t begin, int64_t end) {
    return Whole().Rows(kGuards + begin, kGuards + end);
  }
  std::vector<T> Values() {
    std::vector<T> values(count_);
    stream_.CopyToHost(values.data(), view());
    stream_.Wait();
    return values;
  }

  static T Pattern() {
    T value;
    std::memset(&value, 0xa5, sizeof(value));
    return value;
  }

 private:
  static constexpr int64_t kGuards = 16;
  static bool SameBits(T a, T b) { return std::memcmp(&a, &b, sizeof(T)) == 0; }

  TensorView Whole() {
    return storage_.View(kDTypeOf<T>, {count_ + 2 * kGuards});
  }

  Stream& stream_;
  const int64_t count_;
  Storage storage_;
};

}  // namespace comm
}  // namespace switchyard

#endif  // SWITCHYARD_TESTS_CONFORMANCE_BUFFER_H_
