// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Device memory for the work of one operator: taken from the device's pool when
// the stream gets there and returned when it has passed the end of the scope.
// Neither waits. Internal to Switchyard.
#ifndef SWITCHYARD_BASE_CUDA_STREAM_SCRATCH_H_
#define SWITCHYARD_BASE_CUDA_STREAM_SCRATCH_H_

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "absl/types/span.h"
#include "switchyard/base/cuda/cuda_stream.h"

namespace switchyard {

// `count` elements with undefined contents.
template <typename T>
class StreamScratch {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  StreamScratch(CudaStream& stream, int64_t count) : stream_(stream) {
    if (count == 0) return;
    data_ = static_cast<T*>(
        stream.TakeScratch(static_cast<size_t>(count) * sizeof(T)));
  }
  // With a copy of `values`, which may be changed at once.
  StreamScratch(CudaStream& stream, absl::Span<const T> values)
      : StreamScratch(stream, static_cast<int64_t>(values.size())) {
    if (values.empty()) return;
    const int64_t bytes = static_cast<int64_t>(values.size() * sizeof(T));
    stream.CopyToDevice(TensorView(data_, DType::kUInt8, {bytes}),
                        values.data());
  }
  ~StreamScratch() {
    if (data_ != nullptr) stream_.ReturnScratch(data_);
  }
  StreamScratch(const StreamScratch&) = delete;
  StreamScratch& operator=(const StreamScratch&) = delete;

  T* data() const { return data_; }

 private:
  CudaStream& stream_;
  T* data_ = nullptr;
};

}  // namespace switchyard

#endif  // SWITCHYARD_BASE_CUDA_STREAM_SCRATCH_H_
