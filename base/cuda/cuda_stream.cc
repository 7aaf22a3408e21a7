// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/base/cuda/cuda_stream.h"

#include <algorithm>
#include <cstring>
#include <thread>

#include "switchyard/base/check.h"
#include "switchyard/base/cuda/cuda_check.h"
#include "switchyard/base/cuda/cuda_device_impl.h"

namespace switchyard {
namespace {

// Copies above it go without staging: CUDA then splits them itself, and they
// block. Parameters and checkpoints are so large, nothing of a step is.
constexpr size_t kStagedBytes = size_t{8} << 20;

// Bytes from one row of a strided view to the next.
size_t PitchOf(const ConstTensorView& view) {
  return static_cast<size_t>(view.row_stride()) * SizeOf(view.dtype());
}

size_t RowBytes(const ConstTensorView& view) {
  return static_cast<size_t>(view.byte_count() / view.dim(0));
}

}  // namespace

CudaStream::CudaStream(CudaDevice& device, Priority priority)
    : Stream(device, /*runs_at_once=*/false), device_(device), owned_(true) {
  device.MakeCurrent();
  int least = 0, greatest = 0;
  SWITCHYARD_CUDA_CHECK(cudaDeviceGetStreamPriorityRange(&least, &greatest));
  SWITCHYARD_CUDA_CHECK(cudaStreamCreateWithPriority(
      &handle_, cudaStreamNonBlocking,
      priority == Priority::kUrgent ? greatest : least));
}

CudaStream::CudaStream(CudaDevice& device, cudaStream_t handle)
    : Stream(device, /*runs_at_once=*/false),
      device_(device),
      handle_(handle),
      owned_(false) {
  SWITCHYARD_CHECK(handle != nullptr)
      << "the default stream waits for all others; make one with "
         "cudaStreamCreateWithFlags";
}

CudaStream::~CudaStream() {
  device_.MakeCurrent();
  // Of a run that failed: where copies to the host should go is gone too.
  if (!arrivals_.empty()) cudaStreamSynchronize(handle_);
  products_.reset();  // while the stream is there
  if (owned_) SWITCHYARD_CUDA_CHECK(cudaStreamDestroy(handle_));
}

void CudaStream::Wait() {
  device_.MakeCurrent();
  device_.CountWait();
  if (device_.watched()) {
    // Whoever watches may have to end what this would wait for in vain.
    cudaError_t state = cudaStreamQuery(handle_);
    while (state == cudaErrorNotReady) {
      device_.LookAround();
      std::this_thread::yield();
      state = cudaStreamQuery(handle_);
    }
    internal::CheckCuda(state, "cudaStreamQuery, of earlier work", __FILE__,
                        __LINE__);
  }
  SWITCHYARD_CUDA_CHECK(cudaStreamSynchronize(handle_));
  for (const Arrival& arrival : arrivals_) {
    std::memcpy(arrival.dst, arrival.staged, arrival.bytes);
  }
  arrivals_.clear();
  staging_.Reset();
}

void CudaStream::EnqueueLate(std::function<void()> /*work*/) {
  SWITCHYARD_CHECK(false) << "work of the host on a stream of "
                          << device_.name();
}

void CudaStream::CopyRows(const TensorView& dst, const ConstTensorView& src) {
  device_.MakeCurrent();
  if (dst.contiguous() && src.contiguous()) {
    SWITCHYARD_CUDA_CHECK(cudaMemcpyAsync(dst.raw(), src.raw(),
                                          src.byte_count(),
                                          cudaMemcpyDeviceToDevice, handle_));
    return;
  }
  SWITCHYARD_CUDA_CHECK(cudaMemcpy2DAsync(
      dst.raw(), PitchOf(dst), src.raw(), PitchOf(src), RowBytes(src),
      static_cast<size_t>(src.dim(0)), cudaMemcpyDeviceToDevice, handle_));
}

void CudaStream::CopyBytesToHost(void* dst, const ConstTensorView& src) {
  device_.MakeCurrent();
  const size_t bytes = static_cast<size_t>(src.byte_count());
  void* to = dst;
  if (bytes <= kStagedBytes) {
    char* staged = staging_.Take(bytes);
    arrivals_.push_back({dst, staged, bytes});
    to = staged;
  }
  SWITCHYARD_CUDA_CHECK(
      cudaMemcpyAsync(to, src.raw(), bytes, cudaMemcpyDeviceToHost, handle_));
}

void CudaStream::CopyBytesToDevice(const TensorView& dst, const void* src) {
  device_.MakeCurrent();
  const size_t bytes = static_cast<size_t>(dst.byte_count());
  const void* from = src;
  if (bytes <= kStagedBytes) {
    char* staged = staging_.Take(bytes);
    std::memcpy(staged, src, bytes);
    from = staged;
  }
  // From ordinary memory CUDA returns when it has read all of it.
  SWITCHYARD_CUDA_CHECK(
      cudaMemcpyAsync(dst.raw(), from, bytes, cudaMemcpyHostToDevice, handle_));
}

void CudaStream::ZeroRows(const TensorView& dst) {
  device_.MakeCurrent();
  if (dst.contiguous()) {
    SWITCHYARD_CUDA_CHECK(
        cudaMemsetAsync(dst.raw(), 0, dst.byte_count(), handle_));
    return;
  }
  SWITCHYARD_CUDA_CHECK(cudaMemset2DAsync(dst.raw(), PitchOf(dst), 0,
                                          RowBytes(dst), dst.dim(0), handle_));
}

CudaStream& CudaStreamOf(Stream& stream) {
  SWITCHYARD_CHECK(stream.device().kind() == DeviceKind::kCuda)
      << "a stream of " << stream.device().name();
  auto& result = static_cast<CudaStream&>(stream);
  result.cuda_device().MakeCurrent();
  return result;
}

std::unique_ptr<Stream> NewUrgentStream(Device& device) {
  SWITCHYARD_CHECK(device.kind() == DeviceKind::kCuda) << device.name();
  return std::make_unique<CudaStream>(static_cast<CudaDevice&>(device),
                                      CudaStream::Priority::kUrgent);
}

}  // namespace switchyard
